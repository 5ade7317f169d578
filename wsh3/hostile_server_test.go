package wsh3

import (
	"bytes"
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/quic-go/quic-go/http3"
	"github.com/quic-go/quic-go/quicvarint"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// offers are the SETTINGS of a server that takes extended CONNECT (RFC 9220, section 3).
var offers = []uint64{0x8, 1}

// dialing is a Dial that has not returned.
type dialing struct {
	conn *websocket.Conn
	resp *http.Response
	err  error
	done chan struct{}
}

func (d *dialing) wait() *dialing {
	<-d.done
	return d
}

func startDial(ctx context.Context, tr *Transport) *dialing {
	d := &dialing{done: make(chan struct{})}
	go func() {
		defer close(d.done)
		d.conn, d.resp, d.err = websocket.Dial(ctx, "wss://example.com/path?q", &websocket.DialOptions{Transport: tr})
	}()
	return d
}

// ok is the head of an answer that accepts.
func ok(fields ...string) []byte {
	return appendHead(nil, append([]string{":status", "200"}, fields...)...)
}

// dialed opens a WebSocket to a server that accepts, over c.
func (c *peer) dialed(tr *Transport) (*websocket.Conn, *peerStream) {
	c.t.Helper()
	d := startDial(c.t.Context(), tr)
	s, _ := c.request()
	s.write(ok())
	require.NoError(c.t, d.wait().err)
	return d.conn, s
}

// opened opens a WebSocket over the next connection to a server that accepts it.
func opened(t *testing.T, tr *Transport, accept func() *peer) (c *peer, conn *websocket.Conn, s *peerStream) {
	t.Helper()
	d := startDial(t.Context(), tr)
	c = accept()
	c.settings(offers...)
	s, _ = c.request()
	s.write(ok())
	require.NoError(t, d.wait().err)
	return c, d.conn, s
}

// serves opens a WebSocket over c, or over a new connection if c is over, and closes it.
func (c *peer) serves(tr *Transport, accept func() *peer) {
	c.t.Helper()
	synctest.Wait()
	if c.quic.Context().Err() != nil {
		c, conn, s := opened(c.t, tr, accept)
		c.says(conn, s)
		return
	}
	conn, s := c.dialed(tr)
	c.says(conn, s)
}

// says sends a message and a close frame.
func (c *peer) says(conn *websocket.Conn, s *peerStream) {
	c.t.Helper()
	s.data([]byte("\x81\x05Hello\x88\x02\x03\xe8"))
	s.quic.Close()
	_, p, err := conn.Read(c.t.Context())
	require.NoError(c.t, err)
	require.Equal(c.t, "Hello", string(p))
	_, _, err = conn.Read(c.t.Context())
	require.Equal(c.t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
	f, err := ws.ReadFrame(s)
	require.NoError(c.t, err)
	require.Equal(c.t, ws.OpClose, f.Header.OpCode)
	_, err = io.ReadAll(s)
	require.NoError(c.t, err, "FIN and no reset")
}

func TestRequest_RFC9220_3(t *testing.T) {
	bubble(t, func(t *testing.T, n *lan) {
		tr := n.transport(new(Transport))
		defer tr.Close()
		accept := n.listen(t, QUICConfig())
		d := startDial(t.Context(), tr)
		c := accept()
		synctest.Wait()
		ctx, cancel := context.WithTimeout(t.Context(), time.Second)
		defer cancel()
		_, err := c.quic.AcceptStream(ctx)
		require.ErrorIs(t, err, context.DeadlineExceeded, "no request before the server's SETTINGS")
		c.settings(offers...)
		s, head := c.request()
		require.Equal(t, map[string]string{
			":method": "CONNECT", ":protocol": "websocket", ":scheme": "https", ":authority": "example.com", ":path": "/path?q",
			"sec-websocket-version": "13", "user-agent": head["user-agent"],
		}, head)
		s.write(appendHead(nil, ":status", "103", "x", "early"))
		s.write(ok("x-own", "1", "set-cookie", "a=1"))
		require.NoError(t, d.wait().err)
		require.Equal(t, 3, d.resp.ProtoMajor)
		require.Equal(t, http.Header{"X-Own": {"1"}, "Set-Cookie": {"a=1"}}, d.resp.Header)
		c.says(d.conn, s)
	})
}

// What a server may say that opens no WebSocket. The next Dial does.
func TestHostileAnswers(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *peer, s *peerStream)
		want  string
	}{
		{"RESET_STREAM", func(_ *peer, s *peerStream) { s.reset() }, "H3_REQUEST_CANCELLED"},
		{"FIN", func(_ *peer, s *peerStream) { s.quic.Close() }, "EOF"},
		{"FIN within the head", func(_ *peer, s *peerStream) {
			s.write(ok()[:3])
			s.quic.Close()
		}, "EOF"},
		{"the end of the connection", func(c *peer, _ *peerStream) { c.quic.CloseWithError(noError, "") }, "H3_NO_ERROR"},
		{"a failure of the connection", func(c *peer, _ *peerStream) { c.quic.CloseWithError(0x102, "x") }, "H3_INTERNAL_ERROR"},
		{"RFC 9114 4.5, 101", func(_ *peer, s *peerStream) { s.write(appendHead(nil, ":status", "101")) }, "status 101"},
		{"interim answers without end", func(_ *peer, s *peerStream) {
			for range 7 {
				s.quic.Write(appendHead(nil, ":status", "103"))
			}
		}, "too many interim responses"},
		{"interim answer and FIN", func(_ *peer, s *peerStream) {
			s.write(appendHead(nil, ":status", "103"))
			s.quic.Close()
		}, "EOF"},
		{"no status", func(_ *peer, s *peerStream) { s.write(appendHead(nil, "x", "y")) }, ":status"},
		{"bad status", func(_ *peer, s *peerStream) { s.write(appendHead(nil, ":status", "20x")) }, "status"},
		{"two of them", func(_ *peer, s *peerStream) { s.write(appendHead(nil, ":status", "200", ":status", "200")) }, ":status"},
		{"a field of requests", func(_ *peer, s *peerStream) { s.write(ok(":path", "/")) }, ":path"},
		{"upper case", func(_ *peer, s *peerStream) { s.write(ok("X-Upper", "1")) }, "X-Upper"},
		{"line end in a field", func(_ *peer, s *peerStream) { s.write(ok("x", "a\r\nb: c")) }, "invalid"},
		{"large head", func(_ *peer, s *peerStream) { s.quic.Write(ok("x", strings.Repeat("x", 20<<10))) }, "too large"},
		{"many small fields", func(_ *peer, s *peerStream) {
			var fields []string
			for range 600 {
				fields = append(fields, "x", "")
			}
			s.quic.Write(ok(fields...))
		}, "too large"},
		{"head of 4 GB, declared", func(_ *peer, s *peerStream) {
			s.write(append(quicvarint.Append([]byte{frameHeaders}, 4<<30), "abc"...))
		}, "too large"},
		{"RFC 9204 6, no QPACK", func(_ *peer, s *peerStream) {
			s.write(appendFrame(nil, frameHeaders, bytes.Repeat([]byte{0xff}, 50)))
		}, "qpack"},
		{"DATA before the answer", func(_ *peer, s *peerStream) { s.data(hi) }, "HEADERS"},
		{"SETTINGS before the answer", func(_ *peer, s *peerStream) { s.write(appendFrame(nil, frameSettings, nil)) }, "HEADERS"},
		{"1 then 0, RFC 9220, section 3", func(c *peer, _ *peerStream) {
			c.control.Write(appendFrame(nil, frameSettings, []byte{0x8, 0}))
		}, "H3_FRAME_UNEXPECTED"},
		{"the control stream ends", func(c *peer, _ *peerStream) { c.control.Close() }, "H3_CLOSED_CRITICAL_STREAM"},
		{"a push", func(c *peer, _ *peerStream) {
			s, err := c.quic.OpenUniStream()
			require.NoError(c.t, err)
			s.Write([]byte{1, 0})
		}, "H3_ID_ERROR"},
		{"subprotocol that was not offered", func(_ *peer, s *peerStream) { s.write(ok("sec-websocket-protocol", "chat")) }, "Sec-WebSocket-Protocol"},
		{"extension that was not offered", func(_ *peer, s *peerStream) { s.write(ok("sec-websocket-extensions", "x")) }, "Sec-WebSocket-Extensions"},
		{"RFC 9110 9.3.6, Content-Length", func(_ *peer, s *peerStream) { s.write(ok("content-length", "0")) }, "Content-Length"},
		{"no answer for 10 s", func(_ *peer, s *peerStream) {}, "deadline"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				tr := n.transport(new(Transport))
				defer tr.Close()
				accept := n.listen(t, QUICConfig())
				ctx, cancel := context.WithTimeout(t.Context(), 10*time.Second)
				defer cancel()
				d := startDial(ctx, tr)
				c := accept()
				c.settings(offers...)
				s, _ := c.request()
				tt.serve(c, s)
				require.ErrorContains(t, d.wait().err, tt.want)
				require.Nil(t, d.conn)
				require.NotErrorIs(t, d.err, websocket.ErrNoExtendedConnect)
				s.reset()
				c.serves(tr, accept)
			})
		})
	}
}

// What a server may say instead of SETTINGS that offer extended CONNECT.
func TestHostileSettings_RFC9114_7_2_4(t *testing.T) {
	control := func(c *peer, p []byte) {
		s, err := c.quic.OpenUniStream()
		require.NoError(c.t, err)
		s.Write(p)
	}
	for _, tt := range []struct {
		name  string
		serve func(c *peer)
		want  string
		none  bool // the error is ErrNoExtendedConnect
	}{
		{"none", func(*peer) {}, "wait for SETTINGS", false},
		{"without the offer", func(c *peer) { c.settings() }, "", true},
		{"0", func(c *peer) { c.settings(0x8, 0) }, "", true},
		{"another value", func(c *peer) { c.settings(0x8, 2) }, "H3_FRAME_ERROR", false},
		{"twice in one", func(c *peer) { c.settings(0x8, 1, 0x8, 1) }, "H3_FRAME_ERROR", false},
		{"another frame", func(c *peer) { control(c, appendFrame([]byte{0}, frameGoAway, []byte{0})) }, "H3_MISSING_SETTINGS", false},
		{"too large", func(c *peer) { control(c, appendFrame([]byte{0}, frameSettings, make([]byte, 100<<10))) }, "H3_FRAME_ERROR", false},
		{"declared, and not sent", func(c *peer) { control(c, []byte{0, frameSettings, 2, 8}) }, "wait for SETTINGS", false},
		{"the end of the connection", func(c *peer) { c.quic.CloseWithError(noError, "") }, "H3_NO_ERROR", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				tr := n.transport(&Transport{DialTimeout: time.Second})
				defer tr.Close()
				accept := n.listen(t, QUICConfig())
				start := time.Now()
				d := startDial(t.Context(), tr)
				tt.serve(accept())
				require.ErrorContains(t, d.wait().err, tt.want)
				require.Equal(t, tt.none, errors.Is(d.err, websocket.ErrNoExtendedConnect))
				require.LessOrEqual(t, time.Since(start), time.Second)
				if !tt.none {
					c, conn, s := opened(t, tr, accept)
					c.says(conn, s)
				}
			})
		})
	}
}

// What becomes of a WebSocket, by the frames of HTTP/3 that carry it.
func TestWebSocketOverFrames_RFC9114_4_1(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(c *peer, s *peerStream)
		read  string // the message that arrives, if any
		code  websocket.StatusCode
		want  string // in the error after it
	}{
		{"a header split over DATA frames", func(_ *peer, s *peerStream) {
			for _, p := range []string{"\x81", "", "\x05He", "llo"} {
				s.data([]byte(p))
			}
			s.data([]byte("\x88\x02\x03\xe8"))
		}, "Hello", websocket.StatusNormalClosure, "StatusNormalClosure"},
		{"unknown and empty frames", func(_ *peer, s *peerStream) {
			for range 1000 {
				s.data(nil)
			}
			s.write(appendFrame(nil, frameGrease, make([]byte, 1000)))
			s.data([]byte("\x81\x05Hel"))
			s.write(appendFrame(nil, frameGrease, nil))
			s.data([]byte("lo\x88\x02\x03\xe9"))
		}, "Hello", websocket.StatusGoingAway, "StatusGoingAway"},
		{"FIN with the close frame", func(_ *peer, s *peerStream) {
			s.data([]byte("\x81\x05Hello\x88\x02\x03\xe8"))
			s.quic.Close()
		}, "Hello", websocket.StatusNormalClosure, "StatusNormalClosure"},
		{"FIN without a close frame", func(_ *peer, s *peerStream) {
			s.data([]byte("\x81\x05Hello"))
			s.quic.Close()
		}, "Hello", -1, lostPeer},
		{"FIN within a frame", func(_ *peer, s *peerStream) {
			s.data([]byte("\x81\x05Hel"))
			s.quic.Close()
		}, "", -1, io.ErrUnexpectedEOF.Error()},
		{"FIN within a DATA frame", func(_ *peer, s *peerStream) {
			s.write([]byte("\x00\x3f\x81\x05Hel"))
			s.quic.Close()
		}, "", -1, io.ErrUnexpectedEOF.Error()},
		{"trailers without a close frame", func(_ *peer, s *peerStream) {
			s.write(appendHead(nil, "x", "y"))
			s.quic.Close()
		}, "", -1, lostPeer},
		{"RESET_STREAM within a message", func(_ *peer, s *peerStream) {
			s.data([]byte("\x01\x03Hel"))
			synctest.Wait()
			s.quic.CancelWrite(cancelled)
		}, "", -1, "H3_REQUEST_CANCELLED"},
		{"the end of the connection", func(c *peer, _ *peerStream) { c.quic.CloseWithError(noError, "") }, "", -1, "H3_NO_ERROR"},
		{"SETTINGS on the stream", func(_ *peer, s *peerStream) { s.write(appendFrame(nil, frameSettings, nil)) }, "", -1, "unexpected frame"},
		{"a masked frame", func(_ *peer, s *peerStream) { s.data([]byte("\x81\x80\x00\x00\x00\x00")) }, "", -1, "masked"},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				tr := n.transport(new(Transport))
				defer tr.Close()
				accept := n.listen(t, QUICConfig())
				c, conn, s := opened(t, tr, accept)
				tt.serve(c, s)
				if tt.read != "" {
					_, p, err := conn.Read(t.Context())
					require.NoError(t, err)
					require.Equal(t, tt.read, string(p))
				}
				_, _, err := conn.Read(t.Context())
				require.ErrorContains(t, err, tt.want)
				require.Equal(t, tt.code, websocket.CloseStatus(err))
				conn.CloseNow()
				s.reset()
				c.serves(tr, accept)
			})
		})
	}
}

// A server that ends at any byte of a session, in any way, leaves nothing.
func TestServerEndsAtEveryByte(t *testing.T) {
	session := append(appendHead(nil, ":status", "103"), ok("x", "y")...)
	session = appendFrame(session, frameData, []byte("\x81\x05Hello\x89\x00"))
	session = appendFrame(session, frameData, []byte("\x88\x02\x03\xe8"))
	require.Less(t, len(session), maxStreams)
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				tr := n.transport(&Transport{IdleTimeout: time.Second})
				defer tr.Close()
				accept := n.listen(t, QUICConfig())
				var all []*dialing
				for range len(session) + 1 {
					all = append(all, startDial(t.Context(), tr))
				}
				c := accept()
				c.settings(offers...)
				var streams []*peerStream
				for sent := range len(session) + 1 {
					s, _ := c.request()
					s.write(session[:sent])
					streams = append(streams, s)
				}
				synctest.Wait()
				end(n, c, streams)
				var clean int
				for _, d := range all {
					if d.wait().err != nil {
						continue
					}
					for d.err == nil {
						_, _, d.err = d.conn.Read(t.Context())
					}
					if websocket.CloseStatus(d.err) == websocket.StatusNormalClosure {
						clean++
					}
					d.conn.CloseNow()
					<-d.conn.Done()
				}
				require.LessOrEqual(t, clean, 1)
				for _, s := range streams {
					s.reset()
				}
				time.Sleep(time.Minute)
				synctest.Wait()
				require.Empty(t, tr.all, "connections that are open")
				require.Empty(t, tr.conns)
			})
		})
	}
}

// A Dial ends with its context at each step, and with the Transport. What shares its
// connection goes on.
func TestDialEndsAtEachStep(t *testing.T) {
	cause := errors.New("cause")
	for _, step := range []string{"QUIC", "SETTINGS", "place", "answer"} {
		for _, how := range []string{"context", "Close"} {
			t.Run(step+", "+how, func(t *testing.T) {
				bubble(t, func(t *testing.T, n *lan) {
					tr := n.transport(new(Transport))
					defer tr.Close()
					var accept func() *peer
					config := QUICConfig()
					if step == "place" {
						config.MaxIncomingStreams = 1
					}
					if step != "QUIC" {
						accept = n.listen(t, config)
					}
					ctx, cancel := context.WithCancelCause(t.Context())
					defer cancel(nil)
					d := startDial(ctx, tr)
					var c *peer
					var s *peerStream
					if accept != nil {
						c = accept()
					}
					if step == "place" || step == "answer" {
						c.settings(offers...)
						s, _ = c.request()
					}
					if step == "place" {
						s.write(ok())
						require.NoError(t, d.wait().err)
						d = startDial(ctx, tr)
					}
					synctest.Wait()
					if how == "Close" {
						tr.Close()
						require.ErrorContains(t, d.wait().err, "")
						return
					}
					cancel(cause)
					require.ErrorIs(t, d.wait().err, cause)
					switch step {
					case "answer":
						_, err := io.ReadAll(s)
						requireReset(t, err, http3.ErrCodeRequestCanceled)
						c.serves(tr, accept)
					case "place":
						s.data([]byte("\x88\x02\x03\xe8"))
						s.quic.Close()
					}
				})
			})
		}
	}
}

// GOAWAY while a stream is open: it goes on, and new ones use another connection.
func TestGoAway_RFC9114_5_2(t *testing.T) {
	bubble(t, func(t *testing.T, n *lan) {
		tr := n.transport(new(Transport))
		defer tr.Close()
		accept := n.listen(t, QUICConfig())
		first, conn, s := opened(t, tr, accept)
		first.control.Write(appendFrame(nil, frameGoAway, []byte{4}))
		synctest.Wait()

		second, later, s2 := opened(t, tr, accept)
		require.NoError(t, conn.Write(t.Context(), websocket.MessageText, []byte("still")))
		f, err := ws.ReadFrame(s)
		require.NoError(t, err)
		require.Equal(t, "still", string(ws.UnmaskFrame(f).Payload))
		s.data([]byte("\x81\x04here\x88\x02\x03\xe8"))
		s.quic.Close()
		_, text, err := conn.Read(t.Context())
		require.NoError(t, err)
		require.Equal(t, "here", string(text))
		_, _, err = conn.Read(t.Context())
		require.Equal(t, websocket.StatusNormalClosure, websocket.CloseStatus(err))
		require.Equal(t, http3.ErrCodeNoError, first.end(), "the last stream has ended, and the connection with it")
		second.says(later, s2)
	})
}

// A server that stops a stream, or opens no window, does not leave a write stuck.
func TestWriteEnds(t *testing.T) {
	for name, end := range map[string]func(c *peer, s *peerStream, conn *websocket.Conn){
		"STOP_SENDING":   func(_ *peer, s *peerStream, _ *websocket.Conn) { s.quic.CancelRead(cancelled) },
		"the connection": func(c *peer, _ *peerStream, _ *websocket.Conn) { c.quic.CloseWithError(noError, "") },
		"CloseNow":       func(_ *peer, _ *peerStream, conn *websocket.Conn) { conn.CloseNow() },
		"Close":          func(_ *peer, _ *peerStream, conn *websocket.Conn) { go conn.Close(websocket.StatusNormalClosure, "") },
	} {
		t.Run(name, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				tr := n.transport(new(Transport))
				defer tr.Close()
				accept := n.listen(t, QUICConfig())
				c, conn, s := opened(t, tr, accept)
				wrote := make(chan error, 1)
				go func() {
					var err error
					for err == nil {
						err = conn.Write(background, websocket.MessageBinary, make([]byte, 64<<10))
					}
					wrote <- err
				}()
				synctest.Wait()
				end(c, s, conn)
				require.Error(t, <-wrote)
				conn.CloseNow()
				<-conn.Done()
				s.reset()
				c.serves(tr, accept)
			})
		})
	}
}

// A server that vanishes is given up after 30 s, in a read and in a write.
func TestServerVanishes(t *testing.T) {
	bubble(t, func(t *testing.T, n *lan) {
		tr := n.transport(new(Transport))
		defer tr.Close()
		accept := n.listen(t, QUICConfig())
		_, conn, _ := opened(t, tr, accept)
		synctest.Wait()
		n.cut.Store(true)
		start := time.Now()
		_, _, err := conn.Read(t.Context())
		var timeout net.Error
		require.ErrorAs(t, err, &timeout)
		require.True(t, timeout.Timeout())
		require.LessOrEqual(t, time.Since(start), time.Minute)
		require.Error(t, conn.Write(t.Context(), websocket.MessageText, nil))
	})
}
