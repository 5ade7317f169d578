package wsh2

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"strings"
	"sync/atomic"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// script is the server's end of one connection, which a test speaks for.
type script struct {
	t      *testing.T
	conn   net.Conn
	framer *http2.Framer
	fields *hpack.Encoder
	block  bytes.Buffer
	frames chan string // what has arrived, one line a frame
	deaf   atomic.Bool // reads no more
	slow   atomic.Bool // reads one frame for each turn
	turn   chan struct{}
}

// scripted returns a Transport and a function that returns the server's end of
// its next connection, after the preface.
func scripted(t *testing.T, tr *Transport) (*Transport, func() *script) {
	if tr == nil {
		tr = new(Transport)
	}
	conns := make(chan net.Conn, 100)
	tr.Cleartext = true
	tr.Dialer.NetDial = func(context.Context, string, string) (net.Conn, error) {
		client, server := net.Pipe()
		conns <- server
		return client, nil
	}
	return tr, func() *script {
		s := &script{t: t, conn: <-conns, frames: make(chan string, 10000), turn: make(chan struct{})}
		s.framer = http2.NewFramer(s.conn, s.conn)
		s.framer.AllowIllegalWrites = true
		s.framer.ReadMetaHeaders = hpack.NewDecoder(4096, nil)
		s.fields = hpack.NewEncoder(&s.block)
		preface := make([]byte, len(http2.ClientPreface))
		_, err := io.ReadFull(s.conn, preface)
		require.NoError(t, err)
		require.Equal(t, http2.ClientPreface, string(preface))
		go s.read()
		return s
	}
}

func (s *script) read() {
	defer close(s.frames)
	for !s.deaf.Load() {
		if s.slow.Load() {
			<-s.turn
		}
		f, err := s.framer.ReadFrame()
		if err != nil {
			return
		}
		h := f.Header()
		line := fmt.Sprintf("%v %d", h.Type, h.StreamID)
		switch f := f.(type) {
		case *http2.SettingsFrame:
			if f.IsAck() {
				line += " ACK"
			}
		case *http2.PingFrame:
			line = fmt.Sprintf("PING ack=%t", f.IsAck())
		case *http2.DataFrame:
			line += fmt.Sprintf(" %d", len(f.Data()))
			if f.StreamEnded() {
				line += " END"
			}
		case *http2.RSTStreamFrame:
			line += " " + f.ErrCode.String()
		case *http2.GoAwayFrame:
			line = "GOAWAY " + f.ErrCode.String()
		case *http2.WindowUpdateFrame:
			line += fmt.Sprintf(" +%d", f.Increment)
		case *http2.MetaHeadersFrame:
			line += " " + f.PseudoValue("method") + " " + f.PseudoValue("protocol") + " " +
				f.PseudoValue("scheme") + " " + f.PseudoValue("authority") + " " + f.PseudoValue("path")
			for _, field := range f.RegularFields() {
				line += " " + field.Name + "=" + field.Value
			}
		}
		s.frames <- line
	}
}

// want fails unless the next frame begins with line. Frames about windows of
// the connection and acknowledgments are passed over.
func (s *script) want(line string) string {
	s.t.Helper()
	for {
		got, ok := <-s.frames
		switch {
		case !ok:
			require.Equal(s.t, line, "the end of the connection")
			return ""
		case !strings.HasPrefix(line, "WINDOW") && strings.HasPrefix(got, "WINDOW"), got == "SETTINGS 0 ACK":
			continue
		}
		require.Truef(s.t, strings.HasPrefix(got, line), "want frame %q, got %q", line, got)
		return got
	}
}

// settle exchanges SETTINGS: the server's offer extended CONNECT.
func (s *script) settle(more ...http2.Setting) {
	s.t.Helper()
	s.want("SETTINGS 0")
	s.settings(append([]http2.Setting{{ID: http2.SettingEnableConnectProtocol, Val: 1}}, more...)...)
}

func (s *script) settings(settings ...http2.Setting) {
	s.t.Helper()
	require.NoError(s.t, s.framer.WriteSettings(settings...))
}

// answer sends the head of an answer.
func (s *script) answer(id uint32, end bool, fields ...string) {
	s.t.Helper()
	require.NoError(s.t, s.framer.WriteHeaders(http2.HeadersFrameParam{
		StreamID: id, BlockFragment: s.encode(fields...), EndHeaders: true, EndStream: end,
	}))
}

func (s *script) encode(fields ...string) []byte {
	s.block.Reset()
	for i := 0; i < len(fields); i += 2 {
		s.fields.WriteField(hpack.HeaderField{Name: fields[i], Value: fields[i+1]})
	}
	return s.block.Bytes()
}

func (s *script) data(id uint32, end bool, p string) {
	s.t.Helper()
	require.NoError(s.t, s.framer.WriteData(id, end, []byte(p)))
}

// opening is a pending Connect.
type opening struct {
	stream websocket.Stream
	resp   *http.Response
	err    error
	done   chan struct{}
}

func (o *opening) wait() *opening {
	<-o.done
	return o
}

// connect starts a Connect.
func connect(ctx context.Context, tr *Transport) *opening {
	o := &opening{done: make(chan struct{})}
	go func() {
		defer close(o.done)
		o.stream, o.resp, o.err = tr.Connect(request(ctx, "ws://a.example/path?q"))
	}()
	return o
}

func request(ctx context.Context, u string) *http.Request {
	r, _, err := ws.Dialer{}.NewRequest(ctx, u)
	if err != nil {
		panic(err)
	}
	r, err = ws.ExtendedConnect(r)
	if err != nil {
		panic(err)
	}
	return r
}

// opened returns a stream and the server's end of its connection.
func opened(t *testing.T, tr *Transport, next func() *script) (websocket.Stream, *script) {
	t.Helper()
	o := connect(t.Context(), tr)
	s := next()
	s.settle()
	s.want("HEADERS 1")
	s.answer(1, false, ":status", "200")
	require.NoError(t, o.wait().err)
	return o.stream, s
}

// readFull reads what arrives until n bytes are there.
func readFull(t *testing.T, r io.Reader, n int) string {
	t.Helper()
	p := make([]byte, n)
	_, err := io.ReadFull(r, p)
	require.NoError(t, err)
	return string(p)
}

// stopReading has the server read nothing more.
func (s *script) stopReading() { s.deaf.Store(true) }
