package wsutil

import (
	"bytes"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// squeeze is the wire form of s.
func squeeze(s string) string { return string(runs(nil, []byte(s))) }

// Compressed messages, by all ways to receive, in any cut and on both sides.
func TestInflate_RFC7692_6_2(t *testing.T) {
	long := strings.Repeat("a", 5000) + "b" + strings.Repeat("ü", 200)
	wide := squeeze(long)
	for _, tt := range []struct {
		name   string
		state  ws.State
		frames []sent
		want   []got
	}{
		{"one frame", 0, []sent{{packed(ws.OpText, true), squeeze("aaab")}}, []got{packedMessage(ws.OpText, "aaab")}},
		{"7.2.3.6 empty", 0, []sent{{packed(ws.OpText, true), ""}, {packed(ws.OpBinary, true), ""}},
			[]got{packedMessage(ws.OpText, ""), packedMessage(ws.OpBinary, "")}},
		{"7.2.3.1 in fragments", 0, []sent{{packed(ws.OpText, false), wide[:51]}, {open(0), ""}, {open(0), wide[51:700]}, {fin(0), wide[700:]}},
			[]got{packedMessage(ws.OpText, long)}},
		{"first and last fragment empty", 0, []sent{{packed(ws.OpBinary, false), ""}, {open(0), wide}, {fin(0), ""}},
			[]got{packedMessage(ws.OpBinary, long)}},
		{"all fragments empty", 0, []sent{{packed(ws.OpBinary, false), ""}, {open(0), ""}, {fin(0), ""}}, []got{packedMessage(ws.OpBinary, "")}},
		{"5.4 control frames between", 0, []sent{{packed(ws.OpText, false), wide[:50]}, {fin(ws.OpPing), "ping"}, {open(0), wide[50:]}, {fin(ws.OpPong), ""}, {fin(0), ""}},
			[]got{message(ws.OpPing, "ping"), message(ws.OpPong, ""), packedMessage(ws.OpText, long)}},
		{"plain beside compressed", 0, []sent{{fin(ws.OpText), "plain"}, {packed(ws.OpText, true), squeeze("aaaa")}, {open(ws.OpText), "pl"}, {fin(0), "ain"}, {fin(ws.OpBinary), ""}, {fin(ws.OpBinary), long[4000:]}},
			[]got{message(ws.OpText, "plain"), packedMessage(ws.OpText, "aaaa"), message(ws.OpText, "plain"), message(ws.OpBinary, ""), message(ws.OpBinary, long[4000:])}},
		{"7.1.1 takeover", 0, []sent{{packed(ws.OpText, true), wide}, {packed(ws.OpBinary, true), "\x00\xff"}, {packed(ws.OpText, true), "\x02x\x00\xff"}},
			[]got{packedMessage(ws.OpText, long), packedMessage(ws.OpBinary, long), packedMessage(ws.OpText, "xx"+long)}},
		{"other bits beside", ws.StateRSV2 | ws.StateRSV3, []sent{{ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 7}, squeeze("\xff\xff\xff")}, {ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 3}, "\xff"}, {packed(ws.OpText, true), squeeze("aaa")}},
			[]got{{ws.OpText, 3, whole | partPacked, "\xff\xff\xff"}, {ws.OpText, 3, whole, "\xff"}, packedMessage(ws.OpText, "aaa")}},
		{"bits of every frame beside", ws.StateExtended, []sent{{ws.Header{OpCode: ws.OpText, Rsv: 6}, squeeze("\xff")}, {ws.Header{Fin: true, Rsv: 1}, squeeze("aaa")}},
			[]got{{ws.OpText, 3, whole | partPacked, "\xffaaa"}}},
		{"8.1 character across fragments", 0, []sent{{packed(ws.OpText, false), "\x01\xe2\x01"}, {open(0), "\x82"}, {fin(0), "\x01\xac"}}, []got{packedMessage(ws.OpText, "€")}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, side := range both {
				cfg := Config{State: side.state | tt.state}
				in := fromPeer(&cfg, tt.frames...)
				for name, receive := range receivers {
					for _, n := range []int{1, 7, 100, len(in)} {
						c := NewProtocol(withToy(cfg))
						messages, err := receive(c, pieces(in, n))
						require.NoError(t, err, "%s, %d bytes", name, n)
						require.Equal(t, tt.want, messages, "%s, %d bytes", name, n)
						require.Equal(t, ClosedError{Code: ws.StatusAbnormalClosure}, c.EOF())
						require.Nil(t, c.lent)
						require.Nil(t, c.message)
						require.Equal(t, 1, c.set.inflater.(*toyInflater).closed)
					}
				}
			}
		})
	}
}

// Faults in compressed messages: the same error by all ways, and what came before it.
func TestInflateRefuses(t *testing.T) {
	small := Config{MaxMessage: 20}
	for _, tt := range []struct {
		name   string
		cfg    Config
		frames []sent
		want   error
	}{
		{"7692 6.1 RSV1 on a continuation", Config{}, []sent{{packed(ws.OpText, false), ""}, {packed(0, true), ""}}, ws.ErrProtocolNonZeroRsv},
		{"7692 6.1 RSV1 on a continuation, all claimed", Config{State: ws.StateExtended}, []sent{{packed(ws.OpText, false), ""}, {packed(0, true), ""}}, ws.ErrProtocolNonZeroRsv},
		{"7692 6.1 RSV1 on a continuation of a plain message", Config{State: ws.StateExtended}, []sent{{open(ws.OpText), ""}, {packed(0, true), ""}}, ws.ErrProtocolNonZeroRsv},
		{"7692 6.1 RSV1 on a ping", Config{}, []sent{{packed(ws.OpPing, true), ""}}, ws.ErrProtocolNonZeroRsv},
		{"7692 6.1 RSV1 on a close frame", Config{State: ws.StateExtended}, []sent{{packed(ws.OpClose, true), ""}}, ws.ErrProtocolNonZeroRsv},
		{"5.2 a bit that nobody claims", Config{}, []sent{{ws.Header{Fin: true, OpCode: ws.OpText, Rsv: 6}, ""}}, ws.ErrProtocolNonZeroRsv},
		{"8.1 impossible byte", Config{}, []sent{{packed(ws.OpText, false), squeeze("aaaa\xff")}}, ErrInvalidUTF8},
		{"8.1 ends inside a character", Config{}, []sent{{packed(ws.OpText, true), squeeze("aaaa\xe2\x82")}}, ErrInvalidUTF8},
		{"8.1 ends inside a character, last fragment empty", Config{}, []sent{{packed(ws.OpText, false), squeeze("\xe2\x82")}, {fin(0), ""}}, ErrInvalidUTF8},
		{"8.1 before what is corrupt", Config{}, []sent{{packed(ws.OpText, true), squeeze("a\xff") + "\x00\x01"}}, ErrInvalidUTF8},
		{"8.1 before what is too large", small, []sent{{packed(ws.OpText, true), squeeze("a\xffa") + "\xffb"}}, ErrInvalidUTF8},
		{"10.4 before what is not text", small, []sent{{packed(ws.OpText, true), "\x14b\x01\xff"}}, ErrMessageTooLarge},
		{"10.4 too large", small, []sent{{packed(ws.OpText, true), "\x15a"}}, ErrMessageTooLarge},
		{"10.4 far too large", small, []sent{{packed(ws.OpBinary, false), strings.Repeat("\xffa", 200)}}, ErrMessageTooLarge},
		{"10.4 too large by all fragments", small, []sent{{packed(ws.OpText, false), "\x0aa"}, {open(0), "\x0aa"}, {fin(0), "\x01a"}}, ErrMessageTooLarge},
		{"10.4 counted for each message", small, []sent{{packed(ws.OpText, true), "\x14a"}, {packed(ws.OpText, true), "\x14a"}, {fin(ws.OpText), strings.Repeat("a", 20)}, {packed(ws.OpText, true), "\x15a"}}, ErrMessageTooLarge},
		{"10.4 too long on the wire", small, []sent{{packed(ws.OpBinary, true), strings.Repeat("\x01a", 600)}}, ErrMessageTooLarge},
		{"10.4 frame too long on the wire", Config{MaxFrame: 3}, []sent{{packed(ws.OpBinary, true), "\x01a\x01a"}}, ErrFrameTooLarge},
		{"10.4 fragments", Config{MaxFragments: 2}, []sent{{packed(ws.OpBinary, false), ""}, {open(0), ""}, {open(0), ""}}, ErrTooManyFragments},
		{"corrupt", Config{}, []sent{{packed(ws.OpBinary, true), "\x01a\x00\x01"}}, errToyCorrupt},
		{"corrupt at the end", Config{}, []sent{{packed(ws.OpBinary, false), "\x01a"}, {fin(0), "\x01"}}, errToyCorrupt},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, side := range both {
				cfg := tt.cfg
				cfg.State |= side.state
				in := append(fromPeer(&cfg, tt.frames...), "behind"...)
				for name, receive := range receivers {
					for _, n := range []int{1, 2, 7, 100, len(in)} {
						c := NewProtocol(withToy(cfg))
						_, err := receive(c, pieces(in, n))
						require.Equal(t, tt.want, err, "%s, %d bytes", name, n)
						requireEnded(t, c, err)
						require.Nil(t, c.lent)
						require.Nil(t, c.message)
						require.Equal(t, 1, c.set.inflater.(*toyInflater).closed)
					}
				}
			}
		})
	}
}

// Each message may be as long as the limit, and one byte more is too much.
func TestInflateLimit_RFC6455_10_4(t *testing.T) {
	cfg := Config{State: ws.StateClientSide, MaxMessage: 20}
	full := sent{packed(ws.OpText, true), "\x14a"}
	want := packedMessage(ws.OpText, strings.Repeat("a", 20))
	in := fromPeer(&cfg, full, full, sent{packed(ws.OpText, false), "\x0aa"}, sent{fin(0), "\x0aa"}, full)
	for name, receive := range receivers {
		c := NewProtocol(withToy(cfg))
		messages, err := receive(c, pieces(in, 3))
		require.NoError(t, err, name)
		require.Equal(t, []got{want, want, want, want}, messages, name)
		_, err = receive(c, [][]byte{fromPeer(&cfg, sent{packed(ws.OpText, true), "\x15a"})})
		require.Equal(t, ErrMessageTooLarge, err, name)
	}
}

// The limit counts bytes after inflation; what may be longer on the wire follows from it.
func TestWireLimit(t *testing.T) {
	for _, n := range []int{0, 1, 1000, 100_000} {
		c := NewProtocol(withToy(Config{State: ws.StateClientSide, MaxMessage: int64(n)}))
		if n == 0 {
			c.SetMaxMessage(1)
			n = 1
		}
		longest := n + n/8 + 1024
		header := func(n int) []byte {
			return ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Rsv: rsv1, Length: int64(n)})
		}
		_, _, err := c.Next(header(longest))
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Equal(t, int64(longest), c.WireSize())
		c.Reset(withToy(Config{State: ws.StateClientSide, MaxMessage: int64(n)}))
		_, _, err = c.Next(header(longest + 1))
		require.Equal(t, ErrMessageTooLarge, err)
	}
	require.Equal(t, int64(1<<63-1), wireLimit(1<<63-1), "no limit stays none")
}

// Without a limit nothing is counted.
func TestInflateWithoutLimit(t *testing.T) {
	if testing.Short() {
		t.Skip("inflates 16 MiB byte by byte")
	}
	in := toClient(packed(ws.OpBinary, true), strings.Repeat("\xffa", DefaultMaxMessage/255+1))
	for limit, want := range map[int64]error{0: ErrMessageTooLarge, -1: nil} {
		c := NewProtocol(withToy(Config{State: ws.StateClientSide, MaxMessage: limit}))
		_, err := receivers["Gather"](c, [][]byte{in})
		require.Equal(t, want, err)
	}
}

// The first impossible byte of a text is refused as soon as it can be decoded, and no
// chunk with it is returned.
func TestInflatedTextAtEveryByte_RFC6455_8_1(t *testing.T) {
	in := toServer(packed(ws.OpText, false), squeeze("ab€")+"\x01\xff")
	for name, fn := range map[string]next{"Next": (*Protocol).Next, "NextMessage": (*Protocol).NextMessage, "NextChunk": chunked(1, false),
		"Gather": func(c *Protocol, p []byte) (Event, int, error) {
			ev, n, err := c.Gather(new([]byte), p)
			return ev, n, err
		}} {
		c := NewProtocol(withToy(Config{}))
		for i := range in {
			_, n, err := fn(c, bytes.Clone(in[i:i+1]))
			for err == nil && n == 0 { // the header's last byte may come with an empty chunk
				_, n, err = fn(c, nil)
			}
			if i < len(in)-1 {
				require.True(t, err == nil || isShort(err), "%s at byte %d: %v", name, i, err)
			} else {
				require.Equal(t, ErrInvalidUTF8, err, name)
			}
		}
	}
}

// What NextChunk does not consume is as it came: the caller may keep it, move it, or
// give it again from another copy of the input.
func TestNextChunkLeavesTheRestMasked(t *testing.T) {
	in := join(toServer(packed(ws.OpText, false), squeeze("aaabbbcccdddeee")), toServer(fin(0), squeeze("fff")), toServer(fin(ws.OpBinary), "plain and longer"))
	for _, size := range []int{0, 1, 2, 3, 5, 16, 100} {
		c := NewProtocol(withToy(Config{}))
		var data string
		for at, calls := 0, 0; at < len(in); calls++ {
			p := bytes.Clone(in[at:])
			dst := make([]byte, size)
			if calls%2 == 1 {
				dst = make([]byte, max(size, 1))
			}
			ev, n, err := c.NextChunk(dst, p)
			require.NoError(t, err)
			require.Equal(t, in[at+n:], p[n:], "dst of %d bytes", size)
			require.LessOrEqual(t, len(ev.Payload), len(dst))
			if len(ev.Payload) > 0 {
				require.Same(t, &dst[0], &ev.Payload[0])
			}
			data += string(ev.Payload)
			at += n
		}
		for c.InMessage() { // all of the input is consumed
			ev, _, err := c.NextChunk(make([]byte, 9), nil)
			require.NoError(t, err)
			data += string(ev.Payload)
		}
		require.Equal(t, "aaabbbcccdddeeefffplain and longer", data)
	}
}

// No more of a compressed frame is unmasked for a chunk than may fit.
func TestNextChunkUnmasksLittle(t *testing.T) {
	z := &countingInflater{}
	cfg := Config{Inflater: z, Deflater: new(toyDeflater)}
	c := NewProtocol(&cfg)
	in := toServer(packed(ws.OpBinary, true), strings.Repeat("\x01a", 5000))
	for dst, n := make([]byte, 10), 0; len(in) > 0; in = in[n:] {
		var err error
		_, n, err = c.NextChunk(dst, in)
		require.NoError(t, err)
	}
	require.LessOrEqual(t, z.most, 10+64)

	for in := toServer(packed(ws.OpBinary, true), strings.Repeat("\xffa", 5000)); len(in) > 0; {
		_, n, err := c.Next(in)
		require.NoError(t, err)
		in = in[n:]
	}
	require.LessOrEqual(t, z.most, chunkSize)
}

type countingInflater struct {
	toyInflater
	most int
}

func (z *countingInflater) Read(dst, chunk []byte, last bool) (n, used int, done bool, err error) {
	z.most = max(z.most, len(chunk))
	return z.toyInflater.Read(dst, chunk, last)
}

// The end of the input inside of a compressed message, everywhere.
func TestEOFInsideCompressed_RFC6455_7_1_5(t *testing.T) {
	in := join(toServer(packed(ws.OpText, false), squeeze("aaaa")), toServer(fin(0), squeeze("bb")))
	for name, receive := range receivers {
		for n := 1; n < len(in); n++ {
			c := NewProtocol(withToy(Config{}))
			messages, err := receive(c, [][]byte{in[:n]})
			require.NoError(t, err)
			require.Empty(t, messages)
			err = c.EOF()
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%s, byte %d", name, n)
			require.Equal(t, err, c.EOF())
			require.Nil(t, c.lent)
			require.Nil(t, c.message)
			require.Equal(t, 1, c.set.inflater.(*toyInflater).closed, "it holds nothing")
		}
	}
}

// A driver that waits only for the peer's close frame drops the messages in front of it,
// whatever they are and wherever the first one is cut.
func TestDiscard(t *testing.T) {
	const bad = "\xff\xff"
	for _, tt := range []struct {
		name   string
		frames []sent
	}{
		{"whole", []sent{{fin(ws.OpText), "text"}, {fin(ws.OpBinary), "bytes"}}},
		{"not a text", []sent{{fin(ws.OpText), "good"}, {fin(ws.OpText), bad}}},
		{"too large", []sent{{fin(ws.OpText), "good"}, {fin(ws.OpBinary), strings.Repeat("x", 300)}}},
		{"fragments", []sent{{open(ws.OpText), "a"}, {fin(ws.OpPing), "ping"}, {open(0), ""}, {open(0), "b"}, {open(0), ""}, {fin(0), bad}}},
		{"compressed", []sent{{packed(ws.OpText, true), squeeze("aaaa")}, {packed(ws.OpText, true), "\x00\x00"}}},
		{"compressed fragments", []sent{{packed(ws.OpText, false), squeeze("aaaa")}, {fin(ws.OpPong), ""}, {open(0), "\xffb"}, {open(0), ""}, {fin(0), "\x00\x00"}, {fin(ws.OpText), "a"}}},
	} {
		for _, side := range both {
			cfg := Config{State: side.state, MaxMessage: 100, MaxFragments: 3}
			frames := append(tt.frames, sent{fin(ws.OpClose), "\x03\xe8bye"})
			in := fromPeer(&cfg, frames...)
			first := len(fromPeer(&cfg, frames[0])) + 2 // in the header after it
			for name, receive := range receivers {
				for at := range in {
					c := NewProtocol(withToy(cfg))
					if at > first {
						at = len(in) - (at - first) // in front of the close frame, and inside it
						if at < len(in)-11 {
							continue
						}
						c.Discard()
					}
					_, err := receive(c, [][]byte{in[:at]})
					require.NoError(t, err, "%s, %s, byte %d", tt.name, name, at)
					c.Discard()
					messages, err := receive(c, pieces(in[at:], 5))
					require.Equal(t, ClosedError{1000, "bye"}, err, "%s, %s, byte %d", tt.name, name, at)
					last := messages[len(messages)-1]
					require.Equal(t, message(ws.OpClose, "\x03\xe8bye"), last)
					if at == 0 {
						for _, m := range messages {
							require.True(t, m.op.IsControl() || m.data == "", "%s, %s: %v", tt.name, name, m)
						}
					}
					require.Nil(t, c.lent)
					require.Nil(t, c.message)
					require.Equal(t, 1, c.set.inflater.(*toyInflater).closed)
				}
			}
		}
	}
}

// Discard asks for no room, gives lent buffers back, and changes nothing once it is over.
func TestDiscardHoldsNothing(t *testing.T) {
	c := NewProtocol(withToy(Config{State: ws.StateClientSide}))
	ev, _, err := c.Next(toClient(packed(ws.OpBinary, false), squeeze("aaaa")))
	require.NoError(t, err)
	require.Equal(t, "aaaa", string(ev.Payload))
	require.NotNil(t, c.lent)
	c.Discard()
	require.Nil(t, c.lent)

	_, _, err = c.Next(toClient(fin(0), ""))
	require.NoError(t, err)
	_, _, err = c.Next(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 1 << 20}))
	require.True(t, err == nil || isShort(err))
	dst := []byte("mine")
	_, room := c.Room(dst)
	require.Nil(t, room)
	require.Nil(t, c.Direct(make([]byte, 1<<20)))
	ev, _, err = c.Gather(&dst, make([]byte, 1<<20))
	require.NoError(t, err)
	require.True(t, ev.Last())
	require.Equal(t, "mine", string(dst))
	_, _, err = c.Gather(&dst, toClient(packed(ws.OpText, true), "\x03a"))
	require.NoError(t, err)
	require.Equal(t, "mine", string(dst))

	err = c.EOF()
	c.Discard()
	_, _, again := c.Next([]byte("\x81\x00"))
	require.Equal(t, err, again)
}

// NextMessage continues a message that Next has begun.
func TestMixedCompressed(t *testing.T) {
	in := join(toServer(packed(ws.OpText, false), squeeze("aaaa")), toServer(open(0), squeeze("bb")), toServer(fin(0), squeeze("c")),
		toServer(packed(ws.OpText, true), squeeze("next")))
	for name, begin := range map[string]next{"Next": (*Protocol).Next, "NextChunk": chunked(4, false)} {
		c := NewProtocol(withToy(Config{}))
		_, err := nexts["NextMessage"].feed(t, c, toServer(packed(ws.OpText, true), squeeze("before")))
		require.NoError(t, err)
		p := bytes.Clone(in)
		ev, n, err := begin(c, p)
		require.NoError(t, err)
		require.Equal(t, "aaaa", string(ev.Payload), name)
		require.True(t, ev.First() && !ev.Last() && ev.Compressed())
		require.True(t, c.InMessage())
		p = p[n:]
		ev, n, err = c.NextMessage(p)
		require.NoError(t, err)
		require.Equal(t, "bbc", string(ev.Payload), name)
		require.True(t, !ev.First() && ev.Last() && ev.Compressed(), "the rest of a message")
		require.False(t, c.InMessage())
		p = p[n:]
		ev, _, err = c.NextMessage(p)
		require.NoError(t, err)
		require.Equal(t, "next", string(ev.Payload))
		require.Equal(t, whole|partPacked, ev.part)
		c.EOF()
		require.Nil(t, c.message)
	}
}

// A ping in front of a compressed message, cut anywhere, leaves no buffer.
func TestNextMessageHoldsNothingBetweenMessages(t *testing.T) {
	in := join(toServer(fin(ws.OpPing), "ping"), toServer(packed(ws.OpText, true), squeeze("aaaa")), toServer(fin(ws.OpPing), "ping"))
	for cut := range in {
		c := NewProtocol(withToy(Config{}))
		messages, err := receivers["NextMessage"](c, [][]byte{in[:cut], in[cut:]})
		require.NoError(t, err)
		require.Equal(t, []got{message(ws.OpPing, "ping"), packedMessage(ws.OpText, "aaaa"), message(ws.OpPing, "ping")}, messages)
		require.Nil(t, c.message)
		require.Nil(t, c.lent)
		require.Zero(t, c.flags)
	}
}

// In steady state nothing is allocated, by any way.
func TestInflateAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	in := join(toClient(packed(ws.OpText, false), squeeze(strings.Repeat("a", 9000))), toClient(fin(ws.OpPing), ""), toClient(fin(0), squeeze("bb")),
		toClient(fin(ws.OpText), "plain"))
	dst := make([]byte, 0, 10000)
	for name, fn := range map[string]next{"Next": (*Protocol).Next, "NextMessage": (*Protocol).NextMessage, "NextChunk": chunked(500, false),
		"Gather": func(c *Protocol, p []byte) (ev Event, n int, err error) {
			if !c.InMessage() {
				dst = dst[:0]
			}
			ev, n, err = c.Gather(&dst, p)
			return ev, n, err
		}} {
		c := NewProtocol(withToy(Config{State: ws.StateClientSide}))
		bufpool.Get(1).Free()
		require.Zero(t, testing.AllocsPerRun(20, func() {
			for p := in; len(p) > 0; {
				_, k, err := fn(c, p[:min(50, len(p))])
				if err != nil && err != io.ErrUnexpectedEOF {
					t.Fatal(err)
				}
				p = p[k:]
			}
		}), name)
	}
}

// Gather appends to the caller's bytes, at most a small multiple of the
// received bytes.
func TestGather(t *testing.T) {
	c := NewProtocol(client)
	payload := strings.Repeat("0123456789", 5000)
	in := join(toClient(open(ws.OpText), payload[:100]), toClient(fin(ws.OpPing), "ping"), toClient(fin(0), payload[100:]), toClient(fin(ws.OpText), "next"))
	dst := []byte("mine")
	ev, n, err := c.Gather(&dst, in)
	require.NoError(t, err)
	require.Equal(t, message(ws.OpPing, "ping"), got{ev.OpCode, ev.Rsv, ev.part, string(ev.Payload)})
	require.Equal(t, "mine"+payload[:100], string(dst), "the part that has arrived")
	in = in[n:]
	ev, n, err = c.Gather(&dst, in)
	require.NoError(t, err)
	require.True(t, ev.Last())
	require.Nil(t, ev.Payload)
	require.Equal(t, "mine"+payload, string(dst))
	_, _, err = c.Gather(&dst, in[n:])
	require.NoError(t, err)
	require.Equal(t, "mine"+payload+"next", string(dst), "messages may lie behind each other")

	// A header that declares a lot makes no room for it.
	c = NewProtocol(&Config{State: ws.StateClientSide, MaxMessage: -1})
	dst = nil
	_, _, err = c.Gather(&dst, append(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Length: 1 << 40}), make([]byte, 100)...))
	if err == ws.ErrHeaderLengthOverflow {
		return // on 32 bits
	}
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Len(t, dst, 100)
	require.LessOrEqual(t, cap(dst), 100+minDirect+minDirect/4)
	for arrived := 100; arrived < 1<<20; {
		var room []byte
		dst, room = c.Room(dst)
		require.NotEmpty(t, room)
		require.LessOrEqual(t, cap(dst), 5*arrived+2*minDirect)
		_, _, err = c.Next(room)
		require.NoError(t, err)
		arrived += len(room)
		dst = dst[:len(dst)+len(room)]
	}

	// Nothing is allocated if there is room for the message.
	if !race.Enabled {
		c = NewProtocol(client)
		in = toClient(fin(ws.OpBinary), payload)
		dst = make([]byte, 0, len(payload))
		require.Zero(t, testing.AllocsPerRun(10, func() {
			out := dst
			_, n, _ := c.Gather(&out, in[:300])
			for rest := in[n:]; len(rest) > 0; {
				grown, room := c.Room(out)
				if room == nil {
					_, n, _ = c.Gather(&out, rest)
				} else {
					n = copy(room, rest)
					c.Next(room[:n])
					out = grown[:len(grown)+n]
				}
				rest = rest[n:]
			}
			if string(out) != payload {
				t.Fatal("not the message")
			}
		}))
	}
}

// Direct lends out only memory that the payload of an open frame fills.
func TestDirect(t *testing.T) {
	large := make([]byte, 1<<20)
	c := NewProtocol(withToy(Config{State: ws.StateClientSide}))
	require.Nil(t, c.Direct(large), "between messages")
	c.Next(ws.AppendHeader(nil, ws.Header{OpCode: ws.OpBinary, Length: minDirect}))
	require.Len(t, c.Direct(large), minDirect)
	require.Len(t, c.Direct(large[:minDirect]), minDirect)
	require.Nil(t, c.Direct(large[:minDirect-1]))
	ev, n, err := c.Next(large[:1])
	require.NoError(t, err)
	require.Equal(t, 1, n)
	require.False(t, ev.Last())
	require.Nil(t, c.Direct(large), "too little is left")
	c.Next(large[:minDirect-1])
	c.Next([]byte("\x89\x05"))
	require.Nil(t, c.Direct(large), "a ping")
	c.Next([]byte("12345"))
	c.Next(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpContinuation, Length: 3 * minDirect}))
	require.Len(t, c.Direct(large), 3*minDirect)
	require.Len(t, c.Direct(large[:2*minDirect]), 2*minDirect)

	c = NewProtocol(withToy(Config{State: ws.StateClientSide}))
	c.Next(ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Rsv: rsv1, Length: 3 * minDirect}))
	require.Nil(t, c.Direct(large), "compressed")
	_, room := c.Room(nil)
	require.Nil(t, room)
}

// Wherever the input ends, by whatever way it was received, every buffer goes back once:
// at EOF, at Reset, and at a fault.
func TestInflatePoolBalance(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1))
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lent := onePooled()
	in := join(toServer(fin(ws.OpPing), "ping"), toServer(packed(ws.OpText, false), squeeze("aaaa")), toServer(fin(ws.OpPing), "ping"),
		toServer(fin(0), squeeze(strings.Repeat("b", 3000))), toServer(open(ws.OpText), "plain"), toServer(fin(ws.OpPong), "pong"), toServer(fin(0), "\xff"))
	for name, receive := range receivers {
		for n := 0; n < len(in); n += 5 { // by turns, all four ends
			requireBalance(t, lent, func() {
				c := NewProtocol(withToy(Config{}))
				_, err := receive(c, [][]byte{in[:n/2], in[n/2 : n]})
				require.NoError(t, err, name)
				switch n % 4 {
				case 0:
					c.EOF()
				case 1:
					c.Reset(nil)
				case 2:
					c.Discard()
					receive(c, [][]byte{in[n:]})
					c.EOF()
				default:
					_, err = receive(c, [][]byte{in[n:]})
					require.Equal(t, ErrInvalidUTF8, err)
				}
			})
		}
	}
}
