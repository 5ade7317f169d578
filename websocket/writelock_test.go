package websocket

import (
	"testing"

	"github.com/stretchr/testify/require"
)

// The lock is granted in order of arrival, control frames first, and a crowd costs no more for
// each than a few do: this takes minutes if each arrival, leave or grant looks at all.
func TestWriteLockOfCrowd(t *testing.T) {
	const crowd = 200_000
	var lock writeLock
	require.True(t, lock.tryLock(forMessage))
	var messages, controls, gone []*waiter
	for i := range crowd {
		messages = append(messages, lock.enter(forMessage))
		if i%2 == 0 {
			controls = append(controls, lock.enter(forControl))
		}
		gone = append(gone, lock.enter(kind(i%3)))
	}
	for i := range gone {
		require.True(t, lock.leave(gone[len(gone)-1-i]))
	}
	for _, w := range append(controls, messages...) {
		require.Zero(t, lock.unlock(0, 0, false))
		select {
		case <-w.ready:
		default:
			t.Fatal("another one has the lock")
		}
		require.False(t, lock.leave(w), "it has it")
	}
	require.Zero(t, lock.unlock(0, 0, false))
	require.Zero(t, lock.state.Load())
	require.True(t, lock.nobodyWaits())
}

// While a message is open, its fragments and control frames get the lock, and no other
// message does.
func TestWriteLockOfOpenMessage(t *testing.T) {
	var lock writeLock
	require.True(t, lock.tryLock(forMessage))
	message := lock.enter(forMessage)
	require.Zero(t, lock.unlock(0, writeOpen, false))
	require.False(t, message.granted)
	require.False(t, lock.tryLock(forFragment), "somebody waits")
	require.Nil(t, lock.enter(forFragment), "but not for this")
	control := lock.enter(forControl)
	require.Zero(t, lock.unlock(0, writeOpen, false))
	require.True(t, control.granted)
	require.False(t, message.granted)
	require.Zero(t, lock.unlock(writeOpen, 0, false))
	require.True(t, message.granted)
}
