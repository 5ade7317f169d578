package wsutil

import (
	"bytes"
	"fmt"
	"runtime"
	"strings"
	"sync"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// deliver gives what c has appended to a peer, and returns the messages that it gets.
func deliver(t *testing.T, c, peer *Protocol, out []byte) []got {
	t.Helper()
	messages, err := receivers["NextMessage"](peer, [][]byte{out})
	require.NoError(t, err)
	return messages
}

// peerOf is the Protocol on the other side of one with this configuration.
func peerOf(cfg *Config) *Protocol {
	other := Config{State: cfg.State ^ ws.StateClientSide, MaxMessage: -1}
	if cfg.Deflater != nil {
		return NewProtocol(withToy(other))
	}
	return NewProtocol(&other)
}

// appendFrames appends all frames of the message so far, by AppendFrame.
func appendFrames(t *testing.T, c *Protocol, out []byte, m *Outgoing) []byte {
	t.Helper()
	for {
		next, body, err := c.AppendFrame(out, m)
		require.NoError(t, err)
		out = append(next, body...)
		if !m.Pending() {
			return out
		}
	}
}

var runsOf = strings.Repeat

// A message in its frames, sent whole, prepared and in parts, by both sides, compressed
// or not.
func TestOutgoing(t *testing.T) {
	for _, tt := range []struct {
		name     string
		cfg      Config
		toy      bool
		message  string
		parts    []int // where the parts of it end, but the last one
		prepared bool
		want     []sent // "" for data that is compared only with the message
	}{
		{"whole", Config{}, false, "text", nil, false, []sent{{fin(ws.OpText), "text"}}},
		{"empty", Config{}, false, "", nil, false, []sent{{fin(ws.OpText), ""}}},
		{"exactly one frame", Config{FragmentSize: 4}, false, "text", nil, false, []sent{{fin(ws.OpText), "text"}}},
		{"5.4 fragments", Config{FragmentSize: 3}, false, "message", nil, false, []sent{{open(ws.OpText), "mes"}, {open(0), "sag"}, {fin(0), "e"}}},
		{"fragments of the default size", Config{}, false, runsOf("x", DefaultFragmentSize+1), nil, false, []sent{{open(ws.OpText), runsOf("x", DefaultFragmentSize)}, {fin(0), "x"}}},
		{"no fragments", Config{FragmentSize: -1}, false, runsOf("x", DefaultFragmentSize+1), nil, false, []sent{{fin(ws.OpText), runsOf("x", DefaultFragmentSize+1)}}},
		{"prepared", Config{FragmentSize: 3}, false, "message", nil, true, []sent{{fin(ws.OpText), "message"}}},
		{"in parts", Config{}, false, "message", []int{3, 3}, false, []sent{{open(ws.OpText), "mes"}, {open(0), ""}, {fin(0), "sage"}}},
		{"in one part", Config{}, false, "message", []int{}, false, []sent{{fin(ws.OpText), "message"}}},
		{"in parts, the last one empty", Config{}, false, "message", []int{7}, false, []sent{{open(ws.OpText), "message"}, {fin(0), ""}}},
		{"in parts and fragments", Config{FragmentSize: 3}, false, "message", []int{4}, false, []sent{{open(ws.OpText), "mes"}, {open(0), "s"}, {fin(0), "age"}}},
		{"7692 6.1 compressed", Config{FragmentSize: 3}, true, "aaaabbbb", nil, false, []sent{{packed(ws.OpText, true), "\x04a\x04b"}}},
		{"7692 6.1 incompressible", Config{FragmentSize: 5}, true, "message", nil, false, []sent{{open(ws.OpText), "messa"}, {fin(0), "ge"}}},
		{"7692 6.1 compressed in parts", Config{FragmentSize: 3}, true, "aaaabbbbc", []int{4, 4}, false, []sent{{packed(ws.OpText, false), "\x04a"}, {open(0), ""}, {fin(0), "\x04b\x01c"}}},
		{"compressed in one part", Config{}, true, "aaaabbbb", []int{}, false, []sent{{packed(ws.OpText, true), "\x04a\x04b"}}},
		{"one part that does not become smaller", Config{}, true, "abc", []int{}, false, []sent{{fin(ws.OpText), "abc"}}},
		{"parts that do not become smaller", Config{}, true, "abc", []int{1}, false, []sent{{packed(ws.OpText, false), "\x01a"}, {fin(0), "\x01b\x01c"}}},
		{"compressed and prepared", Config{}, true, "aaaabbbb", nil, true, []sent{{packed(ws.OpText, true), "\x04a\x04b"}}},
		{"prepared, not smaller", Config{FragmentSize: 3}, true, "message", nil, true, []sent{{fin(ws.OpText), "message"}}},
		{"large", Config{}, false, runsOf("x", 100_000), nil, false, []sent{{fin(ws.OpText), runsOf("x", 100_000)}}},
		{"large and compressed", Config{}, true, runsOf("x", 255*300), nil, false, []sent{{packed(ws.OpText, true), runsOf("\xffx", 300)}}},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, side := range both {
				cfg := tt.cfg
				cfg.State |= side.state
				if tt.toy {
					cfg = *withToy(cfg)
				}
				c, peer := NewProtocol(&cfg), peerOf(&cfg)
				m := NewOutgoing(ws.OpText, []byte(tt.message))
				switch {
				case tt.prepared:
					p, err := NewPreparedMessage(ws.OpText, []byte(tt.message))
					require.NoError(t, err)
					m = p.Outgoing()
				case tt.parts != nil:
					m = NewOutgoing(ws.OpText, nil)
				}
				require.Equal(t, ws.OpText, m.OpCode())
				require.False(t, m.Begun() || m.Done())
				var out []byte
				rest := []byte(tt.message)
				begin := 0
				for _, end := range tt.parts {
					m.Add(rest[begin:end], false)
					out = appendFrames(t, c, out, &m)
					require.True(t, m.Begun() && !m.Done())
					begin = end
				}
				if tt.parts != nil {
					m.Add(rest[begin:], true)
				}
				out = appendFrames(t, c, out, &m)
				require.True(t, m.Begun() && m.Done())
				require.Equal(t, tt.message, string(rest), "the caller's bytes stay as they are")
				frames := withoutMasks(wire(t, side.state.ClientSide(), out))
				require.Equal(t, tt.want, frames)
				size := 0
				for _, f := range frames {
					size += len(f.payload)
				}
				require.Equal(t, len(tt.message), m.Size())
				require.Equal(t, size, m.WireSize())

				messages := deliver(t, c, peer, out)
				require.Len(t, messages, 1)
				require.Equal(t, tt.message, messages[0].data)

				// After the last frame there is nothing.
				again, body, err := c.AppendFrame(out, &m)
				require.ErrorIs(t, err, ErrNotSendable)
				require.Equal(t, out, again)
				require.Nil(t, body)
				require.False(t, m.Pending())

				// AppendMessage and AppendPrepared make the same frames.
				if tt.parts != nil {
					return
				}
				cfg = tt.cfg
				cfg.State |= side.state
				if tt.toy {
					cfg = *withToy(cfg)
				}
				c = NewProtocol(&cfg)
				if tt.prepared {
					p, _ := NewPreparedMessage(ws.OpText, []byte(tt.message))
					out, err = c.AppendPrepared([]byte("dst"), p)
				} else {
					out, err = c.AppendMessage([]byte("dst"), ws.OpText, []byte(tt.message))
				}
				require.NoError(t, err)
				require.Equal(t, "dst", string(out[:3]))
				require.Equal(t, tt.want, withoutMasks(wire(t, side.state.ClientSide(), out[3:])))
			}
		})
	}
}

// A server sends what is large without a copy, and what is prepared.
func TestBodyIsNotCopied(t *testing.T) {
	for _, side := range both {
		for _, tt := range []struct {
			size     int
			prepared bool
			toy      bool
			body     bool
		}{
			{maxCoalesced, false, false, false},
			{maxCoalesced + 1, false, false, true},
			{maxCoalesced + 1, false, true, false}, // compressed
			{1, true, false, true},
			{1000, true, true, true},
		} {
			cfg := Config{State: side.state}
			if tt.toy {
				cfg = *withToy(cfg)
			}
			c := NewProtocol(&cfg)
			payload := bytes.Repeat([]byte("a"), tt.size)
			m := NewOutgoing(ws.OpBinary, payload)
			p, err := NewPreparedMessage(ws.OpBinary, payload)
			require.NoError(t, err)
			if tt.prepared {
				m = p.Outgoing()
			}
			out, body, err := c.AppendFrame(nil, &m)
			require.NoError(t, err)
			require.False(t, m.Pending())
			require.Equal(t, tt.body && side.state.ServerSide(), body != nil, "%s, %+v", side.name, tt)
			if body == nil {
				continue
			}
			switch {
			case tt.prepared && tt.toy:
				require.Empty(t, out)
			case tt.prepared:
				require.Empty(t, out)
				require.Same(t, &p.Frame()[0], &body[0])
			default:
				require.Same(t, &payload[0], &body[0])
				require.Len(t, out, ws.HeaderSize(ws.Header{Length: int64(tt.size)}))
			}
		}
	}
}

// Control frames go between the frames of a message, other messages do not.
func TestOutgoingInside_RFC6455_5_4(t *testing.T) {
	for _, toy := range []bool{false, true} {
		cfg := Config{}
		if toy {
			cfg = *withToy(cfg)
		}
		c := NewProtocol(&cfg)
		m := NewOutgoing(ws.OpText, nil)
		m.Add([]byte("aaaa"), false)
		out := appendFrames(t, c, nil, &m)
		var err error
		out, err = c.AppendPing(out, []byte("ping"))
		require.NoError(t, err)
		other := NewOutgoing(ws.OpText, []byte("bbbbbbbb"))
		p, _ := NewPreparedMessage(ws.OpText, []byte("bbbbbbbb"))
		for _, refused := range []func() ([]byte, error){
			func() ([]byte, error) { return c.AppendMessage(out, ws.OpText, []byte("bbbbbbbb")) },
			func() ([]byte, error) { return c.AppendPrepared(out, p) },
			func() ([]byte, error) { out, _, err := c.AppendFrame(out, &other); return out, err },
		} {
			same, err := refused()
			require.ErrorIs(t, err, ErrNotSendable)
			require.Equal(t, out, same)
		}
		m.Add([]byte("aaaa"), true)
		out = appendFrames(t, c, out, &m)
		out, err = c.AppendMessage(out, ws.OpText, []byte("aaaaaaaa")) // as the one before
		require.NoError(t, err)
		messages := deliver(t, c, peerOf(&cfg), out)
		require.Len(t, messages, 3)
		require.Equal(t, "aaaaaaaa", messages[1].data)
		require.Equal(t, "aaaaaaaa", messages[2].data)
	}
}

// What may not be sent appends nothing, and the connection is as usable as before.
func TestOutgoingMistakes(t *testing.T) {
	for _, toy := range []bool{false, true} {
		for _, op := range []ws.OpCode{ws.OpContinuation, 3, 7, ws.OpPing, ws.OpClose, 0xb} {
			cfg := Config{}
			if toy {
				cfg = *withToy(cfg)
			}
			c := NewProtocol(&cfg)
			m := NewOutgoing(op, []byte("aaaaaaaa"))
			out, body, err := c.AppendFrame([]byte("dst"), &m)
			require.ErrorIs(t, err, ErrNotSendable, "opcode %d", op)
			require.Equal(t, "dst", string(out))
			require.Nil(t, body)
			require.False(t, m.Begun() || m.Done())
			require.False(t, c.Undo())
			out, err = c.AppendMessage(nil, ws.OpText, []byte("aaaaaaaa"))
			require.NoError(t, err)
			require.Equal(t, "aaaaaaaa", deliver(t, c, peerOf(&cfg), out)[0].data)
		}
	}
}

// A message is refused in the middle: what was appended of it is taken back, and no
// later message refers to it.
func TestRefusedInTheMiddle(t *testing.T) {
	for _, side := range both {
		cfg := Config{State: side.state, FragmentSize: 2}
		payload := make([]byte, 20_000)
		for tries := range 100 {
			c := NewProtocol(&cfg)
			var wg sync.WaitGroup
			wg.Go(func() { // a fault of the peer, at the same time
				for range tries * 10 {
					runtime.Gosched()
				}
				c.Next(fromPeer(&cfg, sent{fin(3), ""}))
			})
			out, err := c.AppendMessage([]byte("dst"), ws.OpText, payload)
			wg.Wait()
			if err != nil {
				require.Equal(t, ErrClosing, err)
				require.Equal(t, "dst", string(out))
			}
			require.Zero(t, c.sendOp)
		}

		// In parts, the fault comes between them.
		c := NewProtocol(withToy(cfg))
		m := NewOutgoing(ws.OpText, nil)
		m.Add([]byte("aaaa"), false)
		appendFrames(t, c, nil, &m)
		c.Next(fromPeer(&cfg, sent{fin(3), ""}))
		m.Add([]byte("bbbb"), true)
		out, body, err := c.AppendFrame([]byte("dst"), &m)
		require.Equal(t, ErrClosing, err)
		require.Equal(t, "dst", string(out))
		require.Nil(t, body)
		require.False(t, m.Done())

		// After the peer's close frame it may still be ended (section 5.5.1).
		c = NewProtocol(withToy(cfg))
		m = NewOutgoing(ws.OpText, nil)
		m.Add([]byte("aaaa"), false)
		out = appendFrames(t, c, nil, &m)
		c.Next(fromPeer(&cfg, sent{fin(ws.OpClose), ""}))
		m.Add([]byte("bbbb"), true)
		out = appendFrames(t, c, out, &m)
		require.Equal(t, "aaaabbbb", deliver(t, c, peerOf(withToy(cfg)), out)[0].data)
		_, err = c.AppendMessage(nil, ws.OpText, []byte("a"))
		require.Equal(t, ErrClosing, err)
	}
}

// Undo takes back a message that was compressed: the peer, which lacks it, can read the
// next one.
func TestUndoCompressed(t *testing.T) {
	lost := []byte("lost lost looooooooooooooooost")
	send := map[string]func(t *testing.T, c *Protocol){
		"whole": func(t *testing.T, c *Protocol) {
			_, err := c.AppendMessage(nil, ws.OpText, lost)
			require.NoError(t, err)
		},
		"in parts": func(t *testing.T, c *Protocol) {
			m := NewOutgoing(ws.OpText, nil)
			m.Add(lost, false)
			appendFrames(t, c, nil, &m)
		},
		"prepared": func(t *testing.T, c *Protocol) {
			p, err := NewPreparedMessage(ws.OpText, bytes.Repeat([]byte("l"), 99))
			require.NoError(t, err)
			_, err = c.AppendPrepared(nil, p)
			require.NoError(t, err)
		},
		"AppendFrame": func(t *testing.T, c *Protocol) {
			m := NewOutgoing(ws.OpText, bytes.Repeat([]byte("l"), 99))
			appendFrames(t, c, nil, &m)
		},
	}
	for name, lose := range send {
		cfg := *withToy(Config{})
		c, peer := NewProtocol(&cfg), peerOf(&cfg)
		out, err := c.AppendMessage(nil, ws.OpText, []byte("before........"))
		require.NoError(t, err)
		require.Equal(t, "before........", deliver(t, c, peer, out)[0].data)
		lose(t, c)
		require.True(t, c.Undo(), name)
		require.False(t, c.Undo(), "once")
		for _, m := range [][]byte{lost, bytes.Repeat([]byte("l"), 99), []byte("before........"), []byte("before........")} {
			out, err = c.AppendMessage(nil, ws.OpText, m)
			require.NoError(t, err)
			require.Equal(t, string(m), deliver(t, c, peer, out)[0].data, name)
		}
		z := cfg.Deflater.(*toyDeflater)
		if name != "whole" { // lost does not become smaller
			require.Equal(t, 1, z.closed+z.undone, name)
		}
	}

	// A later part is not taken back.
	c := NewProtocol(withToy(Config{}))
	m := NewOutgoing(ws.OpText, nil)
	for range 2 {
		m.Add(lost, false)
		appendFrames(t, c, nil, &m)
	}
	require.False(t, c.Undo())
	require.Equal(t, ws.OpText, c.sendOp)

	// Nor is a message by way of one that was refused.
	c = NewProtocol(&Config{FragmentSize: 1})
	_, err := c.AppendMessage(nil, ws.OpText, []byte("all of it"))
	require.NoError(t, err)
	require.True(t, c.Undo(), "all frames of it")
	_, err = c.AppendMessage(nil, ws.OpText, nil)
	require.NoError(t, err)
	_, err = c.AppendClose(nil, 0, "")
	require.NoError(t, err)
	require.False(t, c.Undo(), "a close frame stays")
}

// Release releases the memory of compression, and later messages refer to
// nothing.
func TestRelease(t *testing.T) {
	NewProtocol(nil).Release()
	cfg := *withToy(Config{})
	c := NewProtocol(&cfg)
	text := []byte("aaaaaaaa")
	_, err := c.AppendMessage(nil, ws.OpText, text)
	require.NoError(t, err)
	c.Release()
	require.Equal(t, 1, cfg.Deflater.(*toyDeflater).closed)
	out, err := c.AppendMessage(nil, ws.OpText, text)
	require.NoError(t, err)
	require.Equal(t, "aaaaaaaa", deliver(t, c, peerOf(&cfg), out)[0].data)
}

// A prepared control frame is sent as AppendMessage sends one, also inside of a message.
func TestPreparedControlFrame(t *testing.T) {
	for _, side := range both {
		c := NewProtocol(withToy(Config{State: side.state}))
		m := NewOutgoing(ws.OpText, nil)
		m.Add([]byte("aaaa"), false)
		appendFrames(t, c, nil, &m)
		for op, want := range map[ws.OpCode]error{ws.OpPing: nil, ws.OpPong: nil, ws.OpClose: ErrNotSendable} {
			p, err := NewPreparedMessage(op, []byte("\x03\xe8"))
			require.NoError(t, err)
			out, err := c.AppendPrepared(nil, p)
			require.ErrorIs(t, err, want)
			if want == nil {
				require.Equal(t, []sent{{fin(op), "\x03\xe8"}}, withoutMasks(wire(t, side.state.ClientSide(), out)))
			}
		}
	}
}

// countedForm counts how often a message is encoded.
type countedForm struct{ made *atomic.Int32 }

func (f countedForm) Frame(op ws.OpCode, p []byte) ([]byte, error) {
	f.made.Add(1)
	return toyForm(0).Frame(op, p)
}

// formedDeflater is the toy with another form.
type formedDeflater struct {
	toyDeflater
	form interface {
		Frame(op ws.OpCode, p []byte) ([]byte, error)
	}
}

func (z *formedDeflater) PreparedProfile(int) interface {
	Frame(op ws.OpCode, p []byte) ([]byte, error)
} {
	return z.form
}

// A prepared message is encoded once for each form, however many connections send it.
func TestPreparedOnceForEachForm(t *testing.T) {
	p, err := NewPreparedMessage(ws.OpText, bytes.Repeat([]byte("a"), 100))
	require.NoError(t, err)
	made := make([]atomic.Int32, 3)
	var wg sync.WaitGroup
	for i := range 30 {
		wg.Go(func() {
			cfg := withToy(Config{State: both[i%2].state})
			cfg.Deflater = &formedDeflater{form: countedForm{&made[i%len(made)]}}
			c := NewProtocol(cfg)
			for range 3 {
				out, err := c.AppendPrepared(nil, p)
				if err != nil || out[0] != 0xc1 {
					t.Error(out, err)
				}
			}
		})
	}
	wg.Wait()
	for i := range made {
		require.Equal(t, int32(1), made[i].Load())
	}
}

// A form that fails, or makes no frame, sends the message as it is.
func TestPreparedFormFails(t *testing.T) {
	p, err := NewPreparedMessage(ws.OpText, bytes.Repeat([]byte("a"), 100))
	require.NoError(t, err)
	for _, side := range both {
		cfg := withToy(Config{State: side.state})
		cfg.Deflater = &formedDeflater{form: toyForm(-1)}
		c := NewProtocol(cfg)
		out, err := c.AppendPrepared(nil, p)
		require.NoError(t, err)
		require.Equal(t, []sent{{fin(ws.OpText), string(p.Payload())}}, withoutMasks(wire(t, side.state.ClientSide(), out)))
		require.Nil(t, cfg.Deflater.(*formedDeflater).prev, "the window does not have it")
		require.True(t, c.Undo())
	}
}

// In steady state nothing is allocated.
func TestOutgoingAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	payload := []byte(fmt.Sprint("0123456789", strings.Repeat("a", 1000)))
	p, err := NewPreparedMessage(ws.OpText, payload)
	require.NoError(t, err)
	for _, side := range both {
		for _, toy := range []bool{false, true} {
			cfg := &Config{State: side.state, FragmentSize: 100}
			if toy {
				cfg = withToy(*cfg)
				cfg.Deflater = &formedDeflater{form: toyForm(1)}
			}
			c := NewProtocol(cfg)
			dst := make([]byte, 0, 4096)
			require.Zero(t, testing.AllocsPerRun(50, func() {
				m := p.Outgoing()
				for !m.Done() {
					if _, _, err := c.AppendFrame(dst, &m); err != nil {
						t.Fatal(err)
					}
				}
				if _, err := c.AppendPrepared(dst, p); err != nil {
					t.Fatal(err)
				}
				if toy {
					return // which allocates by itself
				}
				m = NewOutgoing(ws.OpBinary, nil)
				for i := range 3 {
					m.Add(payload, i == 2)
					for m.Pending() {
						if _, _, err = c.AppendFrame(dst, &m); err != nil {
							t.Fatal(err)
						}
					}
				}
				if _, err := c.AppendMessage(dst, ws.OpText, payload); err != nil {
					t.Fatal(err)
				}
			})-map[bool]float64{true: 2}[toy], "%s, %t", side.name, toy) // SentPrepared of the toy clones
		}
	}
}

// What a connection costs at its beginning.
func TestNewProtocolAllocates(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	toy := withToy(Config{})
	for _, tt := range []struct {
		name string
		cfg  *Config
		want float64 // of Reset; NewProtocol has one more
	}{
		{"nil", nil, 0},
		{"client", client, 0},
		{"limit of messages", &Config{MaxMessage: 7}, 0},
		{"limit of frames", &Config{MaxFrame: 7}, 0},
		{"close timeout", &Config{CloseTimeout: 7}, 0},
		{"compression", toy, 1},
		{"keepalive", &Config{KeepAlive: 7, ReadIdleTimeout: 7}, 1},
		{"all", &Config{KeepAlive: 7, ReadIdleTimeout: 7, Inflater: toy.Inflater, Deflater: toy.Deflater, FragmentSize: 7}, 2},
	} {
		c := new(Protocol)
		require.Equal(t, tt.want, testing.AllocsPerRun(20, func() { c.Reset(tt.cfg) }), tt.name)
		var keep *Protocol
		require.Equal(t, tt.want+1, testing.AllocsPerRun(20, func() { keep = NewProtocol(tt.cfg) }), tt.name)
		_ = keep
	}
}
