package wstest

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"
	"strings"
	"sync/atomic"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/asyncread"
	"github.com/wskit/wskit/internal/h2peer"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/ws"
)

// h2Transport opens each stream on one connection of HTTP/2.
type h2Transport struct{ client *h2peer.Client }

func (t h2Transport) Connect(r *http.Request) (websocket.Stream, *http.Response, error) {
	fields := [][2]string{
		{":method", r.Method}, {":protocol", r.Header[":protocol"][0]}, {":scheme", "http"},
		{":authority", r.Host}, {":path", r.URL.RequestURI()},
	}
	for name, values := range r.Header {
		for _, v := range values {
			if !strings.HasPrefix(name, ":") {
				fields = append(fields, [2]string{strings.ToLower(name), v})
			}
		}
	}
	s, err := t.client.Request(false, fields...)
	if err != nil {
		return nil, nil, err
	}
	answer, err := s.Answer()
	if err != nil {
		return nil, nil, err
	}
	resp := &http.Response{Header: make(http.Header), Body: struct {
		io.Reader
		io.Closer
	}{s, s}}
	for name, v := range answer {
		resp.Header.Set(name, v)
	}
	delete(resp.Header, ":status")
	if resp.StatusCode, err = strconv.Atoi(answer[":status"]); err != nil || resp.StatusCode != 200 {
		return nil, resp, err
	}
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

// The cases about streams find what is wrong with a server over HTTP/2.
func TestFaultyStreams(t *testing.T) {
	accept := func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err == nil {
			defer c.CloseNow()
			c.Read(context.Background())
		}
	}
	var requests atomic.Int32
	for name, tt := range map[string]struct {
		cases   string
		verdict Verdict
		handler http.HandlerFunc
	}{
		"none": {"^stream/", Strict, accept},
		"takes any protocol": {"^stream/protocol/", Failed, func(w http.ResponseWriter, r *http.Request) {
			r.Header[":protocol"] = []string{"websocket"}
			accept(w, r)
		}},
		"another status": {"^stream/protocol/", Tolerated, func(w http.ResponseWriter, r *http.Request) {
			if r.Header[":protocol"][0] != "websocket" {
				http.NotFound(w, r)
				return
			}
			accept(w, r)
		}},
		"reset for an answer": {"^stream/protocol/", Tolerated, func(w http.ResponseWriter, r *http.Request) {
			if r.Header[":protocol"][0] != "websocket" {
				panic(http.ErrAbortHandler)
			}
			accept(w, r)
		}},
		"answers a key": {"^stream/key/", Failed, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Key") == "" {
				accept(w, r)
				return
			}
			w.Header().Set("Sec-WebSocket-Accept", "s3pPLMBiTxaQ9kYGzzhZRbK+xOo=")
			w.WriteHeader(http.StatusOK)
		}},
		"refuses a key": {"^stream/key/", Failed, func(w http.ResponseWriter, r *http.Request) {
			if r.Header.Get("Sec-WebSocket-Key") != "" {
				http.Error(w, "no key", http.StatusBadRequest)
				return
			}
			accept(w, r)
		}},
		"keeps its direction": {"^stream/end/half-closed$", Failed, func(w http.ResponseWriter, r *http.Request) {
			w.WriteHeader(http.StatusOK)
			for {
				http.NewResponseController(w).Flush()
				f, err := ws.ReadFrame(r.Body)
				if err != nil || f.Header.OpCode == ws.OpClose {
					break
				}
				ws.WriteFrame(w, ws.NewPongFrame(ws.UnmaskFrame(f).Payload))
			}
			<-r.Context().Done()
		}},
		"does not come back": {"^stream/end/reset-", Failed, func(w http.ResponseWriter, r *http.Request) {
			if n := requests.Add(1); n > 1 && n%2 == 1 { // the first is the probe, and each case has two
				http.Error(w, "over", http.StatusServiceUnavailable)
				return
			}
			accept(w, r)
		}},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				requests.Store(0)
				r := askStreams(t, tt.handler, tt.cases)
				for _, result := range r.Agents[0].Results {
					require.Equal(t, tt.verdict, result.Verdict, "%s: %s", result.Case.ID, result.Detail)
				}
			})
		})
	}
}

// askStreams runs cases over HTTP/2 against a handler, one after the other.
func askStreams(t *testing.T, h http.HandlerFunc, cases string) *Report {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	srv := &http.Server{Protocols: &protocols, Handler: h}
	l := Listen(nil)
	served := make(chan struct{})
	go func() { defer close(served); srv.Serve(l) }()
	defer func() { srv.Close(); <-served; time.Sleep(time.Minute) }()
	conn, err := l.DialContext(t.Context(), "tcp", "")
	require.NoError(t, err)
	client, err := h2peer.Open(conn)
	require.NoError(t, err)
	defer client.Close()
	r, err := RunServer(t.Context(), "ws://server.example/", &Options{Filter: cases, Transport: h2Transport{client}, Parallel: 1})
	require.NoError(t, err)
	return r
}

// Cases about streams do not run over HTTP/1.1.
func TestStreamCasesNeedAStream(t *testing.T) {
	for _, o := range []*Options{{Filter: "^stream/"}, {Filter: "^stream/", Transport: h2Transport{}}} {
		cases, err := o.Cases(Server)
		require.NoError(t, err)
		require.Equal(t, o.Transport != nil, len(cases) > 0)
	}
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
