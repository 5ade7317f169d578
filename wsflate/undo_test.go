package wsflate_test

import (
	"bytes"
	"math/rand/v2"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// RFC 7692, section 7.2.1: what was not sent is in no window. A peer that sees
// none of the messages that were taken back inflates all others.
func TestUndo(t *testing.T) {
	for _, level := range []int{1, 6} {
		eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
			r := rand.New(rand.NewPCG(uint64(level), uint64(bits)))
			s := wsflate.NewSender(p, side, &wsflate.SenderConfig{Level: level})
			peer := wsflate.NewReceiver(p, other(side))
			all := messages()
			deliver := func(payload, want []byte) {
				got, err := peer.Append(nil, payload, true, -1)
				require.NoError(t, err)
				require.True(t, bytes.Equal(want, got))
			}
			rounds := 100
			if testing.Short() {
				rounds = 20
			}
			for range rounds {
				m := all[r.IntN(len(all))]
				switch n := r.IntN(20); {
				case n < 10:
					if out, ok := s.AppendMessage(nil, m); ok {
						deliver(out, m)
					}
				case n < 15:
					s.AppendMessage(nil, m)
					s.Undo()
				case n == 15: // an earlier message is not taken back in place of a plain one
					s.AppendMessage(nil, all[6])
					s.Undo()
				case n == 16:
					s.SentPrepared(m)
					s.Undo()
				case n == 17: // once only
					s.AppendMessage(nil, m)
					s.Undo()
					s.Undo()
				case n == 18:
					if form, ok := s.Profile(len(m)).Append(nil, m); ok {
						deliver(form, m)
						s.SentPrepared(m)
					}
				default:
					out := s.AppendPart(nil, m[:len(m)/2], false)
					out = s.AppendPart(out, m[len(m)/2:], true)
					deliver(out, m)
					s.Undo() // there is nothing to undo
				}
			}
		})
	}
}

// What was sent before stays in the window.
func TestUndoKeepsTheWindow(t *testing.T) {
	s := wsflate.NewSender(wsflate.Parameters{}, ws.StateServerSide, nil)
	m := noise(3000, 1)
	s.AppendPart(nil, m, true) // whatever that costs
	before := s.Size()
	out, ok := s.AppendMessage(nil, m)
	require.True(t, ok)
	require.Less(t, len(out), 100)
	s.Undo()
	require.GreaterOrEqual(t, s.Size(), before)
	again, ok := s.AppendMessage(nil, m)
	require.True(t, ok)
	require.InDelta(t, len(out), len(again), 8)
}
