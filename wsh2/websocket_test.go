package wsh2

import (
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/wskit/wskit/websocket"
)

// What becomes of a WebSocket, by the frames of HTTP/2 that carry it (RFC 8441,
// section 5).
func TestWebSocketOverFrames_RFC8441_5(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(s *script)
		read  string // the message that arrives, if any
		code  websocket.StatusCode
		want  string // in the error after it
	}{
		{"a header split over DATA frames", func(s *script) {
			for _, p := range []string{"\x81", "", "\x05He", "llo"} {
				s.data(1, false, p)
			}
			s.data(1, true, "\x88\x02\x03\xe8")
		}, "Hello", websocket.StatusNormalClosure, "StatusNormalClosure"},
		{"two messages in one padded DATA frame", func(s *script) {
			s.framer.WriteDataPadded(1, false, []byte("\x81\x05Hello\x88\x02\x03\xe9"), make([]byte, 100))
			s.data(1, true, "")
		}, "Hello", websocket.StatusGoingAway, "StatusGoingAway"},
		{"END_STREAM with the close frame", func(s *script) {
			s.data(1, true, "\x81\x05Hello\x88\x02\x03\xe8")
		}, "Hello", websocket.StatusNormalClosure, "StatusNormalClosure"},
		{"END_STREAM without a close frame", func(s *script) {
			s.data(1, true, "\x81\x05Hello")
		}, "Hello", -1, "without a close frame"},
		{"END_STREAM within a frame", func(s *script) {
			s.data(1, true, "\x81\x05Hel")
		}, "", -1, io.ErrUnexpectedEOF.Error()},
		{"trailers without a close frame", func(s *script) {
			s.answer(1, true, "x", "y")
		}, "", -1, "without a close frame"},
		{"RST_STREAM within a message", func(s *script) {
			s.data(1, false, "\x01\x03Hel")
			s.framer.WriteRSTStream(1, http2.ErrCodeCancel)
		}, "", -1, "reset the stream (CANCEL)"},
		{"a masked frame", func(s *script) {
			s.data(1, false, "\x81\x80\x00\x00\x00\x00")
			s.want("DATA 1")
			s.data(1, true, "")
		}, "", -1, "masked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
				dialed := make(chan *websocket.Conn)
				go func() {
					c, _, err := websocket.Dial(t.Context(), "ws://a.example/", &websocket.DialOptions{Transport: tr})
					if err != nil {
						t.Error(err)
					}
					dialed <- c
				}()
				s := next()
				s.settle()
				s.want("HEADERS 1")
				s.answer(1, false, ":status", "200")
				c := <-dialed
				require.NotNil(t, c)
				defer c.CloseNow()
				go tt.serve(s)
				if tt.read != "" {
					_, p, err := c.Read(t.Context())
					require.NoError(t, err)
					require.Equal(t, tt.read, string(p))
				}
				_, _, err := c.Read(t.Context())
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, tt.code, websocket.CloseStatus(err))
			})
		})
	}
}

// The closing handshake ends both directions with END_STREAM, and resets
// nothing.
func TestClosingHandshake_RFC8441_5(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		dialed := make(chan *websocket.Conn)
		go func() {
			c, _, _ := websocket.Dial(t.Context(), "ws://a.example/", &websocket.DialOptions{Transport: tr})
			dialed <- c
		}()
		s := next()
		s.settle()
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		c := <-dialed
		closed := make(chan error)
		go func() { closed <- c.Close(websocket.StatusNormalClosure, "") }()
		s.want("DATA 1 8")
		s.data(1, true, "\x88\x02\x03\xe8")
		require.NoError(t, <-closed)
		require.Equal(t, []string{"DATA 1 0 END"}, withoutWindows(s))
	})
}
