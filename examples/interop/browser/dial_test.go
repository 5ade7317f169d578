//go:build js

package browser

import (
	"bytes"
	"context"
	"crypto/rand"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/url"
	"os"
	"strconv"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// patience bounds all that a test waits for.
const patience = 20 * time.Second

// server is the URL of the server in package interop.
func server(path string) string { return os.Getenv("INTEROP_SERVER") + path }

func within(t *testing.T) context.Context {
	ctx, cancel := context.WithTimeout(t.Context(), patience)
	t.Cleanup(cancel)
	return ctx
}

func dial(t *testing.T, path string, opts *websocket.DialOptions) *websocket.Conn {
	t.Helper()
	c, resp, err := websocket.Dial(within(t), server(path), opts)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	t.Cleanup(func() { c.CloseNow() })
	return c
}

// seenEnd asks the server how the connection of this key has ended.
func seenEnd(t *testing.T, key string) string {
	t.Helper()
	_, p, err := dial(t, "/ended?key="+key, nil).Read(within(t))
	require.NoError(t, err)
	return string(p)
}

func TestEcho(t *testing.T) {
	c := dial(t, "/echo", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
	for _, n := range []int{0, 1, 125, 126, 65535, 65536, 1 << 20, 4 << 20} {
		for _, typ := range []websocket.MessageType{websocket.MessageText, websocket.MessageBinary} {
			sent := bytes.Repeat([]byte("0123456789abcdefghijklmnopqrstuv\x00"), n/33+1)[:n]
			require.NoError(t, c.Write(within(t), typ, sent))
			got, p, err := c.Read(within(t))
			require.NoError(t, err)
			require.Equal(t, typ, got)
			require.True(t, bytes.Equal(sent, p), "%d bytes", n)
		}
	}
	text := "a ä € 😀 \x00 \ufeff"
	require.NoError(t, c.Write(within(t), websocket.MessageText, []byte(text)))
	_, p, err := c.Read(within(t))
	require.NoError(t, err)
	require.Equal(t, text, string(p))
	all := make([]byte, 256)
	for i := range all {
		all[i] = byte(i)
	}
	require.NoError(t, c.Write(within(t), websocket.MessageBinary, all))
	_, p, err = c.Read(within(t))
	require.NoError(t, err)
	require.Equal(t, all, p)
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
}

// Messages come in their order, while others are written, and through the
// iterator.
func TestManyMessages(t *testing.T) {
	const n = 2000
	c := dial(t, "/echo", nil)
	written := make(chan error, 1)
	go func() {
		for i := range n {
			if err := c.Write(context.Background(), websocket.MessageText, []byte(strconv.Itoa(i))); err != nil {
				written <- err
				return
			}
		}
		written <- nil
	}()
	next := 0
	for m, err := range c.Messages(within(t)) {
		require.NoError(t, err)
		require.Equal(t, strconv.Itoa(next), string(m.Data))
		if next++; next == n {
			break
		}
	}
	require.NoError(t, <-written)
}

func TestWriter(t *testing.T) {
	c := dial(t, "/echo", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: -1}})
	w, err := c.Writer(within(t), websocket.MessageText)
	require.NoError(t, err)
	part := strings.Repeat("€", 30000)
	for range 3 {
		_, err := io.WriteString(w, part)
		require.NoError(t, err)
	}
	require.NoError(t, w.Close())
	_, r, err := c.Reader(within(t))
	require.NoError(t, err)
	p, err := io.ReadAll(r)
	require.NoError(t, err)
	require.Equal(t, part+part+part, string(p))
}

func TestSubprotocol(t *testing.T) {
	c, resp, err := websocket.Dial(within(t), server("/echo"), &websocket.DialOptions{Subprotocols: []string{"unknown", "chat"}})
	require.NoError(t, err)
	require.Equal(t, "chat", c.Subprotocol())
	require.Equal(t, "chat", resp.Header.Get("Sec-WebSocket-Protocol"))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Empty(t, dial(t, "/echo", nil).Subprotocol())
}

func TestClose(t *testing.T) {
	for i, tt := range []struct {
		code   websocket.StatusCode
		reason string
		want   string
	}{
		{websocket.StatusNormalClosure, "that is all", "StatusNormalClosure that is all"},
		{0, "", "StatusNoStatusRcvd "},
		{websocket.StatusGoingAway, "ä", "StatusCode(4001) ä"},
		{websocket.StatusInternalError, "", "StatusCode(4011) "},
		{3000, "", "StatusCode(3000) "},
		{4999, strings.Repeat("€", 50), "StatusCode(4999) " + strings.Repeat("€", 41)},
	} {
		key := fmt.Sprint("close", i)
		c := dial(t, "/echo?key="+key, nil)
		require.NoError(t, c.Close(tt.code, tt.reason))
		require.Equal(t, tt.want, seenEnd(t, key))
		_, _, err := c.Read(within(t))
		require.Contains(t, tt.want, websocket.CloseStatus(err).String())
		require.ErrorIs(t, c.Write(within(t), websocket.MessageText, nil), net.ErrClosed)
	}

	c := dial(t, "/echo?key=now", nil)
	require.NoError(t, c.CloseNow())
	require.Equal(t, "StatusNoStatusRcvd ", seenEnd(t, "now"))
}

func TestServerCloses(t *testing.T) {
	for _, want := range []websocket.CloseError{
		{Code: websocket.StatusNormalClosure, Reason: "that is all"}, {Code: websocket.StatusGoingAway},
		{Code: websocket.StatusServiceRestart, Reason: "ä"}, {Code: 3000}, {Code: 4999, Reason: "x"},
	} {
		c := dial(t, fmt.Sprintf("/close?code=%d&reason=%s", want.Code, url.QueryEscape(want.Reason)), nil)
		_, p, err := c.Read(within(t))
		require.NoError(t, err)
		require.Equal(t, "last", string(p))
		_, _, err = c.Read(within(t))
		require.ErrorIs(t, err, want)
		require.True(t, c.CloseRecord().PeerFirst)
		<-c.Done()
	}

	c := dial(t, "/drop", nil)
	_, _, err := c.Read(within(t))
	require.ErrorIs(t, err, io.EOF)
	require.NoError(t, within(t).Err())
}

func TestReadContext(t *testing.T) {
	c := dial(t, "/echo", nil)
	for range 3 {
		ctx, cancel := context.WithTimeout(t.Context(), 20*time.Millisecond)
		_, _, err := c.Read(ctx)
		cancel()
		require.ErrorIs(t, err, context.DeadlineExceeded)
		require.NoError(t, c.Write(within(t), websocket.MessageText, []byte("still here")))
		_, p, err := c.Read(within(t))
		require.NoError(t, err)
		require.Equal(t, "still here", string(p))
	}

	n := websocket.NetConn(within(t), c, websocket.MessageBinary)
	require.NoError(t, n.SetReadDeadline(time.Now().Add(20*time.Millisecond)))
	_, err := n.Read(make([]byte, 10))
	require.ErrorIs(t, err, os.ErrDeadlineExceeded)
	require.NoError(t, n.SetReadDeadline(time.Time{}))
	_, err = n.Write([]byte("and here"))
	require.NoError(t, err)
	p := make([]byte, 8)
	_, err = io.ReadFull(n, p)
	require.NoError(t, err)
	require.Equal(t, "and here", string(p))
}

// A server that does not read holds the writes up, and not the page's memory.
func TestBackPressure(t *testing.T) {
	c := dial(t, "/silent", nil)
	ctx, cancel := context.WithTimeout(t.Context(), 500*time.Millisecond)
	defer cancel()
	p := make([]byte, 256<<10)
	rand.Read(p) // or else it is compressed to nothing
	var err error
	written := 0
	for err == nil {
		if err = c.Write(ctx, websocket.MessageBinary, p); err == nil {
			written += len(p)
		}
		require.Less(t, written, 64<<20)
	}
	require.ErrorIs(t, err, context.DeadlineExceeded)
}

func TestReadLimit(t *testing.T) {
	c := dial(t, "/echo?key=limit", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{ReadLimit: 100}})
	require.NoError(t, c.Write(within(t), websocket.MessageText, make([]byte, 101)))
	_, _, err := c.Read(within(t))
	require.ErrorIs(t, err, websocket.ErrMessageTooBig)
	require.True(t, strings.HasPrefix(seenEnd(t, "limit"), "StatusCode(4009) "))
}

func TestDialFails(t *testing.T) {
	for _, u := range []string{"ws://127.0.0.1:1/", server("/refuse")} {
		_, _, err := websocket.Dial(within(t), u, nil)
		require.ErrorContains(t, err, "could not open the connection")
	}

	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := websocket.Dial(ctx, server("/hang"), nil)
	require.ErrorIs(t, err, context.DeadlineExceeded)

	_, _, err = websocket.Dial(within(t), server("/echo"), &websocket.DialOptions{Host: "example.com"})
	require.ErrorContains(t, err, "DialOptions.Host is not available in a browser")
	dial(t, "/echo", nil)
}

func TestPing(t *testing.T) {
	c := dial(t, "/echo", &websocket.DialOptions{ConnOptions: websocket.ConnOptions{KeepAlive: time.Millisecond}})
	ctx, cancel := context.WithTimeout(t.Context(), 50*time.Millisecond)
	defer cancel()
	_, _, err := c.Read(ctx)
	require.ErrorIs(t, err, context.DeadlineExceeded)
	require.NoError(t, c.Ping(within(t)))
	require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
	require.Error(t, c.Ping(within(t)))
}
