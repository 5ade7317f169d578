package wsutil

import (
	"bytes"
	"errors"
	"io"
	"strings"
	"testing"
	"unsafe"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// got is an event that a test remembers: a chunk, or a message if joined did it.
type got struct {
	op   ws.OpCode
	rsv  byte
	part part
	data string
}

// message returns what NextMessage yields for a message or control frame.
func message(op ws.OpCode, data string) got { return got{op, 0, whole, data} }

// next is Next, NextMessage or NextChunk.
type next func(*Protocol, []byte) (Event, int, error)

var nexts = map[string]next{"Next": (*Protocol).Next, "NextMessage": (*Protocol).NextMessage, "NextChunk": chunked(40, false)}

// feed gives in to c in pieces that end at the cuts, and returns the events and what
// the connection has come to: nil if it waits for more.
func (fn next) feed(t testing.TB, c *Protocol, in []byte, cuts ...int) (events []got, err error) {
	t.Helper()
	in, at := bytes.Clone(in), 0
	for _, cut := range append(cuts, len(in)) {
		p := in[at:cut:cut]
		at = cut
		for {
			ev, n, err := fn(c, p)
			if err == io.ErrUnexpectedEOF {
				require.Equal(t, len(p), n, "all of the input is consumed")
				break
			}
			if err != nil {
				for range 3 {
					ev, n, again := fn(c, p)
					require.Zero(t, ev)
					require.Zero(t, n)
					require.Equal(t, err, again, "for ever")
				}
				return events, err
			}
			p = p[n:]
			events = append(events, got{ev.OpCode, ev.Rsv, ev.part, string(ev.Payload)})
		}
	}
	return events, nil
}

// everyByte returns the cuts between all bytes of in.
func everyByte(in []byte) (cuts []int) {
	for i := range in {
		cuts = append(cuts, i)
	}
	return cuts
}

// joined puts chunks together as NextMessage does, those of a message that has not
// ended left out.
func joined(t testing.TB, events []got) (messages []got) {
	t.Helper()
	var open *got
	for _, ev := range events {
		if ev.op.IsControl() {
			require.Equal(t, whole, ev.part)
			messages = append(messages, ev)
			continue
		}
		if ev.part&partFirst != 0 {
			require.Nil(t, open, "First inside a message")
			open = &got{op: ev.op, part: whole}
		}
		require.NotNil(t, open, "a chunk outside of a message")
		require.Equal(t, open.op, ev.op)
		open.data += ev.data
		open.rsv = ev.rsv
		if ev.part&partLast != 0 {
			messages = append(messages, *open)
			open = nil
		}
	}
	return messages
}

// rfcKey is the key of RFC 6455, section 5.7.
var rfcKey = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// toServer and toClient return a frame as the peer of that side sends it.
func toServer(h ws.Header, payload string) []byte {
	h.Masked, h.Mask = true, rfcKey
	return toClient(h, payload)
}

func toClient(h ws.Header, payload string) []byte {
	h.Length = int64(len(payload))
	return appendKeyed(nil, &h, []byte(payload))
}

// fin and part of a message, for tables.
func fin(op ws.OpCode) ws.Header  { return ws.Header{Fin: true, OpCode: op} }
func open(op ws.OpCode) ws.Header { return ws.Header{OpCode: op} }

func join(frames ...[]byte) []byte { return bytes.Join(frames, nil) }

var (
	server = &Config{}
	client = &Config{State: ws.StateClientSide}
)

func TestExamples_RFC6455_5_7(t *testing.T) {
	long, huge := strings.Repeat("x", 256), strings.Repeat("y", 65536)
	for _, tt := range []struct {
		name string
		cfg  *Config
		in   []byte
		want []got
	}{
		{"single-frame unmasked text", client, []byte("\x81\x05Hello"), []got{message(ws.OpText, "Hello")}},
		{"single-frame masked text", server, []byte("\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), []got{message(ws.OpText, "Hello")}},
		{"fragmented unmasked text", client, []byte("\x01\x03Hel\x80\x02lo"), []got{message(ws.OpText, "Hello")}},
		{"unmasked ping", client, []byte("\x89\x05Hello"), []got{message(ws.OpPing, "Hello")}},
		{"masked pong", server, []byte("\x8a\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"), []got{message(ws.OpPong, "Hello")}},
		{"256 bytes binary", client, []byte("\x82\x7e\x01\x00" + long), []got{message(ws.OpBinary, long)}},
		{"64 KiB binary", client, []byte("\x82\x7f\x00\x00\x00\x00\x00\x01\x00\x00" + huge), []got{message(ws.OpBinary, huge)}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, fn := range nexts {
				events, err := fn.feed(t, NewProtocol(tt.cfg), tt.in)
				require.NoError(t, err, name)
				require.Equal(t, tt.want, joined(t, events), name)
			}
		})
	}
}

// What a peer may do, in one input, byte by byte and with one cut anywhere.
func TestAllowed(t *testing.T) {
	extended := &Config{State: ws.StateRSV1}
	for _, tt := range []struct {
		name string
		cfg  *Config
		in   []byte
		want []got
	}{
		{"5.4 fragments", server, join(toServer(open(ws.OpText), "a"), toServer(open(ws.OpContinuation), "b"), toServer(fin(ws.OpContinuation), "c")),
			[]got{message(ws.OpText, "abc")}},
		{"5.4 empty fragments", client, join(toClient(open(ws.OpBinary), ""), toClient(open(ws.OpContinuation), ""), toClient(fin(ws.OpContinuation), "")),
			[]got{message(ws.OpBinary, "")}},
		{"5.4 first fragment empty", server, join(toServer(open(ws.OpText), ""), toServer(fin(ws.OpContinuation), "abc")),
			[]got{message(ws.OpText, "abc")}},
		{"5.4 last fragment empty", server, join(toServer(open(ws.OpText), "abc"), toServer(fin(ws.OpContinuation), "")),
			[]got{message(ws.OpText, "abc")}},
		{"5.4 control frames between fragments", server,
			join(toServer(open(ws.OpText), "a"), toServer(fin(ws.OpPing), "1"), toServer(open(ws.OpContinuation), "b"), toServer(fin(ws.OpPong), "2"), toServer(fin(ws.OpContinuation), "c")),
			[]got{message(ws.OpPing, "1"), message(ws.OpPong, "2"), message(ws.OpText, "abc")}},
		{"5.5 control frames without payload", client, join(toClient(fin(ws.OpPing), ""), toClient(fin(ws.OpPong), "")),
			[]got{message(ws.OpPing, ""), message(ws.OpPong, "")}},
		{"5.5 control payload of 125 bytes", server, toServer(fin(ws.OpPing), strings.Repeat("p", 125)),
			[]got{message(ws.OpPing, strings.Repeat("p", 125))}},
		{"5.6 empty messages", client, join(toClient(fin(ws.OpText), ""), toClient(fin(ws.OpBinary), "")),
			[]got{message(ws.OpText, ""), message(ws.OpBinary, "")}},
		{"5.2 lengths at the borders", server, join(toServer(fin(ws.OpText), strings.Repeat("a", 125)), toServer(fin(ws.OpText), strings.Repeat("b", 126)), toServer(fin(ws.OpBinary), strings.Repeat("c", 127))),
			[]got{message(ws.OpText, strings.Repeat("a", 125)), message(ws.OpText, strings.Repeat("b", 126)), message(ws.OpBinary, strings.Repeat("c", 127))}},
		{"5.2 claimed bit, seen on every fragment", extended, join(toServer(ws.Header{Rsv: 4, OpCode: ws.OpText}, "\xff"), toServer(fin(ws.OpPing), ""), toServer(fin(ws.OpContinuation), "\xfe")),
			[]got{message(ws.OpPing, ""), {ws.OpText, 4, whole, "\xff\xfe"}}},
		{"5.2 claimed bit, then a message without", extended, join(toServer(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}, "\xff"), toServer(fin(ws.OpText), "ü")),
			[]got{{ws.OpText, 4, whole, "\xff"}, message(ws.OpText, "ü")}},
		{"8.1 characters over fragments", client, join(toClient(open(ws.OpText), "€\xf0"), toClient(fin(ws.OpPing), "\xff"), toClient(open(ws.OpContinuation), "\x9f\x98"), toClient(fin(ws.OpContinuation), "\x80")),
			[]got{message(ws.OpPing, "\xff"), message(ws.OpText, "€😀")}},
		{"8.1 binary is not text", server, toServer(fin(ws.OpBinary), "\xff\xfe"), []got{message(ws.OpBinary, "\xff\xfe")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for name, fn := range nexts {
				cutting := [][]int{nil, everyByte(tt.in)}
				for i := range tt.in {
					cutting = append(cutting, []int{i})
				}
				for _, cuts := range cutting {
					events, err := fn.feed(t, NewProtocol(tt.cfg), tt.in, cuts...)
					require.NoError(t, err)
					require.Equal(t, tt.want, joined(t, events), "%s, cut at %v", name, cuts)
				}
			}
		})
	}
}

// What a peer may not do. The fault is seen at the last byte of in, not later: what
// the cut input before it brings is without fault.
func TestRefused(t *testing.T) {
	text := open(ws.OpText)
	for _, tt := range []struct {
		name string
		cfg  *Config
		in   []byte
		want error
	}{
		{"5.1 unmasked frame from a client", server, toClient(fin(ws.OpText), "")[:2], ws.ErrProtocolMaskRequired},
		{"5.1 unmasked frame with payload from a client", server, toClient(fin(ws.OpText), "hello")[:2], ws.ErrProtocolMaskRequired},
		{"5.1 masked frame from a server", client, toServer(fin(ws.OpText), ""), ws.ErrProtocolMaskUnexpected},
		{"5.1 unmasked ping from a client", server, toClient(fin(ws.OpPing), ""), ws.ErrProtocolMaskRequired},
		{"5.2 RSV1 unclaimed", server, toServer(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}, ""), ws.ErrProtocolNonZeroRsv},
		{"5.2 RSV2 with RSV1 claimed", &Config{State: ws.StateRSV1}, toServer(ws.Header{Fin: true, Rsv: 2, OpCode: ws.OpText}, ""), ws.ErrProtocolNonZeroRsv},
		{"5.2 RSV1 on a continuation", &Config{State: ws.StateRSV1}, join(toServer(text, "a"), toServer(ws.Header{Fin: true, Rsv: 4}, "")), ws.ErrProtocolNonZeroRsv},
		{"5.2 RSV1 on a ping", &Config{State: ws.StateRSV1}, toServer(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpPing}, ""), ws.ErrProtocolNonZeroRsv},
		{"5.2 RSV1 on a close frame", &Config{State: ws.StateRSV1}, toServer(ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpClose}, ""), ws.ErrProtocolNonZeroRsv},
		{"5.2 reserved data opcode", server, toServer(fin(3), ""), ws.ErrProtocolOpCodeReserved},
		{"5.2 reserved control opcode", client, toClient(fin(0xb), ""), ws.ErrProtocolOpCodeReserved},
		{"5.2 length not minimal, 16 bits", client, []byte("\x82\x7e\x00\x7d"), ws.ErrHeaderLengthNotMinimal},
		{"5.2 length not minimal, 64 bits", client, []byte("\x82\x7f\x00\x00\x00\x00\x00\x00\xff\xff"), ws.ErrHeaderLengthNotMinimal},
		{"5.2 length of 2^63", client, []byte("\x82\x7f\x80\x00\x00\x00\x00\x00\x00\x00"), ws.ErrHeaderLengthMSB},
		{"5.2 length of 2^64-1", client, []byte("\x82\x7f\xff\xff\xff\xff\xff\xff\xff\xff"), ws.ErrHeaderLengthMSB},
		{"5.4 continuation without a start", server, toServer(fin(ws.OpContinuation), ""), ws.ErrProtocolContinuationUnexpected},
		{"5.4 continuation after the end", server, join(toServer(text, "a"), toServer(fin(0), "b"), toServer(fin(0), "")), ws.ErrProtocolContinuationUnexpected},
		{"5.4 message inside a message", server, join(toServer(text, "a"), toServer(fin(ws.OpText), "")), ws.ErrProtocolContinuationExpected},
		{"5.4 message inside a message, after a ping", client, join(toClient(text, "a"), toClient(fin(ws.OpPing), ""), toClient(fin(ws.OpBinary), "")), ws.ErrProtocolContinuationExpected},
		{"5.5 fragmented ping", server, toServer(open(ws.OpPing), ""), ws.ErrProtocolControlNotFinal},
		{"5.5 ping of 126 bytes", client, toClient(fin(ws.OpPing), strings.Repeat("x", 126))[:4], ws.ErrProtocolControlPayloadOverflow},
		{"5.5 close frame of 126 bytes", server, toServer(fin(ws.OpClose), strings.Repeat("x", 126))[:8], ws.ErrProtocolControlPayloadOverflow},
		{"5.5.1 close payload of one byte", server, toServer(fin(ws.OpClose), "\x03"), ws.ErrProtocolCloseBodyOneByte},
		{"5.5.1 close reason not UTF-8", client, toClient(fin(ws.OpClose), "\x03\xe8\xff"), ws.ErrProtocolInvalidUTF8},
		{"7.4 close code 1005", client, toClient(fin(ws.OpClose), "\x03\xed"), ws.ErrProtocolStatusCodeApplicationLevel},
		{"8.1 bad byte", server, toServer(fin(ws.OpText), "good \xff and more")[:12], ErrInvalidUTF8},
		{"8.1 bad byte at the end", client, toClient(fin(ws.OpText), "good \xff"), ErrInvalidUTF8},
		{"8.1 character open at the end", server, toServer(fin(ws.OpText), "good \xe2\x82"), ErrInvalidUTF8},
		{"8.1 character open at the last, empty fragment", server, join(toServer(text, "\xe2\x82"), toServer(fin(0), "")), ErrInvalidUTF8},
		{"8.1 bad byte in the second fragment", client, join(toClient(text, "\xed"), toClient(fin(ws.OpPing), ""), toClient(fin(0), "\xa0 more")[:3]), ErrInvalidUTF8},
		{"8.1 surrogate over a cut", server, toServer(fin(ws.OpText), "\xed\xa0\x80")[:8], ErrInvalidUTF8},
	} {
		t.Run(tt.name, func(t *testing.T) {
			before := tt.in[:len(tt.in)-1]
			for name, fn := range nexts {
				_, err := fn.feed(t, NewProtocol(tt.cfg), before)
				require.NoError(t, err, "%s: seen too early", name)
				for _, cuts := range [][]int{nil, {len(before)}, everyByte(tt.in)} {
					c := NewProtocol(tt.cfg)
					_, err = fn.feed(t, c, tt.in, cuts...)
					require.Equal(t, tt.want, err, "%s, cut at %v", name, cuts)
					requireEnded(t, c, err)
				}
			}
		})
	}
}

// requireEnded asserts what holds after a fault: the connection can send the close
// frame that fits, and nothing else, and has no buffer.
func requireEnded(t *testing.T, c *Protocol, err error) {
	t.Helper()
	require.Nil(t, c.lent)
	require.Nil(t, c.message)
	require.Equal(t, err, c.EOF(), "the end of the input does not hide the fault")
	_, sent := c.AppendPing(nil, nil)
	require.Equal(t, ErrClosing, sent)
	_, sent = c.AppendMessage(nil, ws.OpText, nil)
	require.Equal(t, ErrClosing, sent)

	var fault *ws.ProtocolError
	require.True(t, errors.As(err, &fault))
	out, sent := c.AppendClose(nil, CloseCode(err), fault.Reason)
	require.NoError(t, sent)
	f, sent := ws.ReadFrame(bytes.NewReader(out))
	require.NoError(t, sent)
	code, reason, sent := ws.ParseCloseBody(ws.UnmaskFrameInPlace(f).Payload)
	require.NoError(t, sent)
	require.Equal(t, fault.Code, code)
	require.Equal(t, fault.Reason, reason)
	out, sent = c.AppendClose(nil, ws.StatusNormalClosure, "")
	require.Equal(t, ErrClosing, sent)
	require.Empty(t, out)
}

// Every strict prefix of good frames is short, and the rest of them then completes it.
func TestEveryPrefixIsShort(t *testing.T) {
	for _, n := range []int{0, 1, 125, 126, 300} {
		in := toServer(fin(ws.OpText), strings.Repeat("x", n))
		for k := range in {
			c := NewProtocol(nil)
			p := bytes.Clone(in)
			ev, m, err := c.NextMessage(p[:k])
			require.Equal(t, io.ErrUnexpectedEOF, err)
			require.Equal(t, k, m)
			require.Zero(t, ev)
			if k == 0 {
				require.Equal(t, ClosedError{Code: ws.StatusAbnormalClosure}, NewProtocol(nil).EOF())
			}
			ev, m, err = c.NextMessage(p[k:])
			require.NoError(t, err)
			require.Equal(t, len(p)-k, m)
			require.Equal(t, strings.Repeat("x", n), string(ev.Payload))
		}
	}
}

// A frame that is complete in the input is not copied, and appending to its
// payload does not overwrite the next frame.
func TestPayloadIsAView(t *testing.T) {
	for _, n := range []int{5, 200, 70000} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing} {
			if op == ws.OpPing && n > 125 {
				continue
			}
			in := join(toServer(fin(op), strings.Repeat("x", n)), toServer(fin(op), "next"))
			for name, fn := range nexts {
				if name == "NextChunk" {
					continue // it copies
				}
				p := bytes.Clone(in)
				ev, k, err := fn(NewProtocol(nil), p)
				require.NoError(t, err, name)
				require.Len(t, ev.Payload, n)
				require.True(t, ev.First() && ev.Last())
				require.Same(t, &p[k-1], &ev.Payload[n-1], name)
				require.Equal(t, n, cap(ev.Payload), name)
			}
		}
	}
}

func TestStateIsSmall(t *testing.T) {
	require.LessOrEqual(t, unsafe.Sizeof(Protocol{}), uintptr(128))
	require.LessOrEqual(t, unsafe.Sizeof(Event{}), 4*unsafe.Sizeof(uintptr(0)), "it would not travel in registers")
}

// Reset leaves nothing of an earlier connection.
func TestResetIsAsNew(t *testing.T) {
	for name, in := range map[string][]byte{
		"inside a header":        {0x81},
		"inside a ping":          toServer(fin(ws.OpPing), "ping")[:8],
		"inside a text":          toServer(open(ws.OpText), "\xe2"),
		"after a fault":          {0xff, 0xff, 0, 0, 0, 0},
		"after a close frame":    toServer(fin(ws.OpClose), ""),
		"inside a long fragment": toServer(fin(ws.OpBinary), strings.Repeat("x", 1000))[:100],
	} {
		t.Run(name, func(t *testing.T) {
			c := NewProtocol(&Config{MaxMessage: 1 << 10})
			_, err := c.AppendFragment(nil, open(ws.OpText), nil)
			require.NoError(t, err)
			next.feed((*Protocol).NextMessage, t, c, in)
			c.AppendClose(nil, 0, "")
			c.Reset(client)
			require.Equal(t, NewProtocol(client), c)
		})
	}
}

// The end of the input, everywhere.
func TestEOF_RFC6455_7_1_5(t *testing.T) {
	abnormal := ClosedError{Code: ws.StatusAbnormalClosure}
	ping := toServer(fin(ws.OpPing), "ping")
	for _, tt := range []struct {
		name string
		in   []byte
		want error
	}{
		{"nothing", nil, abnormal},
		{"between messages", toServer(fin(ws.OpText), "text"), abnormal},
		{"after a ping that was cut", ping, abnormal},
		{"inside a header", []byte{0x81}, io.ErrUnexpectedEOF},
		{"inside a ping", ping[:8], io.ErrUnexpectedEOF},
		{"behind the header of a ping", ping[:6], io.ErrUnexpectedEOF},
		{"inside a frame", toServer(fin(ws.OpText), "text")[:8], io.ErrUnexpectedEOF},
		{"between fragments", toServer(open(ws.OpText), "text"), io.ErrUnexpectedEOF},
		{"after a ping between fragments", join(toServer(open(ws.OpText), "text"), ping), io.ErrUnexpectedEOF},
		{"after a close frame", toServer(fin(ws.OpClose), "\x03\xe8bye"), ClosedError{ws.StatusNormalClosure, "bye"}},
		{"after a close frame between fragments", join(toServer(open(ws.OpText), "text"), toServer(fin(ws.OpClose), "")), ClosedError{Code: ws.StatusNoStatusRcvd}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, fn := range nexts {
				for _, cuts := range [][]int{nil, everyByte(tt.in)} {
					c := NewProtocol(nil)
					fn.feed(t, c, tt.in, cuts...)
					err := c.EOF()
					require.ErrorIs(t, err, tt.want)
					require.Nil(t, c.lent)
					require.Nil(t, c.message)
					_, n, again := fn(c, []byte("more"))
					require.Zero(t, n)
					require.Equal(t, err, again)
					require.Equal(t, err, c.EOF())
					_, sent := c.AppendPing(nil, nil)
					require.Equal(t, ErrClosing, sent)
				}
			}
		})
	}
}

// isShort reports whether err says that more input is wanted.
func isShort(err error) bool { return err == io.ErrUnexpectedEOF }
