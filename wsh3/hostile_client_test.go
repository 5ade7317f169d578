package wsh3

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
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

const lostPeer = "the peer has gone without a close frame"

// echoes requires that a message comes back on a stream, and closes it.
func (s *peerStream) echoes() {
	s.t.Helper()
	s.data(hi)
	f, err := ws.ReadFrame(s)
	require.NoError(s.t, err)
	require.Equal(s.t, "hi", string(f.Payload))
	s.data(closing)
	f, err = ws.ReadFrame(s)
	require.NoError(s.t, err)
	require.Equal(s.t, ws.OpClose, f.Header.OpCode)
	s.quic.Close() // fails if the server has stopped it already
	_, err = io.ReadAll(s)
	require.NoError(s.t, err, "FIN and no reset")
}

// echoesAgain requires that the server serves another stream of the same connection.
func (p *peer) echoesAgain() {
	p.t.Helper()
	s := p.open(requestHead("/"))
	head, err := s.head()
	require.NoError(p.t, err)
	require.Equal(p.t, "200", head[":status"])
	s.echoes()
}

func echoAll(c *websocket.Conn, _ *http.Request) { echo(c) }

// What may be wrong with a request, and that the connection goes on.
func TestHostileRequests(t *testing.T) {
	accepted(t, echoAll, func(t *testing.T, n *lan) {
		client := n.connect(t)
		for _, tt := range []struct {
			name   string
			sent   []byte
			status string        // "" if the server resets the stream
			code   http3.ErrCode // of the reset
			text   string        // in the body
		}{
			{"RFC 8441 4, CONNECT without :protocol", appendHead(nil, ":method", "CONNECT", ":authority", "example.com"), "400", 0, "without :protocol"},
			{"RFC 9220 3, another :protocol", requestHead("/", ":protocol", "connect-udp"), "501", 0, "connect-udp"},
			{"RFC 8441 4, GET with :protocol", requestHead("/", ":method", "GET"), "", http3.ErrCodeMessageError, ""},
			{"GET", requestHead("/", ":method", "GET", ":protocol", "-"), "405", 0, "extended CONNECT"},
			{"POST", requestHead("/", ":method", "POST", ":protocol", "-"), "405", 0, "extended CONNECT"},
			{"RFC 8441 4, no :path", requestHead("/", ":path", "-"), "", http3.ErrCodeMessageError, ""},
			{"RFC 8441 4, no :scheme", requestHead("/", ":scheme", "-"), "", http3.ErrCodeMessageError, ""},
			{"no :authority", requestHead("/", ":authority", "-"), "", http3.ErrCodeMessageError, ""},
			{"no version", requestHead("/", "sec-websocket-version", "-"), "400", 0, "Version"},
			{"RFC 6455 4.4, another version", requestHead("/", "sec-websocket-version", "8"), "400", 0, "Version 13"},
			{"RFC 6455 10.2, another origin", requestHead("/", "origin", "https://evil.example"), "403", 0, "evil.example"},
			{"subprotocol that is no token", requestHead("/", "sec-websocket-protocol", "("), "400", 0, "Sec-WebSocket-Protocol"},
			{"a body", requestHead("/", "content-length", "5"), "400", 0, "body"},
			{"RFC 9114 4.2, upper case", requestHead("/", "X-Upper", "1"), "", http3.ErrCodeMessageError, ""},
			{"RFC 9114 4.2, Connection", requestHead("/", "connection", "upgrade"), "", http3.ErrCodeMessageError, ""},
			{"RFC 9114 4.2, Upgrade", requestHead("/", "upgrade", "websocket"), "", http3.ErrCodeMessageError, ""},
			{"line end in a field", requestHead("/", "x", "a\r\nb: c"), "", http3.ErrCodeMessageError, ""},
			{"head of more than 1 MB", requestHead("/", "x", strings.Repeat("x", 1<<20+1)), "431", 0, ""},
			{"head of 4 GB, declared", append(quicvarint.Append([]byte{frameHeaders}, 4<<30), "abc"...), "431", 0, ""},
			{"RFC 9204 6, no QPACK", appendFrame(nil, frameHeaders, bytes.Repeat([]byte{0xff}, 50)), "", http3.ErrCodeQPACKDecompressionFailed, ""},
		} {
			s := client.open(nil)
			s.quic.Write(tt.sent) // a server may refuse the rest of it
			head, err := s.head()
			if tt.status == "" {
				requireReset(t, err, tt.code)
			} else {
				require.NoError(t, err, tt.name)
				require.Equal(t, tt.status, head[":status"], tt.name)
				body, err := io.ReadAll(s)
				require.NoError(t, err, tt.name)
				require.Contains(t, string(body), tt.text, tt.name)
			}
			s.reset()
			client.echoesAgain()
		}
		client.quic.CloseWithError(noError, "")
	})
}

// What a server takes from a request, and what it leaves alone.
func TestRequestFields_RFC9220_3(t *testing.T) {
	for how, accept := range accepts {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				mux := http.NewServeMux()
				mux.HandleFunc("CONNECT /chat", func(w http.ResponseWriter, r *http.Request) { // only by the method
					http.SetCookie(w, &http.Cookie{Name: "seen", Value: r.Header.Get("Cookie")})
					c, err := accept(w, r, &websocket.AcceptOptions{OriginPatterns: []string{"friend.example"}, Subprotocols: []string{"chat"}})
					if err == nil {
						defer c.CloseNow()
						echo(c)
					}
				})
				_, end := n.serve(mux)
				defer end()
				client := n.connect(t)
				s := client.open(requestHead("/chat", "cookie", "a=1", "origin", "https://friend.example",
					"sec-websocket-protocol", "x, chat", "sec-websocket-key", "is not looked at"))
				head, err := s.head()
				require.NoError(t, err)
				delete(head, "date")
				require.Equal(t, map[string]string{":status": "200", "set-cookie": "seen=a=1", "sec-websocket-protocol": "chat"}, head)
				s.echoes()

				s = client.open(requestHead("/other"))
				head, err = s.head()
				require.NoError(t, err)
				require.Equal(t, "404", head[":status"])
				client.quic.CloseWithError(noError, "")
			})
		})
	}
}

// A request may come before the client's SETTINGS, or without any.
func TestRequestBeforeSettings_RFC9114_6_2_1(t *testing.T) {
	accepted(t, echoAll, func(t *testing.T, n *lan) {
		client := n.dial(t)
		client.echoesAgain()
		client.settings()
		client.echoesAgain()
		client.quic.CloseWithError(noError, "")
	})
}

// DATA frames are a stream of bytes: empty ones, cuts and unknown frames mean nothing.
func TestDataFrames_RFC9114_7_2_1(t *testing.T) {
	accepted(t, echoAll, func(t *testing.T, n *lan) {
		client := n.connect(t)
		s := client.open(requestHead("/"))
		_, err := s.head()
		require.NoError(t, err)
		text := strings.Repeat("x", 300)
		var sent []byte
		for i, b := range masked(ws.NewTextFrame([]byte(text))) {
			for range 1000 * (1 - min(i, 1)) {
				sent = appendFrame(sent, frameData, nil)
			}
			sent = appendFrame(sent, frameGrease, make([]byte, i))
			sent = appendFrame(sent, frameData, nil)
			sent = appendFrame(sent, frameData, []byte{b})
		}
		s.write(sent)
		f, err := ws.ReadFrame(s)
		require.NoError(t, err)
		require.Equal(t, text, string(f.Payload))
		s.echoes()
		client.quic.CloseWithError(noError, "")
	})
}

// How a stream ends that has carried a message, and what the server makes of it.
func TestHostileEnds_RFC9114_4_1(t *testing.T) {
	for name, tt := range map[string]struct {
		end  func(c *peer, s *peerStream)
		is   error         // the server's error, if it is a certain one
		code http3.ErrCode // of the connection, if that ends
	}{
		"FIN": {func(_ *peer, s *peerStream) { s.quic.Close() }, io.EOF, 0},
		"FIN within a frame": {func(_ *peer, s *peerStream) {
			s.data(hi[:3])
			s.quic.Close()
		}, io.ErrUnexpectedEOF, 0},
		"FIN within a DATA frame": {func(_ *peer, s *peerStream) {
			s.write(append(quicvarint.Append([]byte{frameData}, 1000), hi[:3]...))
			s.quic.Close()
		}, io.ErrUnexpectedEOF, 0},
		"FIN within the header of a DATA frame": {func(_ *peer, s *peerStream) {
			s.write([]byte{frameData, 0x80})
			s.quic.Close()
		}, nil, 0},
		"RESET_STREAM between messages": {func(_ *peer, s *peerStream) { s.quic.CancelWrite(cancelled) }, nil, 0},
		"RESET_STREAM within a message": {func(_ *peer, s *peerStream) {
			s.data(masked(ws.NewFrame(ws.OpText, false, []byte("a part"))))
			synctest.Wait()
			s.quic.CancelWrite(cancelled)
		}, nil, 0},
		"trailers": {func(_ *peer, s *peerStream) {
			s.write(appendHead(nil, "x", "y"))
			s.quic.Close()
		}, io.EOF, 0},
		"trailers of a megabyte": {func(_ *peer, s *peerStream) {
			s.quic.Write(appendHead(nil, "x", strings.Repeat("y", 1<<20+1)))
			s.quic.Close()
		}, nil, 0},
		"DATA after trailers": {func(_ *peer, s *peerStream) {
			s.write(appendHead(nil, "x", "y"))
			s.data(hi)
		}, nil, 0},
		"trailers twice": {func(_ *peer, s *peerStream) {
			s.write(appendHead(nil, "x", "y"))
			s.write(appendHead(nil, "x", "y"))
		}, nil, 0},
		"SETTINGS on the stream": {func(_ *peer, s *peerStream) {
			s.write(appendFrame(nil, frameSettings, nil))
		}, nil, http3.ErrCodeFrameUnexpected},
		"a frame of HTTP/2": {func(_ *peer, s *peerStream) {
			s.write(appendFrame(nil, 0x8, nil))
		}, nil, http3.ErrCodeFrameUnexpected},
		"the control stream ends": {func(c *peer, _ *peerStream) { c.control.Close() }, nil, http3.ErrCodeClosedCriticalStream},
		"SETTINGS twice": {func(c *peer, _ *peerStream) {
			c.control.Write(appendFrame(nil, frameSettings, nil))
		}, nil, http3.ErrCodeFrameUnexpected},
		"two control streams":        {func(c *peer, _ *peerStream) { c.settings() }, nil, http3.ErrCodeStreamCreationError},
		"DATA in place of a request": {func(c *peer, _ *peerStream) { c.open(nil).data(hi) }, nil, http3.ErrCodeFrameUnexpected},
		"the connection ends":        {func(c *peer, _ *peerStream) { c.quic.CloseWithError(noError, "") }, nil, http3.ErrCodeNoError},
		"the connection fails": {func(c *peer, _ *peerStream) {
			c.quic.CloseWithError(0x102, "broken")
		}, nil, http3.ErrCodeInternalError},
	} {
		t.Run(name, func(t *testing.T) {
			var ended chan error
			accepted(t, func(c *websocket.Conn, r *http.Request) {
				if r.URL.Path == "/" {
					echo(c)
					return
				}
				_, p, err := c.Read(background)
				if err != nil || string(p) != "hi" {
					panic(fmt.Sprint(p, err))
				}
				_, _, err = c.Read(background)
				ended <- err
			}, func(t *testing.T, n *lan) {
				ended = make(chan error, 1) // of the bubble
				c := n.connect(t)
				s := c.open(requestHead("/ends"))
				_, err := s.head()
				require.NoError(t, err)
				s.data(hi)
				synctest.Wait()
				tt.end(c, s)
				err = <-ended
				require.ErrorContains(t, err, lostPeer)
				require.EqualValues(t, -1, websocket.CloseStatus(err))
				require.True(t, tt.is == nil || errors.Is(err, tt.is), "%v", err)
				if tt.code != 0 {
					require.Equal(t, tt.code, c.end())
					return
				}
				s.reset()
				c.echoesAgain()
				c.quic.CloseWithError(noError, "")
			})
		})
	}
}

// A client that vanishes is given up after 30 s.
func TestClientVanishes(t *testing.T) {
	accepted(t, func(c *websocket.Conn, r *http.Request) {
		if r.URL.Path == "/writes" {
			for c.Write(background, websocket.MessageBinary, make([]byte, 10<<10)) == nil {
			}
			return
		}
		echo(c)
	}, func(t *testing.T, n *lan) {
		c := n.connect(t)
		for _, path := range []string{"/", "/writes"} {
			_, err := c.open(requestHead(path)).head()
			require.NoError(t, err)
		}
		synctest.Wait()
		n.cut.Store(true)
		c.quic.CloseWithError(noError, "") // which nobody hears of
	})
}

// A server that writes to a client that stops it, or does not read, is not stuck.
func TestStopSending_RFC9000_3_5(t *testing.T) {
	var wrote chan error
	accepted(t, func(c *websocket.Conn, _ *http.Request) {
		var err error
		for err == nil {
			err = c.Write(background, websocket.MessageBinary, make([]byte, 64<<10))
		}
		wrote <- err
	}, func(t *testing.T, n *lan) {
		wrote = make(chan error, 1) // of the bubble
		c := n.connect(t)
		s := c.open(requestHead("/"))
		_, err := s.head()
		require.NoError(t, err)
		time.Sleep(time.Minute) // the window is full
		select {
		case err := <-wrote:
			t.Fatal(err)
		default:
		}
		s.quic.CancelRead(cancelled)
		require.Error(t, <-wrote)
		s.quic.Close()
		c.quic.CloseWithError(noError, "")
	})
}

// A server that has closed stops the client with H3_NO_ERROR, so that the client keeps
// what the server sent last.
func TestStopsClientWithoutError_RFC9114_4_1(t *testing.T) {
	bubble(t, func(t *testing.T, n *lan) {
		_, end := n.serve(echoing(Accept, false, nil))
		defer end()
		c := n.connect(t)
		s := c.open(requestHead("/"))
		_, err := s.head()
		require.NoError(t, err)
		s.data(closing)
		_, err = ws.ReadFrame(s)
		require.NoError(t, err)
		_, err = io.ReadAll(s)
		require.NoError(t, err, "FIN")
		<-s.quic.Context().Done()
		requireReset(t, context.Cause(s.quic.Context()), http3.ErrCodeNoError)
		c.quic.CloseWithError(noError, "")
	})
}

// ways are how a peer ends a stream or a connection.
var ways = map[string]func(n *lan, c *peer, streams []*peerStream){
	"FIN": func(_ *lan, c *peer, streams []*peerStream) {
		for _, s := range streams {
			s.quic.Close()
		}
	},
	"reset": func(_ *lan, c *peer, streams []*peerStream) {
		for _, s := range streams {
			s.reset()
		}
	},
	"the connection ends": func(_ *lan, c *peer, _ []*peerStream) { c.quic.CloseWithError(noError, "") },
	"the peer vanishes":   func(n *lan, _ *peer, _ []*peerStream) { n.cut.Store(true) },
}

// A client that ends at any byte of a session, in any way, leaves nothing.
func TestClientEndsAtEveryByte(t *testing.T) {
	session := append(requestHead("/", "sec-websocket-extensions", "permessage-deflate"), appendFrame(nil, frameData, hi)...)
	session = appendFrame(session, frameData, masked(ws.NewPingFrame([]byte("ping"))))
	session = appendFrame(session, frameData, closing)
	require.Less(t, len(session), maxStreams)
	for name, end := range ways {
		t.Run(name, func(t *testing.T) {
			accepted(t, echoAll, func(t *testing.T, n *lan) {
				c := n.connect(t)
				var streams []*peerStream
				for sent := range len(session) + 1 {
					streams = append(streams, c.open(session[:sent]))
				}
				synctest.Wait()
				end(n, c, streams)
				synctest.Wait()
				if n.cut.Load() {
					time.Sleep(time.Minute)
				} else if c.quic.Context().Err() == nil {
					for _, s := range streams {
						s.quic.CancelRead(cancelled)
					}
					c.echoesAgain()
				}
				c.quic.CloseWithError(noError, "")
			})
		})
	}
}

// A WebSocket lasts longer than the server's IdleTimeout, which is for connections
// without requests.
func TestServerTimeouts(t *testing.T) {
	for how, accept := range accepts {
		t.Run(how, func(t *testing.T) {
			bubble(t, func(t *testing.T, n *lan) {
				s, end := n.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
					c, err := accept(w, r, nil)
					if err == nil {
						defer c.CloseNow()
						echo(c)
					}
				}))
				defer end()
				s.IdleTimeout = time.Second
				tr := n.transport(new(Transport))
				defer tr.Close()
				c, _, err := websocket.Dial(background, "wss://example.com/", &websocket.DialOptions{Transport: tr})
				require.NoError(t, err)
				for range 3 {
					time.Sleep(time.Hour)
					exchange(t, c, "still here")
				}
				require.NoError(t, c.Close(websocket.StatusNormalClosure, ""))
			})
		})
	}
}

// A handler of websocket.Accept that returns with its connection open ends the stream.
// Later use of the connection is an error, and other streams go on.
func TestHandlerReturnsEarly(t *testing.T) {
	bubble(t, func(t *testing.T, n *lan) {
		conns := make(chan *websocket.Conn, 1)
		_, end := n.serve(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			c, err := websocket.Accept(w, r, nil)
			if err != nil {
				panic(err)
			}
			if r.URL.Path == "/returns" {
				conns <- c
				return
			}
			defer c.CloseNow()
			echo(c)
		}))
		defer end()
		client := n.connect(t)
		s := client.open(requestHead("/returns"))
		_, err := s.head()
		require.NoError(t, err)
		c := <-conns
		_, err = io.ReadAll(s)
		require.NoError(t, err, "FIN")
		for range 3 {
			require.Error(t, c.Write(background, websocket.MessageText, []byte("too late")))
		}
		_, _, err = c.Read(background)
		require.Error(t, err)
		<-c.Done()
		require.NoError(t, c.CloseNow())
		client.echoesAgain()
		client.quic.CloseWithError(noError, "")
	})
}
