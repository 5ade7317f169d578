package websocket

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// fakeBrowser is a WebSocket object that keeps what it is told.
type fakeBrowser struct {
	*browserSocket
	url       string
	protocols []string
	echoes    bool // messages, and close frames

	mu       sync.Mutex
	held     int
	sent     []Message
	closes   []CloseError
	released bool
}

func (f *fakeBrowser) open(url string, protocols []string, s *browserSocket) (browserObject, error) {
	f.browserSocket, f.url, f.protocols = s, url, protocols
	s.opened()
	return f, nil
}

func (f *fakeBrowser) send(op ws.OpCode, p []byte) error {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.sent = append(f.sent, Message{MessageType(op), []byte(string(p))})
	if f.echoes {
		f.received(op, []byte(string(p)))
	}
	return nil
}

func (f *fakeBrowser) close(code ws.StatusCode, reason string) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.closes = append(f.closes, CloseError{StatusCode(code), reason})
	if f.echoes && !f.released {
		f.end(true, code, reason)
	}
}

func (f *fakeBrowser) buffered() int {
	f.mu.Lock()
	defer f.mu.Unlock()
	return f.held
}

func (f *fakeBrowser) hold(n int) {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.held = n
}

func (f *fakeBrowser) protocol() string {
	if len(f.protocols) > 0 {
		return f.protocols[0]
	}
	return ""
}

func (f *fakeBrowser) release() {
	f.mu.Lock()
	defer f.mu.Unlock()
	f.released = true
}

// inBrowser returns a connection through f.
func inBrowser(t *testing.T, f *fakeBrowser, opts DialOptions) *Conn {
	t.Helper()
	c, _, err := (&dialing{opts: &opts}).dialBrowser(t.Context(), "ws://example.com/", f.open)
	require.NoError(t, err)
	t.Cleanup(func() {
		c.CloseNow()
		require.True(t, f.released)
	})
	return c
}

func TestBrowserDial(t *testing.T) {
	f := &fakeBrowser{echoes: true}
	d := dialing{opts: &DialOptions{Subprotocols: []string{"a", "b"}, CompressionMode: CompressionContextTakeover}}
	c, resp, err := d.dialBrowser(t.Context(), "https://example.com:443/a%20b?c=d", f.open)
	require.NoError(t, err)
	require.Equal(t, "wss://example.com:443/a%20b?c=d", f.url)
	require.Equal(t, []string{"a", "b"}, f.protocols)
	require.Equal(t, "a", c.Subprotocol())
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, "a", resp.Header.Get("Sec-WebSocket-Protocol"))
	require.Equal(t, "example.com:443", resp.Request.URL.Host)
	require.NoError(t, resp.Body.Close())
	require.NoError(t, c.Close(StatusNormalClosure, ""))
}

// What a browser cannot do is refused, by name, before anything is opened.
func TestBrowserDialRefuses(t *testing.T) {
	group := new(Group)
	require.NoError(t, group.Shutdown(t.Context()))
	for _, tt := range []struct {
		url  string
		opts DialOptions
		want string
		is   error
	}{
		{"ws://h", DialOptions{HTTPClient: http.DefaultClient}, "DialOptions.HTTPClient", errors.ErrUnsupported},
		{"ws://h", DialOptions{HTTPHeader: http.Header{"A": {"b"}}}, "DialOptions.HTTPHeader", errors.ErrUnsupported},
		{"ws://h", DialOptions{Host: "x"}, "DialOptions.Host", errors.ErrUnsupported},
		{"ws://u:p@h", DialOptions{}, "user and password in the URL", errors.ErrUnsupported},
		{"ftp://h", DialOptions{}, `"ftp" is neither ws nor wss`, nil},
		{"ws://h/#a", DialOptions{}, "fragment", nil},
		{"/echo", DialOptions{}, "neither ws nor wss", nil},
		{"ws://h", DialOptions{Subprotocols: []string{"a", "a"}}, "is a duplicate", nil},
		{"ws://h", DialOptions{ConnOptions: ConnOptions{Group: group}}, "", ErrGroupClosed},
	} {
		f := new(fakeBrowser)
		_, _, err := (&dialing{opts: &tt.opts}).dialBrowser(t.Context(), tt.url, f.open)
		require.ErrorContains(t, err, tt.want)
		if tt.is != nil {
			require.ErrorIs(t, err, tt.is)
		}
		require.Nil(t, f.browserSocket)
		require.NotContains(t, err.Error(), "u:p")
	}
}

func TestBrowserDialFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		dial := func(ctx context.Context, f *fakeBrowser, then func()) error {
			_, _, err := (&dialing{opts: new(DialOptions)}).dialBrowser(ctx, "ws://h",
				func(url string, protocols []string, s *browserSocket) (browserObject, error) {
					f.browserSocket = s
					go then()
					return f, nil
				})
			require.True(t, f.released)
			return err
		}
		refused := new(fakeBrowser)
		require.ErrorIs(t, dial(t.Context(), refused, func() { refused.end(false, 1006, "") }), errBrowserRefused)
		require.Empty(t, refused.closes)

		ctx, cancel := context.WithCancelCause(t.Context())
		why := errors.New("enough")
		slow := new(fakeBrowser)
		err := dial(ctx, slow, func() { cancel(why) })
		require.ErrorIs(t, err, why)
		require.ErrorIs(t, err, context.Canceled)
		require.Len(t, slow.closes, 1)

		_, _, err = (&dialing{opts: new(DialOptions)}).dialBrowser(ctx, "ws://h", nil)
		require.ErrorIs(t, err, why)
		thrown := errors.New("SecurityError")
		_, _, err = (&dialing{opts: new(DialOptions)}).dialBrowser(t.Context(), "ws://h",
			func(string, []string, *browserSocket) (browserObject, error) { return nil, thrown })
		require.ErrorIs(t, err, thrown)
	})
}

func TestBrowserMessages(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeBrowser{echoes: true}
		c := inBrowser(t, f, DialOptions{ConnOptions: ConnOptions{ReadLimit: -1}})
		var want []Message
		for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20} {
			for _, typ := range []MessageType{MessageText, MessageBinary} {
				m := Message{typ, []byte(strings.Repeat("x", n))}
				want = append(want, m)
				require.NoError(t, c.Write(t.Context(), m.Type, m.Data))
				require.Equal(t, strings.Repeat("x", n), string(m.Data), "the program's memory")
			}
		}
		w, err := c.Writer(t.Context(), MessageText)
		require.NoError(t, err)
		for range 3 {
			_, err := io.WriteString(w, strings.Repeat("ü", 40000))
			require.NoError(t, err)
		}
		require.NoError(t, w.Close())
		want = append(want, Message{MessageText, []byte(strings.Repeat("ü", 120000))})
		require.Equal(t, want, f.sent)

		for m, err := range c.Messages(t.Context()) {
			require.NoError(t, err)
			require.Equal(t, want[0].Type, m.Type)
			require.Equal(t, string(want[0].Data), string(m.Data))
			if want = want[1:]; len(want) == 0 {
				break
			}
		}
	})
}

// What the program closes with is what a browser takes, and the peer's echo comes back.
func TestBrowserClose(t *testing.T) {
	for _, tt := range []struct{ code, sent StatusCode }{
		{StatusNormalClosure, 1000}, {0, StatusNoStatusRcvd}, {StatusNoStatusRcvd, StatusNoStatusRcvd},
		{StatusGoingAway, 4001}, {StatusMessageTooBig, 4009}, {StatusBadGateway, 4014},
		{3000, 3000}, {3999, 3999}, {4000, 4000}, {4999, 4999},
	} {
		synctest.Test(t, func(t *testing.T) {
			f := &fakeBrowser{echoes: true}
			c := inBrowser(t, f, DialOptions{})
			reason := strings.Repeat("ä", 100)
			if tt.sent == StatusNoStatusRcvd {
				reason = ""
			}
			require.NoError(t, c.Close(tt.code, reason))
			require.Equal(t, []CloseError{{tt.sent, reason[:min(len(reason), 122)]}}, f.closes)
			_, _, err := c.Read(t.Context())
			require.Equal(t, tt.sent, CloseStatus(err))
			require.True(t, c.CloseRecord().Clean)
			require.ErrorIs(t, c.Write(t.Context(), MessageText, nil), net.ErrClosed)
			require.ErrorIs(t, c.Ping(t.Context()), net.ErrClosed)
		})
	}
}

func TestBrowserPeerCloses(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, want := range []CloseError{{StatusNormalClosure, "bye"}, {StatusServiceRestart, ""}, {4321, "ä"}, {Code: StatusNoStatusRcvd}} {
			f := new(fakeBrowser)
			c := inBrowser(t, f, DialOptions{})
			f.received(ws.OpText, []byte("last"))
			f.end(true, ws.StatusCode(want.Code), want.Reason)
			_, p, err := c.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, "last", string(p))
			require.NoError(t, c.Ping(t.Context()), "nobody knows yet")
			_, _, err = c.Read(t.Context())
			require.ErrorIs(t, err, want)
			require.True(t, c.CloseRecord().PeerFirst)
			<-c.Done()
		}

		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{})
		f.end(false, 1006, "")
		require.ErrorIs(t, c.Write(t.Context(), MessageText, nil), net.ErrClosed)
		_, _, err := c.Read(t.Context())
		require.ErrorIs(t, err, io.EOF)
	})
}

// A peer that does not answer the close frame is not waited for longer than CloseTimeout.
func TestBrowserCloseTimeout(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{})
		start := time.Now()
		require.ErrorIs(t, c.Close(4000, "x"), os.ErrDeadlineExceeded)
		require.Equal(t, DefaultCloseTimeout, time.Since(start))
		require.Equal(t, []CloseError{{4000, "x"}, {StatusNoStatusRcvd, ""}}, f.closes)
	})
}

func TestBrowserReadContext(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{})
		for range 3 {
			ctx, cancel := context.WithTimeout(t.Context(), time.Second)
			_, _, err := c.Read(ctx)
			cancel()
			require.ErrorIs(t, err, context.DeadlineExceeded)
			f.received(ws.OpBinary, []byte{1, 2})
			_, p, err := c.Read(t.Context())
			require.NoError(t, err)
			require.Equal(t, []byte{1, 2}, p)
		}
	})
}

func TestBrowserDeadlines(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{})
		start := time.Now()
		require.NoError(t, f.SetReadDeadline(start.Add(time.Second)))
		_, err := f.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, f.SetReadDeadline(time.Time{}))
		require.Equal(t, time.Second, time.Since(start))

		n := NetConn(t.Context(), c, MessageBinary)
		require.Equal(t, "websocket/unknown-addr", n.RemoteAddr().String())
		require.NoError(t, n.SetDeadline(time.Now().Add(time.Second)))
		_, err = n.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		f.hold(maxBuffered + 1)
		_, err = n.Write([]byte("once"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		f.hold(0)
		require.NoError(t, n.SetDeadline(time.Time{}))
		_, err = n.Write([]byte("twice"))
		require.NoError(t, err)
		require.Equal(t, "twice", string(f.sent[len(f.sent)-1].Data))
	})
}

// Writes wait while the browser holds too much, as long as their context allows.
func TestBrowserBackPressure(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{})
		f.hold(maxBuffered + 1)
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		require.ErrorIs(t, c.Write(ctx, MessageText, []byte("never")), context.DeadlineExceeded)
		written := make(chan error)
		go func() { written <- c.Write(context.Background(), MessageText, []byte("later")) }()
		time.Sleep(time.Minute)
		require.Empty(t, f.sent)
		f.hold(maxBuffered)
		require.NoError(t, <-written)
		require.Equal(t, []Message{{MessageText, []byte("later")}}, f.sent)

		f.hold(maxBuffered + 1)
		go func() { written <- c.Write(context.Background(), MessageText, nil) }()
		synctest.Wait()
		f.end(false, 1006, "")
		require.ErrorIs(t, <-written, net.ErrClosed)

		f = new(fakeBrowser)
		c = inBrowser(t, f, DialOptions{ConnOptions: ConnOptions{WriteTimeout: time.Second}})
		f.hold(maxBuffered + 1)
		require.ErrorIs(t, c.Write(t.Context(), MessageText, nil), os.ErrDeadlineExceeded)
		<-c.Done()
	})
}

// Pings do nothing, also those of the keepalive, and answers to them are not waited for.
func TestBrowserPing(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := new(fakeBrowser)
		c := inBrowser(t, f, DialOptions{ConnOptions: ConnOptions{KeepAlive: time.Second}})
		require.NoError(t, c.Ping(t.Context()))
		require.Zero(t, c.Latency())
		c.CloseRead(t.Context())
		time.Sleep(time.Hour)
		require.NoError(t, c.Write(t.Context(), MessageText, nil))

		f = new(fakeBrowser)
		c = inBrowser(t, f, DialOptions{ConnOptions: ConnOptions{KeepAlive: time.Second, ReadIdleTimeout: time.Minute}})
		_, _, err := c.Read(t.Context())
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, StatusCode(4008), f.closes[0].Code)
	})
}

func TestBrowserReadLimit(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeBrowser{echoes: true}
		c := inBrowser(t, f, DialOptions{ConnOptions: ConnOptions{ReadLimit: 10}})
		f.received(ws.OpText, make([]byte, 11))
		_, _, err := c.Read(t.Context())
		require.ErrorIs(t, err, ErrMessageTooBig)
		require.Equal(t, StatusCode(4009), f.closes[0].Code)
	})
}

// The browser would send other text in its place.
func TestBrowserTextNotUTF8(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		f := &fakeBrowser{echoes: true}
		c := inBrowser(t, f, DialOptions{})
		err := c.Write(t.Context(), MessageText, []byte("a\xff"))
		require.ErrorContains(t, err, "not valid UTF-8")
		require.Empty(t, f.sent)
		_, _, err = c.Read(t.Context())
		require.Equal(t, StatusCode(4007), CloseStatus(err))
	})
}

// What waits to be read is bounded: the messages up to there can be read, and then the
// connection is over. A single message may be larger, and small ones count too.
func TestBrowserQueue(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		for _, tt := range []struct{ queue, size, held int }{
			{1000, 100, 6}, // 102 bytes, and overhead
			{1000, 0, 21},
			{1000, 5000, 1},
			{0, 1 << 20, 16},
		} {
			f := new(fakeBrowser)
			c := inBrowser(t, f, DialOptions{BrowserQueue: tt.queue, ConnOptions: ConnOptions{ReadLimit: -1}})
			for range tt.held + 5 {
				f.received(ws.OpBinary, make([]byte, tt.size))
			}
			require.Equal(t, []CloseError{{4008, "messages are not read"}}, f.closes)
			f.end(true, 4008, "") // which comes late
			for range tt.held {
				_, p, err := c.Read(t.Context())
				require.NoError(t, err)
				require.Len(t, p, tt.size)
			}
			_, _, err := c.Read(t.Context())
			require.ErrorIs(t, err, errBrowserQueue)
			require.ErrorIs(t, c.Write(t.Context(), MessageText, nil), net.ErrClosed)
			require.Zero(t, f.browserSocket.held)
		}
		for _, queue := range []int{-1, 1000} { // without a bound, and with a reader that keeps up
			f := new(fakeBrowser)
			c := inBrowser(t, f, DialOptions{BrowserQueue: queue})
			for range 100 {
				f.received(ws.OpBinary, make([]byte, 100))
				if queue > 0 {
					_, _, err := c.Read(t.Context())
					require.NoError(t, err)
				}
			}
			require.Empty(t, f.closes)
		}
	})
}
