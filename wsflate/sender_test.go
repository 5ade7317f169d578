package wsflate_test

import (
	"bytes"
	"fmt"
	"runtime"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// eachAgreement runs f for both roles, the four combinations of takeover, and
// all windows, or three of them. takeover and bits are those of the direction
// in which that side sends.
func eachAgreement(t *testing.T, f func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int)) {
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		for combination := range 4 {
			for bits := 8; bits <= 15; bits++ {
				if testing.Short() && bits != 8 && bits != 12 && bits != 15 {
					continue
				}
				// The other direction has another window, so that mixing them
				// up shows.
				p := wsflate.Parameters{
					ServerNoContextTakeover: combination&1 != 0,
					ClientNoContextTakeover: combination&2 != 0,
					ServerMaxWindowBits:     wsflate.WindowBits(bits),
					ClientMaxWindowBits:     wsflate.WindowBits(23 - bits),
				}
				takeover := !p.ServerNoContextTakeover
				if side == ws.StateClientSide {
					takeover = !p.ClientNoContextTakeover
					p.ServerMaxWindowBits, p.ClientMaxWindowBits = p.ClientMaxWindowBits, p.ServerMaxWindowBits
				}
				t.Run(fmt.Sprintf("side=%d/%s", side, options(p)), func(t *testing.T) { f(t, p, side, takeover, bits) })
			}
		}
	}
}

func options(p wsflate.Parameters) string {
	return fmt.Sprintf("server=%d,%t/client=%d,%t", p.ServerMaxWindowBits, !p.ServerNoContextTakeover, p.ClientMaxWindowBits, !p.ClientNoContextTakeover)
}

func other(side ws.State) ws.State {
	if side == ws.StateClientSide {
		return ws.StateServerSide
	}
	return ws.StateClientSide
}

// What a Sender makes can be inflated by compress/flate, which has no more of
// the past than what was agreed on, and by a Receiver of the other side, which
// checks distances.
func TestSender(t *testing.T) {
	for _, level := range []int{1, 6} {
		eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
			s := wsflate.NewSender(p, side, &wsflate.SenderConfig{Level: level, Threshold: -1})
			peer := oracle{window: 1 << bits, takeover: takeover}
			r := wsflate.NewReceiver(p, other(side))
			plain := 0
			for i, m := range messages() {
				before := bytes.Clone(m)
				out, compressed := s.AppendMessage([]byte("head"), m)
				require.Equal(t, before, m, "the caller's bytes were changed")
				require.Equal(t, "head", string(out[:4]))
				if out = out[4:]; !compressed {
					plain++
					require.Empty(t, out)
					continue
				}
				require.Less(t, len(out), len(m))
				require.True(t, bytes.Equal(m, peer.inflate(t, out)), "message %d", i)
				got, err := r.Append([]byte("head"), out, true, int64(len(m)))
				require.NoError(t, err, "message %d", i)
				require.True(t, bytes.Equal(m, got[4:]), "message %d", i)
			}
			require.GreaterOrEqual(t, plain, 3, "what is random, and goes out plain")
			require.Less(t, plain, len(messages())-2)
			if !takeover {
				require.Zero(t, s.Size())
				require.Zero(t, r.Size())
			}
		})
	}
}

// Messages that others compress, in all cuts.
func TestReceiver(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		if bits != 15 {
			t.Skip("compress/flate has one window")
		}
		for level := 1; level <= 9; level += 4 {
			r, peer := wsflate.NewReceiver(p, other(side)), newStdSender(takeover, level)
			for i, m := range messages() {
				payload := peer.deflate(t, m)
				var got []byte
				var err error
				for rest, n := payload, 1; ; rest, n = rest[n:], n+7 {
					n = min(n, len(rest))
					got, err = r.Append(got, rest[:n], n == len(rest), -1)
					require.NoError(t, err)
					if n == len(rest) {
						break
					}
				}
				require.True(t, bytes.Equal(m, got), "message %d", i)
			}
		}
	})
}

// A message in parts, followed by whole messages.
func TestSenderParts(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		s := wsflate.NewSender(p, side, nil)
		peer := oracle{window: 1 << bits, takeover: takeover}
		for i, m := range messages() {
			if i%3 == 0 {
				if out, ok := s.AppendMessage(nil, m); ok {
					require.True(t, bytes.Equal(m, peer.inflate(t, out)))
				}
				continue
			}
			var payload []byte
			for rest := m; ; {
				n := min(len(rest), 1+len(m)/i)
				payload = s.AppendPart(payload, rest[:n], n == len(rest))
				if rest = rest[n:]; len(rest) == 0 {
					break
				}
			}
			require.True(t, bytes.Equal(m, peer.inflate(t, payload)), "message %d", i)
		}
	})
}

// Incompressible and short messages are sent plain and do not enter the window.
func TestSenderPlain(t *testing.T) {
	s := wsflate.NewSender(wsflate.Parameters{}, ws.StateServerSide, &wsflate.SenderConfig{Threshold: 20})
	peer := oracle{window: 1 << 15, takeover: true}
	junk := noise(500, 3)
	for range 3 {
		out, compressed := s.AppendMessage(nil, junk)
		require.False(t, compressed)
		require.Empty(t, out)
		_, compressed = s.AppendMessage(nil, []byte("aaaaaaaaaaaaaaaaaaa"))
		require.False(t, compressed)
		// It begins with what went out plain: what refers back to that is
		// garbage.
		m := append(bytes.Clone(junk), bytes.Repeat(junk[:50], 20)...)
		out, compressed = s.AppendMessage(nil, m)
		require.True(t, compressed)
		require.Equal(t, m, peer.inflate(t, out))
		junk = noise(500, uint64(len(out)))
	}
	_, compressed := s.AppendMessage(nil, nil)
	require.False(t, compressed, "an empty message is not smaller than itself")
	require.Equal(t, "\x00", string(s.AppendPart(nil, nil, true)), "RFC 7692, section 7.2.3.6")
	require.Empty(t, peer.inflate(t, []byte{0}))
}

func TestSenderThreshold(t *testing.T) {
	for _, tt := range []struct {
		p        wsflate.Parameters
		cfg      *wsflate.SenderConfig
		from     int
		whatever string
	}{
		{wsflate.Parameters{}, nil, 24, "with takeover"},
		{wsflate.DefaultParameters, nil, 64, "without"},
		{wsflate.DefaultParameters, &wsflate.SenderConfig{Threshold: 300}, 300, "as told"},
	} {
		m := bytes.Repeat([]byte("a"), 400)
		s := wsflate.NewSender(tt.p, ws.StateServerSide, tt.cfg)
		n := 0
		for ok := false; !ok; n++ {
			_, ok = s.AppendMessage(nil, m[:n+1])
		}
		require.Equal(t, tt.from, n, tt.whatever)
	}
}

// Reset and Close leave nothing behind, whatever state they find.
func TestSenderReset(t *testing.T) {
	s := new(wsflate.Sender)
	for i, p := range []wsflate.Parameters{{}, {ServerMaxWindowBits: 8}, wsflate.DefaultParameters, {}} {
		s.Reset(p, ws.StateServerSide, nil)
		require.Zero(t, s.Size())
		fresh, _ := wsflate.NewSender(p, ws.StateServerSide, nil).AppendMessage(nil, bytes.Repeat(tick(1), 9))
		out, _ := s.AppendMessage(nil, bytes.Repeat(tick(1), 9))
		require.Equal(t, fresh, out)
		s.AppendPart(nil, tick(i), false)
		require.NotZero(t, s.Size())
		if i%2 == 0 {
			s.Close()
			require.Zero(t, s.Size())
		}
	}
}

func TestReceiverErrors(t *testing.T) {
	m := bytes.Repeat(tick(1), 30)
	payload := newStdSender(false, 6).deflate(t, m)
	for _, p := range []wsflate.Parameters{{}, wsflate.DefaultParameters} {
		r := wsflate.NewReceiver(p, ws.StateServerSide)
		for range 2 {
			// Section 10.4 of RFC 6455: limits. One over, and not much more has
			// been made.
			got, err := r.Append(nil, payload, true, int64(len(m))-1)
			require.ErrorIs(t, err, wsflate.ErrTooLarge)
			require.LessOrEqual(t, len(got), len(m))
			require.Equal(t, ws.StatusMessageTooBig, wsutil.CloseCode(err))
			_, err = r.Append(nil, payload, true, -1)
			require.ErrorIs(t, err, wsflate.ErrTooLarge, "it stays")
			r.Reset(p, ws.StateServerSide)
			got, err = r.Append(nil, payload, true, int64(len(m)))
			require.NoError(t, err)
			require.Equal(t, m, got)

			for name, bad := range map[string][]byte{
				"reserved block type":    {0x07},
				"ends within a block":    payload[:len(payload)/2],
				"stored length":          {0x00, 0x01, 0x00, 0x00, 0x00, 'a'},
				"distance into nothing":  {0x03 &^ 1, 0x02, 0x42},
				"garbage behind the end": append(bytes.Clone(payload), 0xff),
			} {
				r.Reset(p, ws.StateServerSide)
				_, err := r.Append(nil, bad, true, -1)
				require.ErrorIs(t, err, wsflate.ErrCorrupt, name)
				require.Equal(t, ws.StatusInvalidFramePayloadData, wsutil.CloseCode(err))
				_, _, _, again := r.Read(make([]byte, 10), payload, true)
				require.ErrorIs(t, again, wsflate.ErrCorrupt, "it stays")
			}
			r.Reset(p, ws.StateServerSide)
		}
	}
}

// The window that was agreed on is all there is: what refers back further is a
// fault.
func TestReceiverWindow(t *testing.T) {
	far := noise(5000, 1)
	for _, bits := range []wsflate.WindowBits{8, 10, 12} {
		peer := newStdSender(true, 6)
		r := wsflate.NewReceiver(wsflate.Parameters{ClientMaxWindowBits: bits}, ws.StateServerSide)
		_, err := r.Append(nil, peer.deflate(t, far), true, -1)
		require.NoError(t, err)
		_, err = r.Append(nil, peer.deflate(t, far[:300]), true, -1)
		require.ErrorIs(t, err, wsflate.ErrCorrupt, "%d", bits)
	}
}

// A bomb costs bounded time and memory: 1 GiB that arrives as 1 MiB.
func TestBomb(t *testing.T) {
	const limit = 1 << 20
	peer := newStdSender(true, 9)
	piece := peer.deflate(t, make([]byte, 1<<24))
	again := append(peer.deflate(t, make([]byte, 1<<24)), tail...)
	bomb := append(append(bytes.Clone(piece), tail...), bytes.Repeat(again, 62)...)
	r := wsflate.NewReceiver(wsflate.Parameters{}, ws.StateServerSide)
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	got, err := r.Append(nil, bomb, true, limit)
	runtime.ReadMemStats(&after)
	require.ErrorIs(t, err, wsflate.ErrTooLarge)
	require.LessOrEqual(t, len(got), limit+1)
	require.Less(t, after.TotalAlloc-before.TotalAlloc, uint64(8*limit))

	rd := wsflate.NewReader(bytes.NewReader(bomb), nil)
	rd.SetLimit(limit)
	n, p := 0, make([]byte, 4096)
	for err = nil; err == nil; {
		var k int
		k, err = rd.Read(p)
		n += k
	}
	require.ErrorIs(t, err, wsflate.ErrTooLarge)
	require.Equal(t, limit, n)
}

// What a connection holds between messages, in bytes: the table of the package
// comment.
func TestMemory(t *testing.T) {
	for _, tt := range []struct {
		p             wsflate.Parameters
		send, receive int
	}{
		{wsflate.DefaultParameters, 0, 0},
		{wsflate.Parameters{ServerMaxWindowBits: 8, ClientMaxWindowBits: 8}, 10 << 10, 256},
		{wsflate.Parameters{ServerMaxWindowBits: 10, ClientMaxWindowBits: 10}, 11 << 10, 1 << 10},
		{wsflate.Parameters{ServerMaxWindowBits: 12, ClientMaxWindowBits: 12}, 15 << 10, 4 << 10},
		{wsflate.SmallWindow(), 15 << 10, 0},
		{wsflate.Parameters{}, 57 << 10, 32 << 10},
	} {
		s, r := wsflate.NewSender(tt.p, ws.StateServerSide, nil), wsflate.NewReceiver(tt.p, ws.StateServerSide)
		peer := wsflate.NewSender(tt.p, ws.StateClientSide, nil)
		var most, mostReceived int
		for range 3 {
			for _, m := range messages() {
				s.AppendMessage(nil, m)
				if out, ok := peer.AppendMessage(nil, m); ok {
					_, err := r.Append(nil, out, true, -1)
					require.NoError(t, err)
				}
				most, mostReceived = max(most, s.Size()), max(mostReceived, r.Size())
			}
		}
		t.Logf("%d bits: send %d, receive %d", tt.p.ServerMaxWindowBits, most, mostReceived)
		require.LessOrEqual(t, most, tt.send)
		require.LessOrEqual(t, mostReceived, tt.receive)
	}
}

// In steady state nothing is allocated.
func TestAllocations(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for _, p := range []wsflate.Parameters{{}, wsflate.DefaultParameters, {ServerMaxWindowBits: 9, ClientMaxWindowBits: 9}} {
		s, r := wsflate.NewSender(p, ws.StateServerSide, nil), wsflate.NewReceiver(p, ws.StateClientSide)
		wire, got := make([]byte, 0, 70000), make([]byte, 0, 70000)
		all := messages()[:13]
		require.Zero(t, testing.AllocsPerRun(50, func() {
			for _, m := range all {
				out, ok := s.AppendMessage(wire[:0], m)
				if !ok {
					continue
				}
				if _, err := r.Append(got[:0], out, true, int64(len(m))); err != nil {
					t.Fatal(err)
				}
			}
		}), "%+v", p)
	}
}

// Senders and Receivers of different connections share only pools.
func TestConcurrentConnections(t *testing.T) {
	for g := range 4 {
		t.Run(fmt.Sprint(g), func(t *testing.T) {
			t.Parallel()
			p := wsflate.Parameters{ServerNoContextTakeover: g%2 == 0, ServerMaxWindowBits: wsflate.WindowBits(15 - g)}
			s, r := wsflate.NewSender(p, ws.StateServerSide, nil), wsflate.NewReceiver(p, ws.StateClientSide)
			for range 20 {
				for _, m := range messages() {
					if out, ok := s.AppendMessage(nil, m); ok {
						got, err := r.Append(nil, out, true, -1)
						require.NoError(t, err)
						require.True(t, bytes.Equal(m, got))
					}
				}
			}
		})
	}
}
