package wsutil

import (
	"bytes"
	"encoding/binary"
	"io"
	"math"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// declare returns the header, and no payload, of a frame of n bytes to a server.
func declare(h ws.Header, n uint64) []byte {
	b0 := byte(h.OpCode)
	if h.Fin {
		b0 |= 0x80
	}
	return append(binary.BigEndian.AppendUint64([]byte{b0, 0xff}, n), 1, 2, 3, 4)
}

// Each limit is met by one message and crossed by the next one, at its header.
func TestLimits(t *testing.T) {
	const binaryOp = ws.OpBinary
	x := func(n int) string { return strings.Repeat("x", n) }
	for _, tt := range []struct {
		name     string
		cfg      Config
		in, over []byte
		want     error
	}{
		{"frame", Config{MaxFrame: 10}, toServer(fin(binaryOp), x(10)), declare(fin(binaryOp), 70000), ErrFrameTooLarge},
		{"frame, short", Config{MaxFrame: 10}, toServer(fin(binaryOp), x(10)), toServer(fin(binaryOp), x(11))[:6], ErrFrameTooLarge},
		{"frame of the least size", Config{MaxFrame: 1}, toServer(fin(binaryOp), "x"), toServer(fin(binaryOp), "xx")[:6], ErrFrameTooLarge},
		{"fragment", Config{MaxFrame: 300}, join(toServer(open(binaryOp), x(300)), toServer(open(0), x(300))), toServer(fin(0), x(301))[:8], ErrFrameTooLarge},
		{"message", Config{MaxMessage: 300}, toServer(fin(binaryOp), x(300)), toServer(fin(binaryOp), x(301))[:8], ErrMessageTooLarge},
		{"message of small frames", Config{MaxMessage: 20, MaxFrame: 10}, join(toServer(open(binaryOp), x(10)), toServer(open(0), x(10))), toServer(fin(0), "x")[:6], ErrMessageTooLarge},
		{"message, counted anew", Config{MaxMessage: 10}, join(toServer(open(binaryOp), x(10)), toServer(fin(0), ""), toServer(fin(binaryOp), x(10))), toServer(fin(binaryOp), x(11))[:6], ErrMessageTooLarge},
		{"message of the default size", Config{}, nil, declare(fin(binaryOp), DefaultMaxMessage+1), ErrMessageTooLarge},
		{"frame of 2^62 bytes", Config{}, nil, declare(fin(binaryOp), 1<<62), ErrMessageTooLarge},
		{"fragments", Config{MaxFragments: 3}, join(toServer(open(binaryOp), x(3)), toServer(fin(ws.OpPing), ""), toServer(open(0), ""), toServer(fin(0), "x"), toServer(open(binaryOp), ""), toServer(open(0), ""), toServer(open(0), "")),
			toServer(fin(0), ""), ErrTooManyFragments},
		{"fragments, all messages whole", Config{MaxFragments: 1}, join(toServer(fin(binaryOp), x(3)), toServer(fin(binaryOp), x(3)), toServer(open(binaryOp), "")), toServer(fin(0), ""), ErrTooManyFragments},
	} {
		t.Run(tt.name, func(t *testing.T) {
			if strconv.IntSize == 32 && tt.over[1]&0x7f == 127 && tt.over[2] != 0 {
				tt.want = ws.ErrHeaderLengthOverflow
			}
			for _, fn := range nexts {
				_, err := fn.feed(t, NewProtocol(&tt.cfg), tt.in)
				require.NoError(t, err)
				in := join(tt.in, tt.over)
				for _, cuts := range [][]int{nil, everyByte(in)} {
					c := NewProtocol(&tt.cfg)
					_, err := fn.feed(t, c, in, cuts...)
					require.Equal(t, tt.want, err)
					require.Equal(t, ws.StatusMessageTooBig, CloseCode(err))
					requireEnded(t, c, err)
				}
			}
		})
	}
}

// The fast path, which wants the whole frame in the input, knows the limits and the
// forms of a length too.
func TestWholeFrameIsRefused(t *testing.T) {
	for _, n := range []int{11, 200} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
			in := toServer(fin(op), strings.Repeat("x", n))
			_, _, err := NewProtocol(&Config{MaxFrame: int64(n) - 1}).Next(bytes.Clone(in))
			require.Equal(t, ErrFrameTooLarge, err)
			_, _, err = NewProtocol(&Config{MaxMessage: int64(n) - 1}).Next(bytes.Clone(in))
			require.Equal(t, ErrMessageTooLarge, err)
			_, _, err = NewProtocol(&Config{MaxMessage: int64(n), MaxFrame: int64(n)}).Next(bytes.Clone(in))
			require.NoError(t, err)
		}
	}
	for n := range byte(126) {
		in := append([]byte{0x82, 0x7e, 0, n}, make([]byte, 126)...)
		_, _, err := NewProtocol(client).Next(in)
		require.Equal(t, ws.ErrHeaderLengthNotMinimal, err)
	}
}

// Lengths whose sum is beyond an int64 (and beyond an int on 32 bits).
func TestFragmentLengthsThatOverflow(t *testing.T) {
	for name, cfg := range map[string]*Config{"default": nil, "no limit": {MaxMessage: -1, MaxFrame: -1, MaxFragments: -1}} {
		for _, n := range []uint64{math.MaxInt64, math.MaxInt64 - 9, math.MaxInt32, 1 << 31} {
			in := join(toServer(open(ws.OpBinary), "0123456789"), declare(fin(ws.OpContinuation), n))
			c := NewProtocol(cfg)
			_, err := next.feed((*Protocol).NextMessage, t, c, in)
			switch {
			case n > math.MaxInt:
				require.Equal(t, ws.ErrHeaderLengthOverflow, err, name)
			case cfg == nil, n > math.MaxInt64-10:
				require.Equal(t, ErrMessageTooLarge, err, name)
			default:
				require.NoError(t, err)
				require.LessOrEqual(t, cap(c.message.B), cap(bufpool.Get(0).B))
			}
		}
	}
}

// Each message has the limit of the time when its first frame arrived.
func TestSetMaxMessage(t *testing.T) {
	c := NewProtocol(nil)
	feed := func(frames ...[]byte) error {
		_, err := next.feed((*Protocol).Next, t, c, join(frames...))
		return err
	}
	c.SetMaxMessage(4)
	require.NoError(t, feed(toServer(fin(ws.OpText), "abcd"), toServer(open(ws.OpText), "ab")))
	c.SetMaxMessage(1) // from the next message on
	require.NoError(t, feed(toServer(fin(0), "cd"), toServer(fin(ws.OpText), "x")))
	c.SetMaxMessage(-1)
	require.NoError(t, feed(toServer(open(ws.OpText), "12345"), toServer(open(0), "")))
	c.SetMaxMessage(3) // less than has come
	require.NoError(t, feed(toServer(fin(0), "6")))
	require.Equal(t, ErrMessageTooLarge, feed(toServer(open(ws.OpText), "123"), toServer(fin(0), "4")))

	c.Reset(nil)
	c.SetMaxMessage(0)
	require.NoError(t, feed(toServer(fin(ws.OpText), "0 is the default")))
	require.Equal(t, ErrMessageTooLarge, feed(declare(fin(ws.OpBinary), DefaultMaxMessage+1)))
}

// A header declares a lot and nothing follows: no memory is taken for it. What
// arrives is held in at most 2.5 times its size, as the sizes of the pool have it.
func TestMemoryGrowsWithWhatArrives(t *testing.T) {
	c := NewProtocol(&Config{MaxMessage: -1})
	head := declare(fin(ws.OpBinary), 1<<30)
	_, n, err := c.NextMessage(head)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Equal(t, len(head), n)
	require.Nil(t, c.message)

	piece := make([]byte, 3000)
	for arrived := len(piece); arrived < 6<<20; arrived += len(piece) {
		_, _, err = c.NextMessage(piece)
		require.Equal(t, io.ErrUnexpectedEOF, err)
		require.Len(t, c.message.B, arrived)
		require.LessOrEqual(t, cap(c.message.B), arrived*5/2)
	}
	require.ErrorIs(t, c.EOF(), io.ErrUnexpectedEOF)
	require.Nil(t, c.message)
}

// A peer sends fragments without payload, or a byte each, byte by byte: memory is
// that of the payload, and nothing is allocated on the way.
func TestManyFragments(t *testing.T) {
	fragments := 1_000_000
	if race.Enabled || testing.Short() {
		fragments = 50_000
	}
	for _, payload := range []string{"", "x"} {
		for name, fn := range nexts {
			c := NewProtocol(&Config{MaxFragments: -1})
			give := func(frame []byte) (events int) {
				for i := range frame {
					p := frame[i : i+1]
					for len(p) > 0 {
						_, n, err := fn(c, p)
						p = p[n:]
						if err == nil {
							events++
						} else if err != io.ErrUnexpectedEOF {
							t.Fatal(err)
						}
					}
				}
				return events
			}
			give(toServer(open(ws.OpBinary), payload))
			more := toServer(open(ws.OpContinuation), payload)
			frame := make([]byte, len(more))
			for range fragments {
				copy(frame, more)
				give(frame)
			}
			if name == "NextMessage" {
				require.Len(t, c.message.B, (fragments+1)*len(payload))
				require.LessOrEqual(t, cap(c.message.B), max(cap(bufpool.Get(0).B), 2*len(c.message.B)))
			} else {
				require.Nil(t, c.message)
			}
			require.Equal(t, 1, give(toServer(fin(ws.OpContinuation), payload)))
		}
	}
}

// The limit that is on by default.
func TestManyFragmentsAreTooMany(t *testing.T) {
	c := NewProtocol(nil)
	_, err := next.feed((*Protocol).Next, t, c, join(toServer(open(ws.OpText), ""), bytes.Repeat(toServer(open(0), ""), DefaultMaxFragments)))
	require.Equal(t, ErrTooManyFragments, err)
}

// A connection that waits between messages has no buffer: those that a cut message or
// ping needed go back with the next call.
func TestIdleHoldsNoBuffer(t *testing.T) {
	text := toServer(fin(ws.OpText), strings.Repeat("x", 5000))
	ping := toServer(fin(ws.OpPing), "ping")
	c := NewProtocol(nil)
	_, err := next.feed((*Protocol).NextMessage, t, c, join(text, ping), 3000, len(text)+8)
	require.NoError(t, err)
	require.Nil(t, c.message)
	require.Nil(t, c.lent)
	require.Zero(t, c.flags)
}

// In steady state nothing is allocated, whatever the cuts.
func TestNextAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	total := 1 << 20
	if testing.Short() {
		total = 256 << 10
	}
	for _, side := range []ws.State{ws.StateServerSide, ws.StateClientSide} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing} {
			for _, n := range []int{0, 16, 125, 1 << 10, 100 << 10} {
				if op == ws.OpPing && n > 125 {
					continue
				}
				in, _ := stream(side, op, n, total)
				for name, fn := range nexts {
					for _, step := range []int{len(in), 1000} {
						c := NewProtocol(&Config{State: side})
						require.Zero(t, testing.AllocsPerRun(3, func() {
							for p := in; len(p) > 0; {
								_, k, err := fn(c, p[:min(step, len(p))])
								if err != nil && err != io.ErrUnexpectedEOF {
									t.Fatal(err)
								}
								p = p[k:]
							}
						}), "%s of %d bytes in steps of %d by %s", ws.Header{OpCode: op}.OpCode, n, step, name)
					}
				}
			}
		}
	}
}

// 1 MiB of frames of 6 bytes in one input: each call passes over one of them.
func TestBurstOfEmptyFrames(t *testing.T) {
	in, frames := stream(ws.StateServerSide, ws.OpBinary, 0, 1<<20)
	c := NewProtocol(nil)
	for range frames {
		_, n, err := c.Next(in)
		if n != 6 || err != nil {
			t.Fatal(n, err)
		}
		in = in[n:]
	}
	require.Empty(t, in)
}
