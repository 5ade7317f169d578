package wstest

import (
	"context"
	"errors"
	"net"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/asyncread"
	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/xconnect"
)

// h2Transport opens each stream on one connection of HTTP/2.
type h2Transport struct{ client *h2peer.Client }

func (t h2Transport) Connect(r *http.Request) (websocket.Stream, *http.Response, error) {
	var fields [][2]string
	for name, values := range r.Header {
		for _, v := range values {
			if !strings.HasPrefix(name, ":") && name != "Sec-Websocket-Version" {
				fields = append(fields, [2]string{strings.ToLower(name), v})
			}
		}
	}
	s, answer, err := t.client.Open200(r.URL.RequestURI(), fields...)
	if err != nil {
		return nil, nil, err
	}
	resp := &http.Response{StatusCode: 200, Header: make(http.Header)}
	for name, v := range answer {
		resp.Header.Set(name, v)
	}
	delete(resp.Header, ":status")
	h := &h2Stream{Stream: s}
	h.Init(s)
	return h, resp, nil
}

// h2Stream has the deadlines for reads that a case needs.
type h2Stream struct {
	asyncread.Reader
	*h2peer.Stream
}

func (s *h2Stream) Read(p []byte) (int, error)       { return s.Reader.Read(p) }
func (s *h2Stream) SetWriteDeadline(time.Time) error { return nil }
func (s *h2Stream) Close() error {
	s.CloseRead()
	return s.Stream.Close()
}

// Our server passes over HTTP/2 what it passes over HTTP/1.1.
func TestServerOverHTTP2_RFC8441(t *testing.T) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Protocols: &protocols, Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, &websocket.AcceptOptions{
			CompressionMode: websocket.CompressionContextTakeover,
			ConnOptions:     websocket.ConnOptions{ReadLimit: 1 << 20},
		})
		if err != nil {
			return
		}
		defer c.CloseNow()
		for m, err := range c.Messages(context.Background()) {
			if err != nil || c.Write(context.Background(), m.Type, m.Data) != nil {
				return
			}
		}
	})}
	xconnect.Configure(srv)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	go srv.Serve(l)
	defer srv.Close()
	conn, err := net.Dial("tcp", l.Addr().String())
	require.NoError(t, err)
	client, err := h2peer.Open(conn)
	require.NoError(t, err)
	defer client.Close()

	o := &Options{Transport: h2Transport{client}, MaxMessage: 1 << 20, RequireCompression: true}
	if race.Enabled { // where frames take a hundred times as long
		o.Filter, o.Timeout = "^(ping|pong|close|fragment|interleave|rsv|opcode)/", time.Minute
	}
	r, err := RunServer(t.Context(), "ws://server.example/", o)
	require.NoError(t, err)
	skipped := 0
	for _, result := range r.Agents[0].Results {
		switch result.Verdict {
		case Failed:
			t.Errorf("%s: %s", result.Case.ID, result.Detail)
		case Skipped:
			skipped++
			require.True(t, strings.HasPrefix(result.Case.ID, "request/") || strings.Contains(result.Detail, "larger"), "%s: %s", result.Case.ID, result.Detail)
		}
	}
	require.Less(t, skipped, 250)
}

func TestServeErrors(t *testing.T) {
	broken := errors.New("no port")
	_, err := RunClient(t.Context(), nil, &Options{Serve: func(http.Handler) (string, func(), error) { return "", nil, broken }})
	require.ErrorIs(t, err, broken)

	ctx, cancel := context.WithCancel(t.Context())
	stopped := false
	r, err := RunClient(ctx, nil, &Options{Filter: "^ping/payload/1$", Serve: func(h http.Handler) (string, func(), error) {
		w := httptest.NewRecorder()
		h.ServeHTTP(w, httptest.NewRequest("GET", "/case?n=1", nil))
		require.Equal(t, http.StatusMethodNotAllowed, w.Code)
		cancel()
		return "", func() { stopped = true }, nil
	}})
	require.ErrorIs(t, err, context.Canceled)
	require.Equal(t, Counts{Skipped: 1}, r.Agents[0].Counts)
	require.True(t, stopped)
}
