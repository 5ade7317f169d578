package wstest

import (
	"bufio"
	"bytes"
	"compress/flate"
	"context"
	"crypto/sha1"
	"encoding/base64"
	"errors"
	"fmt"
	"io"
	"net"
	"net/http"
	"runtime"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A victim is a server with at most one weakness.
type victim struct {
	patient   bool // waits forever for a handshake
	endless   bool // takes heads of any size
	trusting  bool // makes room for what a header declares
	hoarding  bool // keeps all fragments, in memory of their own
	queueing  bool // queues what it has to write
	inflating bool // inflates without a limit
	leaking   bool // forgets a goroutine where a connection breaks
	keeping   bool // keeps the buffers of connections that are gone
	hasty     bool // ends a connection that sends less than a header at once
	crashing  bool // ends with the first connection that breaks
	plain     bool // without compression
	storing   bool // stores every offer
	quoting   bool // quotes the fields of a request that it refuses
	awaiting  bool // waits for the body of a request that it refuses
	dawdling  bool // waits for the peer to end TCP before it does
	lingering bool // has a buffer for what it drops
}

func TestAttacksFindTheWeakness(t *testing.T) {
	for name, tt := range map[string]struct {
		victim
		attack string // that the server does not survive; the others it does
	}{
		"none":      {victim{}, ""},
		"patient":   {victim{patient: true}, "slow-loris"},
		"endless":   {victim{endless: true}, "endless-head"},
		"trusting":  {victim{trusting: true}, "declared-length"},
		"hoarding":  {victim{hoarding: true}, "fragment-flood"},
		"queueing":  {victim{queueing: true}, "never-read"},
		"inflating": {victim{inflating: true}, "bomb"},
		"leaking":   {victim{leaking: true}, "reset"},
		"keeping":   {victim{keeping: true}, "reset"},
		"hasty":     {victim{hasty: true}, "byte-per-packet"},
		"crashing":  {victim{crashing: true}, "reset"},
		"storing":   {victim{storing: true}, "offer-flood"},
		"quoting":   {victim{quoting: true}, "long-fields"},
		"awaiting":  {victim{awaiting: true}, "refused-body"},
		"dawdling":  {victim{dawdling: true}, "after-close"},
		"lingering": {victim{lingering: true}, "linger"},

		"inflating fragments": {victim{inflating: true}, "bomb-in-pieces"},
	} {
		t.Run(name, func(t *testing.T) {
			if race.Enabled && tt.attack != "" {
				t.Skip("measures memory, of which the race detector takes its own")
			}
			synctest.Test(t, func(t *testing.T) {
				l := Listen(nil)
				ctx, cancel := context.WithCancel(t.Context())
				done := tt.serve(ctx, l)
				defer func() { cancel(); l.Close(); <-done }()
				filter := "^" + tt.attack + "$"
				if tt.attack == "" {
					filter = ""
				}
				results, err := RunAttacks(t.Context(), "ws://victim.example/", &AttackOptions{
					Filter: filter, Connections: 4, Patience: 12 * time.Second, InProcess: true, Dial: l.DialContext,
				})
				require.NoError(t, err)
				require.NotEmpty(t, results)
				for _, r := range results {
					t.Logf("%s: %+v", r.Name, r)
					require.Equal(t, tt.attack != r.Name, r.Survived, r.Detail)
				}
			})
		})
	}
}

// A server without compression has not survived the attack on it: it was not
// made.
func TestAttackThatCannotBeMade(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		l := Listen(nil)
		ctx, cancel := context.WithCancel(t.Context())
		done := victim{plain: true}.serve(ctx, l)
		defer func() { cancel(); l.Close(); <-done }()
		results, err := RunAttacks(t.Context(), "ws://victim.example/", &AttackOptions{
			Filter: "^(bomb|byte-per-packet)$", Connections: 2, Dial: l.DialContext,
		})
		require.NoError(t, err)
		require.Len(t, results, 2)
		require.Equal(t, "the server does not agree to compression", results[0].Skipped)
		require.False(t, results[0].Survived)
		require.Empty(t, results[0].Detail)
		require.Empty(t, results[1].Skipped)
		require.True(t, results[1].Survived)
	})
}

// serve accepts connections until ctx ends or l is closed.
func (v victim) serve(ctx context.Context, l *Listener) (done chan struct{}) {
	done = make(chan struct{})
	var mu sync.Mutex
	var kept [][]byte
	go func() {
		defer close(done)
		defer func() { runtime.KeepAlive(&kept) }()
		for {
			c, err := l.Accept()
			if err != nil {
				return
			}
			go func() {
				stop := context.AfterFunc(ctx, func() { c.Close() })
				defer stop()
				defer c.Close()
				err := v.handle(ctx, c)
				if err != nil && v.keeping {
					mu.Lock()
					kept = append(kept, make([]byte, 128<<10))
					mu.Unlock()
				}
				if err != nil && (v.leaking || v.crashing) {
					if v.crashing {
						l.Close()
						return
					}
					<-ctx.Done()
				}
			}()
		}
	}()
	return done
}

// handle echoes until the connection ends. The error is that of a connection
// that breaks off.
func (v victim) handle(ctx context.Context, c net.Conn) error {
	if v.storing || v.quoting || v.awaiting {
		return v.careless(c)
	}
	compressed := false
	u := ws.Upgrader{
		Timeout: 5 * time.Second,
		Negotiate: func(o httphead.Option) (httphead.Option, error) {
			if v.plain {
				return httphead.Option{}, nil
			}
			compressed = true
			return httphead.NewOption(string(o.Name), nil), nil
		},
	}
	if v.patient {
		u.Timeout = -1
	}
	if v.endless {
		u.HeadLimits = httphead.Limits{MaxBytes: -1, MaxFields: -1}
	}
	if _, err := u.Upgrade(c); err != nil {
		return err
	}
	out := c.Write
	if v.queueing {
		out = queue(ctx, c)
	}
	if v.trusting || v.hoarding || v.hasty {
		return v.frames(c)
	}
	p := wsutil.NewProtocol(&wsutil.Config{State: ws.StateServerSide | map[bool]ws.State{true: ws.StateRSV1}[compressed], MaxMessage: 1 << 20})
	for buf := make([]byte, 16<<10); ; {
		n, err := c.Read(buf)
		if err != nil {
			return err
		}
		var reply []byte
		for in := buf[:n]; ; {
			ev, k, err := p.NextMessage(in)
			if errors.Is(err, io.ErrUnexpectedEOF) {
				break
			}
			if err != nil {
				reply, _ = p.AppendClose(reply, wsutil.CloseCode(err), "")
				out(reply)
				return nil
			}
			in = in[k:]
			if ev.OpCode.IsControl() {
				reply = p.AppendReply(reply, ev)
				if ev.OpCode == ws.OpClose {
					out(reply)
					return v.drain(c)
				}
				continue
			}
			payload := ev.Payload
			if ev.Rsv != 0 {
				if payload, err = v.inflate(payload); err != nil {
					return nil
				}
			}
			reply, _ = p.AppendMessage(reply, ev.OpCode, payload)
		}
		if _, err := out(reply); err != nil {
			return err
		}
	}
}

// drain waits for the peer to end TCP, 1 s at most.
func (v victim) drain(c net.Conn) error {
	buf := make([]byte, 1)
	if v.lingering {
		buf = make([]byte, 64<<10)
	}
	if !v.dawdling {
		c.(interface{ CloseWrite() error }).CloseWrite()
	}
	c.SetReadDeadline(time.Now().Add(time.Second))
	for {
		if _, err := c.Read(buf); err != nil {
			return nil
		}
	}
}

// careless does the handshake by hand, and then answers pings.
func (v victim) careless(c net.Conn) error {
	r, err := http.ReadRequest(bufio.NewReader(c))
	if err != nil {
		return err
	}
	var stored [][]byte
	defer func() { runtime.KeepAlive(stored) }()
	for _, field := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		for range strings.FieldsFuncSeq(r.Header.Get(field), func(r rune) bool { return r == ';' || r == ',' }) {
			if v.storing {
				stored = append(stored, make([]byte, 64))
			}
		}
	}
	key := r.Header.Get("Sec-WebSocket-Key")
	if len(key) != 24 || r.Header.Get("Origin") != "" {
		body := "refused"
		if v.quoting {
			body += ": " + fmt.Sprint(r.Header)
		}
		fmt.Fprintf(c, "HTTP/1.1 400 Bad Request\r\nConnection: close\r\nContent-Length: %d\r\n\r\n%s", len(body), body)
		if v.awaiting {
			io.Copy(io.Discard, r.Body)
		}
		return errors.New("refused")
	}
	accept := sha1.Sum([]byte(key + "258EAFA5-E914-47DA-95CA-C5AB0DC85B11"))
	fmt.Fprintf(c, "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: %s\r\n\r\n",
		base64.StdEncoding.EncodeToString(accept[:]))
	return v.frames(c)
}

func (v victim) inflate(p []byte) ([]byte, error) {
	r := io.Reader(flate.NewReader(io.MultiReader(bytes.NewReader(p), bytes.NewReader([]byte("\x00\x00\xff\xff\x01\x00\x00\xff\xff")))))
	if !v.inflating {
		r = io.LimitReader(r, 64<<10)
	}
	out, err := io.ReadAll(r)
	if len(out) == 64<<10 && !v.inflating {
		err = errors.New("too large")
	}
	return out, err
}

// queue returns a Write that never waits.
func queue(ctx context.Context, c net.Conn) func([]byte) (int, error) {
	more := make(chan []byte, 1<<20)
	go func() {
		for {
			select {
			case p := <-more:
				c.Write(p)
			case <-ctx.Done():
				return
			}
		}
	}()
	return func(p []byte) (int, error) {
		more <- p
		return len(p), nil
	}
}

// frames answers pings, a frame at a time.
func (v victim) frames(c net.Conn) error {
	src := io.Reader(c)
	if v.hasty {
		src = hasty{c}
	}
	var hoard [][]byte
	defer func() { runtime.KeepAlive(hoard) }()
	for {
		h, err := ws.ReadHeader(src)
		if err != nil {
			return err
		}
		payload, err := v.payload(src, h.Length)
		if err != nil {
			return err
		}
		ws.Cipher(payload, h.Mask, 0)
		switch {
		case h.OpCode == ws.OpPing:
			if err := ws.WriteFrame(c, ws.NewPongFrame(payload)); err != nil {
				return err
			}
		case h.OpCode == ws.OpClose:
			return nil
		case v.hoarding:
			hoard = append(hoard, payload)
		}
	}
}

func (v victim) payload(src io.Reader, n int64) ([]byte, error) {
	size := int64(64)
	if v.trusting {
		size = min(n, 64<<20)
	} else if n > 1<<20 {
		return nil, ws.ErrHeaderLengthUnexpected
	}
	b := bytes.NewBuffer(make([]byte, 0, size))
	_, err := io.CopyN(b, src, n)
	return b.Bytes(), err
}

// hasty takes the first byte for all that there is.
type hasty struct{ net.Conn }

func (h hasty) Read(p []byte) (int, error) {
	if n, err := h.Conn.Read(p); n == len(p) || err != nil {
		return n, err
	}
	return 0, io.ErrUnexpectedEOF
}
