package wsutil

import (
	"bufio"
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
	"go.uber.org/goleak"
)

// serve returns a NetDial whose other end does what f does with the connection.
func serve(t *testing.T, f func(conn net.Conn)) func(context.Context, string, string) (net.Conn, error) {
	return func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		done := make(chan struct{})
		go func() {
			defer close(done)
			defer server.Close()
			f(server)
		}()
		t.Cleanup(func() {
			client.Close()
			<-done
		})
		return client, nil
	}
}

func TestDebugDialer(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	const refusal = "HTTP/1.1 404 Not Found\r\nContent-Length: 5\r\n\r\nno..."
	const interim = "HTTP/1.1 103 Early Hints\r\nLink: x\r\n\r\n"
	const chunked = "HTTP/1.1 404 Not Found\r\nTransfer-Encoding: chunked\r\n\r\n2\r\nno\r\n0\r\nX: y\r\n\r\n"
	const empty = "HTTP/1.1 404 Not Found\r\nContent-Length: 0\r\n\r\n"
	const short = "HTTP/1.1 404 Not Found\r\nContent-Length: 9\r\n\r\nno..."
	const toEnd = "HTTP/1.1 404 Not Found\r\n\r\nno..."
	refuse := func(text string) func(net.Conn, []byte) {
		return func(conn net.Conn, _ []byte) { io.WriteString(conn, text) }
	}
	for _, tt := range []struct {
		name    string
		answer  func(conn net.Conn, upgraded []byte)
		ok      bool
		behind  string
		refusal string
	}{
		{"upgrade", func(conn net.Conn, upgraded []byte) { conn.Write(upgraded) }, true, "", ""},
		{"frames behind", func(conn net.Conn, upgraded []byte) { conn.Write(append(upgraded, "\x81\x02Hi"...)) }, true, "\x81\x02Hi", ""},
		{"refusal", func(conn net.Conn, _ []byte) { io.WriteString(conn, refusal) }, false, "", refusal},
		{"bytes behind a refusal", refuse(refusal + "HTTP/1.1 200 OK\r\n\r\n"), false, "", refusal},
		{"bytes behind a chunked refusal", refuse(chunked + "behind"), false, "", chunked},
		{"bytes behind a refusal without a body", refuse(empty + "behind"), false, "", empty},
		{"bytes behind a refusal, interim answer first", refuse(interim + refusal + "behind"), false, "", interim + refusal},
		{"refusal cut short", refuse(short), false, "", short},
		{"refusal to the end", refuse(toEnd), false, "", toEnd},
		{"nothing", func(net.Conn, []byte) {}, false, "", ""},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var sent, answered, asked, told []byte
			var dialled net.Conn
			wrapped := 0
			d := DebugDialer{
				Dialer: ws.Dialer{
					WrapConn: func(conn net.Conn) net.Conn { wrapped++; dialled = conn; return conn },
					NetDial: serve(t, func(conn net.Conn) {
						var upgraded bytes.Buffer
						req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, (*sink)(&sent))))
						if err != nil {
							return
						}
						req.Body.Close()
						ws.Upgrade(struct {
							io.Reader
							io.Writer
						}{bytes.NewReader(sent), &upgraded})
						answered = bytes.Clone(upgraded.Bytes())
						tt.answer(conn, upgraded.Bytes())
					}),
				},
				OnRequest:  func(p []byte) { asked = p },
				OnResponse: func(p []byte) { told = p },
			}
			conn, br, _, err := d.Dial(t.Context(), "ws://example.com/path")
			require.Equal(t, tt.ok, err == nil, "%v", err)
			require.Equal(t, 1, wrapped)
			require.Equal(t, string(sent), string(asked))
			require.True(t, strings.HasPrefix(string(asked), "GET /path HTTP/1.1\r\n"))
			if !tt.ok {
				require.Equal(t, tt.refusal, string(told))
				return
			}
			require.Equal(t, string(answered), string(told))
			require.Equal(t, tt.behind != "", br != nil)
			behind := make([]byte, len(tt.behind))
			_, err = io.ReadFull(conn, behind)
			require.NoError(t, err)
			require.Equal(t, tt.behind, string(behind))
			for br != nil {
				wrapper, ok := conn.(interface{ NetConn() net.Conn })
				if !ok {
					break
				}
				conn = wrapper.NetConn()
			}
			require.Same(t, dialled, conn, "the connection itself")
			require.Equal(t, len(answered), len(told), "nothing is recorded afterwards")
		})
	}
}

// sink appends to a slice.
type sink []byte

func (s *sink) Write(p []byte) (int, error) {
	*s = append(*s, p...)
	return len(p), nil
}

func TestDebugDialerNoConnection(t *testing.T) {
	boom := errors.New("boom")
	d := DebugDialer{
		Dialer:     ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return nil, boom }},
		OnRequest:  func([]byte) { t.Error("a request") },
		OnResponse: func([]byte) { t.Error("an answer") },
	}
	_, _, _, err := d.Dial(t.Context(), "ws://example.com")
	require.ErrorIs(t, err, boom)
}

const handshakeRequest = "GET /path HTTP/1.1\r\nHost: example.com\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n\r\n"

func TestDebugUpgrader(t *testing.T) {
	for _, tt := range []struct {
		name, request string
		status        string
	}{
		{"upgrade", handshakeRequest, "101"},
		{"refused", strings.Replace(handshakeRequest, "13", "12", 1), "426"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			var asked, told []byte
			d := DebugUpgrader{OnRequest: func(p []byte) { asked = p }, OnResponse: func(p []byte) { told = p }}
			src := strings.NewReader(tt.request + "\x81\x80behind")
			p := &pipe{in: src}
			_, err := d.Upgrade(p)
			require.Equal(t, tt.status == "101", err == nil, "%v", err)
			require.Equal(t, p.out.String(), string(told))
			require.True(t, strings.HasPrefix(string(told), "HTTP/1.1 "+tt.status))
			if err == nil {
				require.Equal(t, tt.request, string(asked))
				require.Equal(t, len("\x81\x80behind"), src.Len())
			}
		})
	}
	d := DebugUpgrader{OnRequest: func([]byte) { t.Error("a request") }, OnResponse: func([]byte) { t.Error("an answer") }}
	_, err := d.Upgrade(newPipe(nil))
	require.Error(t, err)
}

// Timeout works through the recorder, on a connection that has deadlines.
func TestDebugUpgraderTimeout(t *testing.T) {
	client, server := net.Pipe()
	defer server.Close()
	go func() {
		io.WriteString(client, handshakeRequest)
		io.Copy(io.Discard, client)
	}()
	defer client.Close()
	asked := 0
	d := DebugUpgrader{Upgrader: ws.Upgrader{Timeout: time.Minute}, OnRequest: func([]byte) { asked++ }}
	_, err := d.Upgrade(server)
	require.NoError(t, err)
	require.Equal(t, 1, asked)
}

// Behind the handshake nothing is recorded: the connection would hold all that passes.
func TestDebugDialerStopsRecording(t *testing.T) {
	t.Cleanup(func() { goleak.VerifyNone(t) })
	d := DebugDialer{Dialer: ws.Dialer{NetDial: serve(t, func(conn net.Conn) {
		var sent, upgraded bytes.Buffer
		req, err := http.ReadRequest(bufio.NewReader(io.TeeReader(conn, &sent)))
		if err != nil {
			return
		}
		req.Body.Close()
		ws.Upgrade(struct {
			io.Reader
			io.Writer
		}{&sent, &upgraded})
		conn.Write(append(upgraded.Bytes(), "\x81\x02Hi"...)) // so that the recorder stays in between
		io.Copy(conn, conn)
	})}}
	conn, br, _, err := d.Dial(t.Context(), "ws://example.com/path")
	require.NoError(t, err)
	defer conn.Close()
	require.NotNil(t, br)
	var rec *recordedConn
	for c := conn; rec == nil; c = c.(interface{ NetConn() net.Conn }).NetConn() {
		rec, _ = c.(*recordedConn)
	}
	in, out := len(rec.in), len(rec.out)
	require.NotZero(t, in)
	require.NotZero(t, out)
	_, err = conn.Write([]byte("echo"))
	require.NoError(t, err)
	_, err = io.ReadFull(conn, make([]byte, len("\x81\x02Hiecho")))
	require.NoError(t, err)
	require.Len(t, rec.in, in)
	require.Len(t, rec.out, out)
}
