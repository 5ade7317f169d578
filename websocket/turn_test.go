package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// Who waits gets the turn in order of arrival, control frames first, and a crowd costs no more
// for each than a few do: this takes minutes if each arrival, leave or grant looks at all.
func TestTurnOfCrowd(t *testing.T) {
	const crowd = 200_000
	var turn turn
	require.True(t, turn.tryLock(forMessage))
	var messages, controls, gone []*waiter
	for i := range crowd {
		messages = append(messages, turn.enter(forMessage))
		if i%2 == 0 {
			controls = append(controls, turn.enter(forControl))
		}
		gone = append(gone, turn.enter(kind(i%3)))
	}
	for i := range gone {
		require.True(t, turn.leave(gone[len(gone)-1-i]))
	}
	for _, w := range append(controls, messages...) {
		require.Nil(t, turn.unlock(0, 0, false))
		select {
		case <-w.ready:
		default:
			t.Fatal("another one has got the turn")
		}
		require.False(t, turn.leave(w), "it has it")
	}
	require.Nil(t, turn.unlock(0, 0, false))
	require.Zero(t, turn.state.Load())
	require.True(t, turn.nobodyWaits())
}

// While a message is open, its fragments and control frames get the turn, and no other
// message does.
func TestTurnOfOpenMessage(t *testing.T) {
	var turn turn
	require.True(t, turn.tryLock(forMessage))
	message := turn.enter(forMessage)
	require.Nil(t, turn.unlock(0, turnOpen, false))
	require.False(t, message.granted)
	require.False(t, turn.tryLock(forFragment), "somebody waits")
	require.Nil(t, turn.enter(forFragment), "but not for this")
	control := turn.enter(forControl)
	require.Nil(t, turn.unlock(0, turnOpen, false))
	require.True(t, control.granted)
	require.False(t, message.granted)
	require.Nil(t, turn.unlock(turnOpen, 0, false))
	require.True(t, message.granted)
}
