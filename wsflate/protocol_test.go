package wsflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"strings"
	"sync"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

var (
	_ wsutil.Inflater = (*wsflate.Receiver)(nil)
	_ wsutil.Deflater = (*wsflate.Sender)(nil)
)

// event is a message or control frame that a test remembers.
type event struct {
	op         ws.OpCode
	data       string
	compressed bool
}

// ways are the four ways to receive: each returns the messages and control
// frames of an input in pieces, and what the connection has come to.
var ways = map[string]func(c *wsutil.Protocol, pieces [][]byte) ([]event, error){
	"Next":              chunks((*wsutil.Protocol).Next),
	"NextMessage":       chunks((*wsutil.Protocol).NextMessage),
	"NextChunk of 10":   chunks(intoChunk(10)),
	"NextChunk of 3000": chunks(intoChunk(3000)),
	"Gather":            gathered(false),
	"Gather and Room":   gathered(true),
}

func intoChunk(n int) func(*wsutil.Protocol, []byte) (wsutil.Event, int, error) {
	dst := make([]byte, n)
	return func(c *wsutil.Protocol, p []byte) (wsutil.Event, int, error) { return c.NextChunk(dst, p) }
}

func chunks(next func(*wsutil.Protocol, []byte) (wsutil.Event, int, error)) func(*wsutil.Protocol, [][]byte) ([]event, error) {
	return func(c *wsutil.Protocol, pieces [][]byte) (events []event, err error) {
		var open []byte
		for _, p := range pieces {
			for p = bytes.Clone(p); ; {
				ev, n, err := next(c, p)
				p = p[n:]
				if err == io.ErrUnexpectedEOF && len(p) == 0 {
					break
				}
				if err != nil {
					return events, err
				}
				if ev.OpCode.IsControl() {
					events = append(events, event{ev.OpCode, string(ev.Payload), false})
					continue
				}
				if ev.First() {
					open = open[:0]
				}
				if open = append(open, ev.Payload...); ev.Last() {
					events = append(events, event{ev.OpCode, string(open), ev.Compressed()})
				}
			}
		}
		return events, nil
	}
}

func gathered(withRoom bool) func(*wsutil.Protocol, [][]byte) ([]event, error) {
	return func(c *wsutil.Protocol, pieces [][]byte) (events []event, err error) {
		var dst []byte
		for _, p := range pieces {
			for p = bytes.Clone(p); ; {
				var ev wsutil.Event
				var n int
				var err error
				if grown, room := c.Room(dst); withRoom && room != nil && len(p) > 0 {
					room = room[:copy(room, p)]
					if ev, n, err = c.Next(room); err == nil {
						dst = grown[:len(grown)+n]
					}
				} else {
					ev, n, err = c.Gather(&dst, p)
				}
				p = p[n:]
				switch {
				case err == io.ErrUnexpectedEOF && len(p) == 0:
				case err != nil:
					return events, err
				case ev.OpCode.IsControl():
					events = append(events, event{ev.OpCode, string(ev.Payload), false})
				case ev.Last():
					events = append(events, event{ev.OpCode, string(dst), ev.Compressed()})
					dst = dst[:0]
				}
				if err != nil {
					break
				}
			}
		}
		return events, nil
	}
}

// inPieces cuts p into pieces of n bytes.
func inPieces(p []byte, n int) (pieces [][]byte) {
	for len(p) > 0 {
		k := min(n, len(p))
		pieces = append(pieces, p[:k])
		p = p[k:]
	}
	return pieces
}

// connection returns a Protocol that has agreed on p.
func connection(p wsflate.Parameters, side ws.State) *wsutil.Protocol {
	return wsutil.NewProtocol(&wsutil.Config{
		State:      side,
		MaxMessage: 1 << 20,
		Inflater:   wsflate.NewReceiver(p, side),
		Deflater:   wsflate.NewSender(p, side, nil),
	})
}

// What one Protocol sends, whole, in parts and prepared, the other one
// receives, by all ways and in any cut: whatever was agreed on, by both sides.
func TestProtocolWays_RFC7692_7_2(t *testing.T) {
	var prepared []*wsutil.PreparedMessage
	for _, m := range messages() {
		p, err := wsutil.NewPreparedMessage(ws.OpBinary, m)
		require.NoError(t, err)
		prepared = append(prepared, p)
	}
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		c := connection(p, side)
		var out []byte
		var want []event
		for i, m := range messages() {
			var err error
			begin := len(out)
			switch i % 4 {
			case 0:
				o := wsutil.NewOutgoing(ws.OpBinary, nil)
				for k, part := range [][]byte{m[:len(m)/3], m[len(m)/3 : len(m)/2], m[len(m)/2:]} {
					o.Add(part, k == 2)
					for o.Pending() {
						var body []byte
						out, body, err = c.AppendFrame(out, &o)
						require.NoError(t, err)
						out = append(out, body...)
					}
					if k == 1 {
						out, err = c.AppendPing(out, []byte("between"))
						require.NoError(t, err)
						want = append(want, event{ws.OpPing, "between", false})
					}
				}
			case 1:
				out, err = c.AppendPrepared(out, prepared[i])
			default:
				out, err = c.AppendMessage(out, ws.OpBinary, m)
			}
			require.NoError(t, err)
			want = append(want, event{ws.OpBinary, string(m), out[begin]&0x40 != 0})
		}
		for name, way := range ways {
			for _, n := range []int{700, len(out)} {
				got, err := way(connection(p, other(side)), inPieces(out, n))
				require.NoError(t, err)
				require.Equal(t, len(want), len(got), name)
				for i := range want {
					require.True(t, want[i] == got[i], "%s: message %d", name, i)
				}
			}
		}
	})
}

// A connection cut at every byte.
func TestProtocolWaysAtEveryByte(t *testing.T) {
	var agreed wsflate.Parameters
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		c := connection(agreed, side)
		var out []byte
		var want []event
		for i := range 3 {
			out, _ = c.AppendMessage(out, ws.OpText, tick(i))
			out, _ = c.AppendPing(out, []byte("ping"))
			out, _ = c.AppendMessage(out, ws.OpText, []byte("plain"))
			want = append(want, event{ws.OpText, string(tick(i)), true}, event{ws.OpPing, "ping", false}, event{ws.OpText, "plain", false})
		}
		for name, way := range ways {
			got, err := way(connection(agreed, other(side)), inPieces(out, 1))
			require.NoError(t, err)
			require.Equal(t, want, got, name)
			for cut := range out {
				got, err = way(connection(agreed, other(side)), [][]byte{out[:cut], out[cut:]})
				require.NoError(t, err)
				require.Equal(t, want, got, "%s, cut at %d", name, cut)
			}
		}
	}
}

// Limits and text after inflation: the same close frame by all ways.
func TestProtocolWaysRefuse(t *testing.T) {
	deflated := func(p []byte) []byte {
		out, ok := wsflate.NewSender(wsflate.Parameters{}, ws.StateServerSide, &wsflate.SenderConfig{Threshold: -1}).AppendMessage(nil, p)
		require.True(t, ok)
		return out
	}
	zeros := bytes.Repeat([]byte{'0'}, 1<<20+1)
	badText := bytes.Clone(zeros[:1<<20])
	badText[1<<19] = 0xff
	badEnd := append(bytes.Clone(zeros[:1<<19]), 0xe2, 0x82)
	for name, tt := range map[string]struct {
		payload []byte
		reply   *ws.ProtocolError
	}{
		"10.4 one byte more than the limit": {deflated(zeros), wsutil.ErrMessageTooLarge},
		"10.4 a bomb":                       {deflated(bytes.Repeat(zeros, 8)), wsutil.ErrMessageTooLarge},
		"8.1 in the middle":                 {deflated(badText), wsutil.ErrInvalidUTF8},
		"8.1 at the end":                    {deflated(badEnd), wsutil.ErrInvalidUTF8},
		"8.1 before what is too large":      {deflated(append(bytes.Clone(badText), zeros...)), wsutil.ErrInvalidUTF8},
		"7.2.2 corrupt":                     {[]byte{0xff, 0xff}, wsflate.ErrCorrupt},
		"7.2.2 corrupt after text":          {append(deflated(zeros[:5000]), 0xfe, 0x00), wsflate.ErrCorrupt},
		"7.2.2 cut":                         {deflated(bytes.Repeat(tick(1), 20))[:80], wsflate.ErrCorrupt},
	} {
		frame := ws.AppendFrame(nil, ws.Frame{Header: ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText, Length: int64(len(tt.payload))}, Payload: tt.payload})
		for way, receive := range ways {
			for _, n := range []int{10, 1000, len(frame)} {
				if testing.Short() && n == 10 && len(frame) > 10_000 {
					continue
				}
				c := connection(wsflate.Parameters{}, ws.StateClientSide)
				events, err := receive(c, inPieces(frame, n))
				require.ErrorIs(t, err, tt.reply, "%s by %s", name, way)
				code, reason := wsutil.CloseReply(err)
				require.Equal(t, tt.reply.Code, code)
				require.Equal(t, tt.reply.Reason, reason)
				require.Empty(t, events)
				require.Equal(t, err, c.EOF())
			}
		}
	}
}

// A message that was not sent is not part of the window: the peer can read the
// next one.
func TestProtocolUndo(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		c, peer := connection(p, side), connection(p, other(side))
		read := func(m []byte) {
			out, err := c.AppendMessage(nil, ws.OpText, m)
			require.NoError(t, err)
			got, err := ways["NextMessage"](peer, [][]byte{out})
			require.NoError(t, err)
			require.Len(t, got, 1)
			require.Equal(t, string(m), got[0].data)
		}
		read(tick(1))
		prepared, err := wsutil.NewPreparedMessage(ws.OpText, tick(2))
		require.NoError(t, err)
		for name, lose := range map[string]func(){
			"whole":    func() { c.AppendMessage(nil, ws.OpText, tick(2)) },
			"prepared": func() { c.AppendPrepared(nil, prepared) },
			"a part": func() {
				o := wsutil.NewOutgoing(ws.OpText, nil)
				o.Add(tick(2), false)
				c.AppendFrame(nil, &o)
			},
		} {
			lose()
			require.True(t, c.Undo(), name)
			read(tick(2))
			read(tick(1))
		}
	})
}

// A broadcast is compressed once for each form, and every peer can read it.
func TestProtocolBroadcast(t *testing.T) {
	prepared, err := wsutil.NewPreparedMessage(ws.OpText, tick(1))
	require.NoError(t, err)
	var wg sync.WaitGroup
	for i := range 16 {
		wg.Go(func() {
			p := wsflate.Parameters{ServerMaxWindowBits: wsflate.WindowBits(8 + i%8), ServerNoContextTakeover: i%2 == 0}
			c, peer := connection(p, ws.StateServerSide), connection(p, ws.StateClientSide)
			var out []byte
			for range 3 {
				out, _ = c.AppendMessage(out, ws.OpText, tick(2))
				out, _ = c.AppendPrepared(out, prepared)
				out, _ = c.AppendMessage(out, ws.OpText, tick(1))
			}
			got, err := ways["Next"](peer, [][]byte{out})
			if err != nil || len(got) != 9 {
				t.Error(got, err)
				return
			}
			for k, ev := range got {
				if want := string([][]byte{tick(2), tick(1), tick(1)}[k%3]); ev.data != want {
					t.Errorf("message %d is %v", k, ev)
				}
			}
		})
	}
	wg.Wait()
}

// FuzzProtocolWays gives any bytes, in a compressed message of two fragments
// with a ping between them, or as they are, to all ways to receive: they see
// the same, cut anywhere, and the same as compress/flate.
func FuzzProtocolWays(f *testing.F) {
	for i, m := range messages() {
		if len(m) < 5000 {
			f.Add(newStdSender(false, i%10).deflate(f, m), uint16(i), uint16(3*i), byte(i))
		}
	}
	f.Add([]byte("\xc1\x02\x03\x00\x41\x01\x03\x89\x00\x80\x01\x00"), uint16(3), uint16(1), byte(4))
	f.Fuzz(func(t *testing.T, data []byte, split, step uint16, how byte) {
		const limit = 1 << 14
		side, raw := ws.StateServerSide, how&4 != 0
		if how&1 != 0 {
			side = ws.StateClientSide
		}
		op := ws.OpBinary
		if how&2 != 0 {
			op = ws.OpText
		}
		in := data
		if !raw {
			in = nil
			at := min(int(split), len(data))
			for _, f := range []ws.Frame{
				{Header: ws.Header{Rsv: 4, OpCode: op, Length: int64(at)}, Payload: data[:at]},
				ws.NewPingFrame([]byte("ping")),
				{Header: ws.Header{Fin: true, Length: int64(len(data) - at)}, Payload: data[at:]},
			} {
				if side.ServerSide() {
					f = ws.MaskFrameWith(f, [4]byte{1, 2, 3, byte(split)})
				}
				in = ws.AppendFrame(in, f)
			}
		}
		type outcome struct {
			events string
			err    string
		}
		var first *outcome
		var events []event
		var last error
		for name, way := range ways {
			for _, n := range []int{int(step) + 1, len(in) + 1} {
				c := wsutil.NewProtocol(&wsutil.Config{State: side, MaxMessage: limit, Inflater: wsflate.NewReceiver(wsflate.Parameters{}, side), Deflater: wsflate.NewSender(wsflate.Parameters{}, side, nil)})
				got, err := way(c, inPieces(in, n))
				code, reason := wsutil.CloseReply(err)
				now := outcome{fmt.Sprint(got), fmt.Sprint(code, reason)}
				if first == nil {
					first = &now
				}
				require.Equal(t, *first, now, "%s, %d bytes at a time", name, n)
				events, last = got, err
				c.EOF()
			}
		}
		if raw {
			return
		}
		std, stdErr := io.ReadAll(io.LimitReader(flate.NewReader(io.MultiReader(bytes.NewReader(data), strings.NewReader(tail+"\x01"+tail))), limit+1))
		switch {
		case stdErr != nil: // each refuses some codes that the other takes
		case errors.Is(last, wsflate.ErrCorrupt):
		case op == ws.OpText && !utf8.Valid(std[:min(len(std), limit)]) && len(std) <= limit:
			require.Equal(t, wsutil.ErrInvalidUTF8, last)
		case len(std) > limit:
			require.Error(t, last)
			require.Contains(t, []ws.StatusCode{ws.StatusMessageTooBig, ws.StatusInvalidFramePayloadData}, wsutil.CloseCode(last))
		case last == wsutil.ErrMessageTooLarge: // on the wire
			require.Greater(t, len(data), limit)
		case last == nil:
			require.Equal(t, []event{{ws.OpPing, "ping", false}, {op, string(std), true}}, events)
		default:
			require.NoError(t, last)
		}
	})
}
