package wsflate_test

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// What plugs in where.
var (
	_ wsutil.RecvExtension = (*wsflate.MessageState)(nil)
	_ wsutil.SendExtension = (*wsflate.MessageState)(nil)
)

// messageFrames reads the frames of a message off the wire, as the side that
// received them, with the payload of all of them.
func messageFrames(t *testing.T, wire *bytes.Buffer) (frames []ws.Header, payload []byte) {
	t.Helper()
	for {
		f, err := ws.ReadFrame(wire)
		require.NoError(t, err)
		payload = append(payload, ws.UnmaskFrameInPlace(f).Payload...)
		frames = append(frames, f.Header)
		if f.Header.Fin {
			return frames, payload
		}
	}
}

// wsutil's Writer and Reader stream, in fragments, with a MessageState as their
// extension.
func TestWithReaderAndWriter(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		var wire, copied bytes.Buffer
		var sending, receiving wsflate.MessageState
		w := wsutil.NewWriterSize(io.MultiWriter(&wire, &copied), side, ws.OpBinary, 1000)
		w.SetExtensions(&sending)
		fw := wsflate.NewSender(p, side, nil).Writer(nil)

		r := wsutil.NewReader(&wire, other(side)|ws.StateRSV1)
		r.Extensions = []wsutil.RecvExtension{&receiving}
		fr := wsflate.NewReceiver(p, other(side)).Reader(nil)
		peer := oracle{window: 1 << bits, takeover: takeover}

		for i, m := range messages() {
			compress := i%5 != 4 // the switch of each message
			sending.SetCompressed(compress)
			if compress {
				fw.Reset(w)
				fw.Write(m)
				require.NoError(t, fw.Close())
			} else {
				w.Write(m)
			}
			require.NoError(t, w.Flush())

			frames, payload := messageFrames(t, &copied)
			for n, h := range frames {
				require.Equal(t, compress && n == 0, h.Rsv1(), "RSV1 on the first frame only")
			}
			if compress {
				require.True(t, bytes.Equal(m, peer.inflate(t, payload)), "message %d", i)
			}

			_, err := r.NextFrame()
			require.NoError(t, err)
			require.Equal(t, compress, receiving.IsCompressed())
			src := io.Reader(r)
			if receiving.IsCompressed() {
				fr.Reset(r)
				src = fr
			}
			got, err := io.ReadAll(src)
			require.NoError(t, err, "message %d", i)
			require.True(t, bytes.Equal(m, got), "message %d", i)
		}
		_, err := r.NextFrame()
		require.Equal(t, io.EOF, err)
	})
}

// RFC 7692, section 6: RSV1 on a continuation and on a control frame ends the
// connection with 1002.
func TestReservedBitInTheWrongPlace(t *testing.T) {
	first := ws.Frame{Header: ws.Header{Rsv: 4, OpCode: ws.OpText, Length: 1}, Payload: []byte{0}}
	for _, bad := range []ws.Header{
		{Fin: true, Rsv: 4, OpCode: ws.OpContinuation},
		{Fin: true, Rsv: 4, OpCode: ws.OpPing},
		{Fin: true, Rsv: 4, OpCode: ws.OpClose},
	} {
		wire := ws.AppendHeader(ws.AppendFrame(nil, first), bad)
		var m wsflate.MessageState
		r := wsutil.NewReader(bytes.NewReader(wire), ws.StateClientSide|ws.StateExtended)
		r.SkipHeaderCheck = true // it would refuse the control frames by itself
		r.Extensions = []wsutil.RecvExtension{&m}
		_, err := r.NextFrame()
		require.NoError(t, err)
		fr := wsflate.NewReader(r, nil)
		_, err = io.ReadAll(fr)
		require.ErrorIs(t, err, wsflate.ErrUnexpectedCompressionBit)
		require.Equal(t, ws.StatusProtocolError, wsutil.CloseCode(err))

		c := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide | ws.StateRSV1})
		for rest, err := wire, error(nil); ; {
			var n int
			if _, n, err = c.Next(rest); err != nil {
				require.Equal(t, ws.StatusProtocolError, wsutil.CloseCode(err))
				break
			}
			rest = rest[n:]
		}
	}
}

// The connection without I/O: whole messages in one frame, and messages in
// parts.
func TestWithProtocol(t *testing.T) {
	eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
		here := wsutil.NewProtocol(&wsutil.Config{State: side | ws.StateRSV1})
		there := wsutil.NewProtocol(&wsutil.Config{State: other(side) | ws.StateRSV1})
		s, r := wsflate.NewSender(p, side, nil), wsflate.NewReceiver(p, other(side))
		peer := oracle{window: 1 << bits, takeover: takeover}

		for i, m := range messages() {
			var wire []byte
			var err error
			if i%3 == 0 {
				half := s.AppendPart(nil, m[:len(m)/2], false)
				wire, err = here.AppendFragment(wire, ws.Header{OpCode: ws.OpText, Rsv: 4}, half)
				require.NoError(t, err)
				wire, err = here.AppendPing(wire, []byte("between"))
				require.NoError(t, err)
				rest := s.AppendPart(nil, m[len(m)/2:], true)
				wire, err = here.AppendFragment(wire, ws.Header{Fin: true, OpCode: ws.OpText}, rest)
			} else if out, ok := s.AppendMessage(nil, m); ok {
				wire, err = here.AppendFragment(wire, ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 4}, out)
			} else {
				wire, err = here.AppendMessage(wire, ws.OpBinary, m)
			}
			require.NoError(t, err)

			if frames, payload := messageFrames(t, withoutPings(t, wire)); frames[0].Rsv1() {
				require.Equal(t, i%3 != 0, len(frames) == 1, "one frame unless the caller streams")
				require.True(t, bytes.Equal(m, peer.inflate(t, payload)), "message %d", i)
			}
			require.True(t, bytes.Equal(m, receive(t, there, r, wire, i+1)), "message %d", i)
		}
	})
}

func withoutPings(t *testing.T, wire []byte) *bytes.Buffer {
	var out bytes.Buffer
	for in := bytes.NewReader(wire); in.Len() > 0; {
		f, err := ws.ReadFrame(in)
		require.NoError(t, err)
		if f.Header.OpCode != ws.OpPing {
			out.Write(ws.AppendFrame(nil, f))
		}
	}
	return &out
}

// receive gives wire to c in pieces of n bytes, and inflates the message that
// it is.
func receive(t *testing.T, c *wsutil.Protocol, r *wsflate.Receiver, wire []byte, n int) (got []byte) {
	t.Helper()
	for in := bytes.Clone(wire); len(in) > 0; {
		ev, used, err := c.Next(in[:min(n, len(in))])
		in = in[used:]
		if err == io.ErrUnexpectedEOF {
			continue
		}
		require.NoError(t, err)
		switch {
		case ev.OpCode == ws.OpPing:
		case ev.Rsv == 0:
			got = append(got, ev.Payload...)
		default:
			got, err = r.Append(got, ev.Payload, ev.Last(), 1<<20)
			require.NoError(t, err)
		}
	}
	return got
}

// One compression serves all peers with the same parameters, and those with a
// larger window if the message is short. Peers with takeover can continue after
// it.
func TestWithPreparedMessage(t *testing.T) {
	for i, m := range messages() {
		if i%3 != 0 && len(m) > 300 {
			continue
		}
		prepared, err := wsutil.NewPreparedMessage(ws.OpText, m)
		require.NoError(t, err)
		made := 0
		forms := make(map[wsflate.Profile]bool)
		eachAgreement(t, func(t *testing.T, p wsflate.Parameters, side ws.State, takeover bool, bits int) {
			s := wsflate.NewSender(p, side, nil)
			peer := oracle{window: 1 << bits, takeover: takeover}
			send := func(m []byte) {
				if out, ok := s.AppendMessage(nil, m); ok {
					require.True(t, bytes.Equal(m, peer.inflate(t, out)))
				}
			}
			send(tick(50 + i))

			profile := s.Profile(len(m))
			forms[profile] = true
			frame, err := prepared.Encode(profile, func(op ws.OpCode, p []byte) ([]byte, error) {
				made++
				return profile.Frame(op, p)
			})
			require.NoError(t, err)
			h, n, err := ws.ParseHeader(frame)
			require.NoError(t, err)
			require.Equal(t, ws.Header{Fin: true, Rsv: h.Rsv, OpCode: ws.OpText, Length: int64(len(frame) - n)}, h)
			payload := frame[n:]
			if h.Rsv1() {
				require.Less(t, len(payload), len(m))
				fresh := wsflate.NewReceiver(p, other(side)) // checks distances
				got, err := fresh.Append(nil, payload, true, -1)
				require.NoError(t, err)
				require.True(t, bytes.Equal(m, got))
				require.True(t, bytes.Equal(m, peer.inflate(t, payload)))
				s.SentPrepared(m)
			} else {
				require.True(t, bytes.Equal(m, payload))
			}
			for n := range 3 {
				send(tick(51 + i))
				send(m)
				send(tick(n))
			}
		})
		require.Equal(t, len(forms), made, "once each")
		if len(m) <= 256 {
			require.Equal(t, 1, made)
		}
	}
	s := wsflate.NewSender(wsflate.Parameters{}, 0, nil)
	require.Equal(t, s.Profile(0), s.Profile(256))
	require.NotEqual(t, s.Profile(256), s.Profile(257))
	require.Equal(t, s.Profile(257), s.Profile(512))
	require.Equal(t, s.Profile(32<<10), s.Profile(1<<20))
	frame, err := s.Profile(1).Frame(ws.OpPing, bytes.Repeat([]byte("a"), 100))
	require.NoError(t, err)
	h, _, err := ws.ParseHeader(frame)
	require.NoError(t, err)
	require.False(t, h.Rsv1(), "control frames are never compressed")
}
