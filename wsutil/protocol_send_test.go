package wsutil

import (
	"bytes"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// sent is a frame that a Protocol has made, unmasked.
type sent struct {
	h       ws.Header
	payload string
}

// wire reads the frames of p back; key says whether they are masked, as a client's are.
func wire(t testing.TB, masked bool, p []byte) (frames []sent) {
	t.Helper()
	for r := bytes.NewReader(p); r.Len() > 0; {
		f, err := ws.ReadFrame(r)
		require.NoError(t, err)
		require.Equal(t, masked, f.Header.Masked)
		f = ws.UnmaskFrameInPlace(f)
		f.Header.Length = 0
		frames = append(frames, sent{f.Header, string(f.Payload)})
	}
	return frames
}

// both sides, for tables.
var sides = map[string]*Config{"server": server, "client": client}

func TestSend(t *testing.T) {
	for name, cfg := range sides {
		t.Run(name, func(t *testing.T) {
			c := NewProtocol(&Config{State: cfg.State | ws.StateRSV1})
			var out []byte
			add := func(p []byte, err error) {
				t.Helper()
				require.NoError(t, err)
				out = p
			}
			payload := []byte("payload")
			add(c.AppendMessage(out, ws.OpText, payload))
			add(c.AppendPing(out, nil))
			add(c.AppendFragment(out, ws.Header{OpCode: ws.OpBinary, Rsv: 4}, []byte("a")))
			add(c.AppendPong(out, []byte("between")))
			add(c.AppendFragment(out, open(ws.OpBinary), nil))
			add(c.AppendFragment(out, fin(ws.OpBinary), []byte("b")))
			add(c.AppendMessage(out, ws.OpBinary, bytes.Repeat([]byte("x"), 1000)))
			add(c.AppendClose(out, ws.StatusGoingAway, "bye"))
			require.Equal(t, "payload", string(payload), "the caller's bytes stay as they are")
			require.Equal(t, []sent{
				{fin(ws.OpText), "payload"},
				{fin(ws.OpPing), ""},
				{ws.Header{OpCode: ws.OpBinary, Rsv: 4}, "a"},
				{fin(ws.OpPong), "between"},
				{open(ws.OpContinuation), ""},
				{fin(ws.OpContinuation), "b"},
				{fin(ws.OpBinary), strings.Repeat("x", 1000)},
				{fin(ws.OpClose), "\x03\xe9bye"},
			}, withoutMasks(wire(t, c.state.ClientSide(), out)))
		})
	}
}

func withoutMasks(frames []sent) []sent {
	for i := range frames {
		frames[i].h.Masked, frames[i].h.Mask = false, [4]byte{}
	}
	return frames
}

// RFC 6455, section 5.3: every frame has a key of its own.
func TestSendMasks_RFC6455_5_3(t *testing.T) {
	c := NewProtocol(client)
	keys := make(map[[4]byte]bool)
	var out []byte
	for range 64 {
		out, _ = c.AppendMessage(out, ws.OpBinary, []byte("same"))
	}
	for r := bytes.NewReader(out); r.Len() > 0; {
		f, err := ws.ReadFrame(r)
		require.NoError(t, err)
		keys[f.Header.Mask] = true
	}
	require.Greater(t, len(keys), 60)
}

// A mistake of the caller's appends nothing and leaves the connection usable.
func TestSendMistakes(t *testing.T) {
	long := make([]byte, 126)
	for _, tt := range []struct {
		name string
		do   func(c *Protocol, dst []byte) ([]byte, error)
		want error
	}{
		{"ping too long", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendPing(dst, long) }, ErrControlOverflow},
		{"pong too long", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendPong(dst, long) }, ErrControlOverflow},
		{"continuation without a start", func(c *Protocol, dst []byte) ([]byte, error) {
			return c.AppendFragment(dst, fin(ws.OpContinuation), nil)
		}, ErrNotSendable},
		{"reserved opcode", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendMessage(dst, 5, nil) }, ErrNotSendable},
		{"reserved bit", func(c *Protocol, dst []byte) ([]byte, error) {
			return c.AppendFragment(dst, ws.Header{Fin: true, Rsv: 4, OpCode: ws.OpText}, nil)
		}, ErrNotSendable},
		{"fragmented ping", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendFragment(dst, open(ws.OpPing), nil) }, ErrNotSendable},
		{"close frame as a message", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendMessage(dst, ws.OpClose, nil) }, ErrNotSendable},
		{"close code 1006", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendClose(dst, ws.StatusAbnormalClosure, "") }, ErrNotSendableCode},
		{"close code 999", func(c *Protocol, dst []byte) ([]byte, error) { return c.AppendClose(dst, 999, "") }, ErrNotSendableCode},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, cfg := range sides {
				c := NewProtocol(cfg)
				out, err := tt.do(c, []byte("dst"))
				require.ErrorIs(t, err, tt.want)
				require.Equal(t, "dst", string(out))
				var fault *ws.ProtocolError
				require.NotErrorAs(t, err, &fault, "it is not the peer's fault")
				require.Equal(t, NewProtocol(cfg), c, "as if nothing had been asked")
			}
		})
	}
}

func TestSendInsideMessage_RFC6455_5_4(t *testing.T) {
	c := NewProtocol(nil)
	out, err := c.AppendFragment(nil, open(ws.OpText), []byte("a"))
	require.NoError(t, err)
	for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
		_, err = c.AppendMessage(nil, op, nil)
		require.ErrorIs(t, err, ErrNotSendable)
	}
	_, err = c.AppendFragment(nil, fin(ws.OpBinary), nil)
	require.ErrorIs(t, err, ErrNotSendable)
	for _, op := range []ws.OpCode{ws.OpText, ws.OpContinuation, ws.OpText} {
		out, err = c.AppendFragment(out, open(op), nil)
		require.NoError(t, err, "a continuation may also be called one")
	}
	out, err = c.AppendFragment(out, fin(ws.OpText), []byte("b"))
	require.NoError(t, err)
	out, err = c.AppendMessage(out, ws.OpBinary, []byte("c"))
	require.NoError(t, err)
	require.Equal(t, []sent{{open(ws.OpText), "a"}, {open(0), ""}, {open(0), ""}, {open(0), ""}, {fin(0), "b"}, {fin(ws.OpBinary), "c"}}, wire(t, false, out))
}

func TestReply_RFC6455_5_5_3(t *testing.T) {
	for name, cfg := range sides {
		c := NewProtocol(cfg)
		for _, payload := range []string{"", "ping", strings.Repeat("p", 125)} {
			out := c.AppendReply([]byte{}, Event{OpCode: ws.OpPing, Payload: []byte(payload), part: whole})
			require.Equal(t, []sent{{fin(ws.OpPong), payload}}, withoutMasks(wire(t, c.state.ClientSide(), out)), name)
		}
		for _, op := range []ws.OpCode{ws.OpPong, ws.OpText, ws.OpBinary} {
			require.Empty(t, c.AppendReply(nil, Event{OpCode: op, part: whole}), "nothing answers this")
		}
	}
}

func TestSendAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	for name, cfg := range sides {
		c := NewProtocol(cfg)
		payload, dst := make([]byte, 1000), make([]byte, 0, 4096)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			out, _ := c.AppendMessage(dst, ws.OpText, payload)
			out, _ = c.AppendFragment(out, open(ws.OpBinary), payload)
			out, _ = c.AppendPing(out, payload[:10])
			out, _ = c.AppendFragment(out, fin(ws.OpBinary), payload)
			c.AppendReply(out, Event{OpCode: ws.OpPing, Payload: payload[:125]})
		}), name)
		closing := new(Protocol)
		require.Zero(t, testing.AllocsPerRun(100, func() {
			closing.Reset(cfg)
			closing.AppendClose(dst, ws.StatusGoingAway, "going away")
		}), name)
	}
}

// One goroutine may receive while another one sends.
func TestHalvesAreIndependent(t *testing.T) {
	c := NewProtocol(nil)
	var wg sync.WaitGroup
	wg.Go(func() {
		for range 100 {
			next.feed((*Protocol).NextMessage, t, c, join(toServer(open(ws.OpText), "a"), toServer(fin(ws.OpPing), "b"), toServer(fin(0), "c")), 9)
		}
		next.feed((*Protocol).NextMessage, t, c, toServer(fin(ws.OpClose), "\x03\xe9"))
	})
	wg.Go(func() {
		var dst []byte
		for range 100 {
			dst, _ = c.AppendMessage(dst[:0], ws.OpText, []byte("text"))
			dst, _ = c.AppendFragment(dst, open(ws.OpText), nil)
			dst, _ = c.AppendFragment(dst, fin(ws.OpText), nil)
		}
		c.AppendClose(dst, ws.StatusNormalClosure, "")
	})
	wg.Go(func() {
		for range 100 {
			c.Closing()
		}
	})
	wg.Wait()
	s := c.Closing()
	require.True(t, s.Done())
	require.Equal(t, ws.StatusNormalClosure, s.Sent)
	require.Equal(t, ws.StatusGoingAway, s.Received)
}

// Undo takes back the beginning of a message and nothing else.
func TestUndo(t *testing.T) {
	type step struct {
		op  ws.OpCode
		fin bool
	}
	text := step{ws.OpText, false}
	for name, tt := range map[string]struct {
		steps []step
		undo  bool
		open  bool // a message is open afterwards
	}{
		"nothing":               {nil, false, false},
		"first fragment":        {[]step{text}, true, false},
		"and a ping":            {[]step{text, {ws.OpPing, true}}, false, true},
		"second fragment":       {[]step{text, text}, false, true},
		"second, continuation":  {[]step{text, {ws.OpContinuation, false}}, false, true},
		"second and a ping":     {[]step{text, text, {ws.OpPing, true}}, false, true},
		"last fragment":         {[]step{text, {ws.OpText, true}}, false, false},
		"whole":                 {[]step{{ws.OpText, true}}, true, false},
		"first of another one":  {[]step{text, {ws.OpText, true}, {ws.OpBinary, false}}, true, false},
		"second of another one": {[]step{text, {ws.OpText, true}, {ws.OpBinary, false}, {ws.OpBinary, false}}, false, true},
	} {
		c := NewProtocol(nil)
		for _, s := range tt.steps {
			_, err := c.AppendFragment(nil, ws.Header{Fin: s.fin, OpCode: s.op}, []byte("x"))
			require.NoError(t, err, name)
		}
		require.Equal(t, tt.undo, c.Undo(), name)
		require.False(t, c.Undo(), "there is nothing more to take back")
		_, err := c.AppendFragment(nil, ws.Header{OpCode: ws.OpContinuation}, nil)
		require.Equal(t, tt.open, err == nil, name)
		_, err = c.AppendMessage(nil, ws.OpBinary, nil)
		require.Equal(t, tt.open, err != nil, name)
	}
}
