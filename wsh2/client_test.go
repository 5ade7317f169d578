package wsh2

import (
	"context"
	"errors"
	"io"
	"net"
	"net/http"
	"os"
	"strings"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"

	"github.com/wskit/wskit/websocket"
)

// bubble runs a test with a clock of its own, and fails if it leaves a
// goroutine.
func bubble(t *testing.T, tr *Transport, f func(t *testing.T, tr *Transport, next func() *script)) {
	synctest.Test(t, func(t *testing.T) {
		tr, next := scripted(t, tr)
		defer synctest.Wait()
		defer tr.Close()
		f(t, tr, next)
	})
}

func TestConnect_RFC8441_5(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.want("SETTINGS 0")
		synctest.Wait()
		require.Empty(t, withoutWindows(s), "no request before the server's SETTINGS")
		s.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
		head := s.want("HEADERS 1 CONNECT websocket http a.example /path?q ")
		require.Contains(t, head, " sec-websocket-version=13")
		for _, name := range []string{"key", "upgrade", "connection", "host"} {
			require.NotContains(t, head, name+"=")
		}
		s.answer(1, false, ":status", "103", "x", "early")
		s.answer(1, false, ":status", "200", "x-own", "1", "set-cookie", "a=1", "set-cookie", "b=2")
		require.NoError(t, o.wait().err)
		require.Equal(t, "200 OK", o.resp.Status)
		require.Equal(t, 2, o.resp.ProtoMajor)
		require.Equal(t, http.Header{"X-Own": {"1"}, "Set-Cookie": {"a=1", "b=2"}}, o.resp.Header)

		n, err := o.stream.Write([]byte("hello"))
		require.NoError(t, err)
		require.Equal(t, 5, n)
		s.want("DATA 1 5")
		s.data(1, false, "wor")
		s.data(1, false, "ld")
		require.Equal(t, "world", readFull(t, o.stream, 5))
		require.NoError(t, o.stream.CloseWrite())
		s.want("DATA 1 0 END")
		_, err = o.stream.Write([]byte("more"))
		require.ErrorContains(t, err, "after CloseWrite")
		s.data(1, true, "end")
		require.Equal(t, "end", readFull(t, o.stream, 3))
		_, err = o.stream.Read(make([]byte, 1))
		require.Equal(t, io.EOF, err)
		require.NoError(t, o.stream.Close())
		require.NoError(t, o.stream.Close())
		_, err = o.stream.Read(make([]byte, 1))
		require.ErrorIs(t, err, net.ErrClosed)
		require.Empty(t, withoutWindows(s), "both ends have ended: there is nothing to reset")
	})
}

// withoutWindows returns the frames that have arrived, but for those about
// windows.
func withoutWindows(s *script) (lines []string) {
	synctest.Wait()
	for {
		select {
		case line, ok := <-s.frames:
			if !ok {
				return lines
			}
			if !strings.HasPrefix(line, "WINDOW") && line != "SETTINGS 0 ACK" {
				lines = append(lines, line)
			}
		default:
			return lines
		}
	}
}

// What a server may say that opens no stream.
func TestConnectRefused(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(s *script)
		want  string
		none  bool // the error is ErrNoExtendedConnect
	}{
		{"SETTINGS without extended CONNECT", func(s *script) {
			s.want("SETTINGS 0")
			s.settings()
			s.want("GOAWAY NO_ERROR")
		}, "ENABLE_CONNECT_PROTOCOL", true},
		{"SETTINGS of another value", func(s *script) {
			s.want("SETTINGS 0")
			s.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 2})
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "ENABLE_CONNECT_PROTOCOL", false},
		{"HTTP/1", func(s *script) {
			s.want("SETTINGS 0")
			s.conn.Write([]byte("HTTP/1.1 400 Bad Request\r\n\r\n"))
		}, "answers in HTTP/1", true},
		{"another first frame", func(s *script) {
			s.want("SETTINGS 0")
			s.framer.WritePing(false, [8]byte{})
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "the first frame is PING", false},
		{"the end", func(s *script) {
			s.want("SETTINGS 0")
			synctest.Wait() // for a write that would fail first
			s.conn.Close()
		}, "unexpected EOF", false},
		{"noise", func(s *script) {
			s.want("SETTINGS 0")
			s.conn.Write([]byte(strings.Repeat("\xff", 100)))
			s.want("GOAWAY FRAME_SIZE_ERROR")
		}, "frame of more than 32832 bytes", false},
		{"1 then 0, RFC 8441, section 3", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 0})
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "is 0 after 1", false},
		{"reset", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteRSTStream(1, http2.ErrCodeInternal)
		}, "INTERNAL_ERROR", false},
		{"101, RFC 9113, section 8.6", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.answer(1, false, ":status", "101")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "status 101", false},
		{"no status", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.answer(1, false, "a", "b")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "status", false},
		{"bad status", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.answer(1, false, ":status", "20x")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, `status "20x"`, false},
		{"upper case in the name of a field", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.answer(1, false, ":status", "200", "X-Upper", "b")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "X-Upper", false},
		{"interim response ends the stream", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.answer(1, true, ":status", "103")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "interim", false},
		{"interim answers without end", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			for range maxInterim + 1 {
				s.answer(1, false, ":status", "103")
			}
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "too many interim responses", false},
		{"DATA before the answer", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.data(1, false, "x")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "DATA before the answer", false},
		{"large head", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			fields := []string{":status", "200"}
			for range 600 {
				fields = append(fields, "x", "")
			}
			s.answer(1, false, fields...)
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "exceeds 16384 bytes", false},
		{"endless CONTINUATION", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.encode(":status", "200")})
			for i := 0; i < 100 && s.framer.WriteContinuation(1, false, s.encode("x", strings.Repeat("&", 1000))) == nil; i++ {
			}
		}, "broken HTTP/2", false},
		{"CONTINUATION of another stream", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: s.encode(":status", "200")})
			s.framer.WriteContinuation(3, true, nil)
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "CONTINUATION", false},
		{"malformed HPACK", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteHeaders(http2.HeadersFrameParam{StreamID: 1, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
			s.want("GOAWAY COMPRESSION_ERROR")
		}, "COMPRESSION_ERROR", false},
		{"stream that is not open", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.data(3, false, "x")
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "stream 3, which is not open", false},
		{"PUSH_PROMISE", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WritePushPromise(http2.PushPromiseParam{StreamID: 1, PromiseID: 2, BlockFragment: nil, EndHeaders: true})
			s.want("GOAWAY PROTOCOL_ERROR")
		}, "PUSH_PROMISE", false},
		{"window of 0", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteWindowUpdate(1, 0)
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "PROTOCOL_ERROR", false},
		{"window of a stream that overflows", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteWindowUpdate(1, maxWindow)
			s.want("RST_STREAM 1 FLOW_CONTROL_ERROR")
		}, "overflows", false},
		{"window of the connection that overflows", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteWindowUpdate(0, maxWindow)
			s.want("GOAWAY FLOW_CONTROL_ERROR")
		}, "overflows", false},
		{"initial window that overflows", func(s *script) {
			s.settle()
			s.want("HEADERS 1")
			s.framer.WriteWindowUpdate(1, 1<<30)
			s.settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: maxWindow})
			s.want("GOAWAY FLOW_CONTROL_ERROR")
		}, "overflow", false},
		{"request larger than the server allows", func(s *script) {
			s.settle(http2.Setting{ID: http2.SettingMaxHeaderListSize, Val: 100})
		}, "exceeds the limit of the server, 100", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
				o := connect(t.Context(), tr)
				s := next()
				tt.serve(s)
				o.wait()
				require.ErrorContains(t, o.err, tt.want)
				require.Equal(t, tt.none, errors.Is(o.err, websocket.ErrNoExtendedConnect))
				require.Nil(t, o.stream)
				require.Nil(t, o.resp)
			})
		})
	}
}

func TestRefusalHasABody(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		ctx, cancel := context.WithCancel(t.Context())
		o := connect(ctx, tr)
		s := next()
		s.settle()
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "403")
		require.NoError(t, o.wait().err)
		require.Nil(t, o.stream)
		require.Equal(t, 403, o.resp.StatusCode)
		s.data(1, false, "not ")
		s.data(1, false, "you")
		require.Equal(t, "not you", readFull(t, o.resp.Body, 7))
		cancel()
		_, err := o.resp.Body.Read(make([]byte, 1))
		require.ErrorIs(t, err, context.Canceled, "the body ends with the context")
		s.want("RST_STREAM 1 CANCEL")
		require.NoError(t, o.resp.Body.Close())
	})
}

func TestContextEnds(t *testing.T) {
	cause := errors.New("cause")
	for _, stage := range []string{"SETTINGS", "answer", "place"} {
		t.Run("waiting for "+stage, func(t *testing.T) {
			bubble(t, &Transport{MaxConns: 1, MaxStreams: 1}, func(t *testing.T, tr *Transport, next func() *script) {
				ctx, cancel := context.WithCancelCause(t.Context())
				var o *opening
				switch stage {
				case "place":
					opened(t, tr, next)
					o = connect(ctx, tr)
					synctest.Wait()
					cancel(cause)
				default:
					o = connect(ctx, tr)
					s := next()
					if stage == "answer" {
						s.settle()
						s.want("HEADERS 1")
					}
					cancel(cause)
					if stage == "answer" {
						s.want("RST_STREAM 1 CANCEL")
					}
				}
				o.wait()
				require.ErrorIs(t, o.err, context.Canceled)
				require.ErrorIs(t, o.err, cause)
			})
		})
	}
}

// A context that ends after Connect has no say in the stream.
func TestContextBoundsOnlyConnect(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		ctx, cancel := context.WithCancel(t.Context())
		o := connect(ctx, tr)
		s := next()
		s.settle()
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, o.wait().err)
		cancel()
		synctest.Wait()
		s.data(1, false, "x")
		require.Equal(t, "x", readFull(t, o.stream, 1))
	})
}

func TestHandshakeTimeout(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		start := time.Now()
		o := connect(t.Context(), tr)
		next()
		o.wait()
		require.ErrorIs(t, o.err, context.DeadlineExceeded)
		require.ErrorContains(t, o.err, "no SETTINGS")
		require.Equal(t, 10*time.Second, time.Since(start))
	})
}

// How a stream ends: what arrived before can be read first.
func TestStreamEnds(t *testing.T) {
	for _, tt := range []struct {
		name  string
		serve func(s *script)
		want  string
		eof   bool
	}{
		{"END_STREAM", func(s *script) { s.data(1, true, "") }, "", true},
		{"trailers", func(s *script) { s.answer(1, true, "x", "y") }, "", true},
		{"END_STREAM and a reset without error", func(s *script) {
			s.data(1, true, "")
			s.framer.WriteRSTStream(1, http2.ErrCodeNo)
		}, "", true},
		{"reset", func(s *script) { s.framer.WriteRSTStream(1, http2.ErrCodeCancel) }, "reset the stream (CANCEL)", false},
		{"trailers without END_STREAM", func(s *script) {
			s.answer(1, false, "x", "y")
			s.want("RST_STREAM 1 PROTOCOL_ERROR")
		}, "second head", false},
		{"DATA after END_STREAM", func(s *script) {
			s.data(1, true, "")
			s.data(1, false, "x")
			s.want("RST_STREAM 1 STREAM_CLOSED")
		}, "", true},
		{"the end of the connection", func(s *script) { s.conn.Close() }, "closed the connection", false},
		{"data beyond the window", func(s *script) {
			for range 16 {
				s.data(1, false, strings.Repeat("x", 16<<10))
			}
			s.want("RST_STREAM 1 FLOW_CONTROL_ERROR")
		}, "beyond the window of the stream", false},
	} {
		t.Run(tt.name, func(t *testing.T) {
			bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
				stream, s := opened(t, tr, next)
				s.data(1, false, "before")
				tt.serve(s)
				require.Equal(t, "before", readFull(t, stream, 6))
				p, err := io.ReadAll(stream)
				if tt.name == "data beyond the window" {
					require.Len(t, p, 15*16<<10)
				} else {
					require.Empty(t, p)
				}
				if tt.eof {
					require.NoError(t, err)
				} else {
					require.ErrorContains(t, err, tt.want)
				}
				require.NoError(t, stream.Close())
			})
		})
	}
}

// Padding counts in the windows and comes back at once; empty frames change
// nothing.
func TestPaddedAndEmptyData_RFC9113_6_1(t *testing.T) {
	bubble(t, &Transport{StreamWindow: 1000}, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		for range 100 {
			s.data(1, false, "")
			require.NoError(t, s.framer.WriteDataPadded(1, false, []byte("a"), make([]byte, 200)))
			require.NoError(t, s.framer.WriteDataPadded(1, false, nil, make([]byte, 200)))
			require.Equal(t, "a", readFull(t, stream, 1))
		}
		synctest.Wait()
		returned := 0
		for len(s.frames) > 0 {
			var n int
			if line := <-s.frames; strings.HasPrefix(line, "WINDOW_UPDATE 1 +") {
				n = atoi(t, line[len("WINDOW_UPDATE 1 +"):])
			}
			returned += n
		}
		require.Greater(t, returned, 40000-1000, "of 40,300 bytes")
	})
}

func TestWindowReturnsAsTheProgramReads(t *testing.T) {
	bubble(t, &Transport{StreamWindow: 1000}, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		s.data(1, false, strings.Repeat("x", 1000))
		synctest.Wait()
		for len(s.frames) > 0 {
			require.NotContains(t, <-s.frames, "WINDOW_UPDATE 1 ", "nothing was read yet")
		}
		readFull(t, stream, 249)
		synctest.Wait()
		require.Empty(t, s.frames)
		readFull(t, stream, 1)
		s.want("WINDOW_UPDATE 1 +250")
		s.data(1, false, strings.Repeat("x", 250))
		s.data(1, false, "x")
		s.want("RST_STREAM 1 FLOW_CONTROL_ERROR")
	})
}

// One stream is not read. Another one continues, with more data than any
// window.
func TestUnreadStreamDoesNotStallSiblings(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		_, s := opened(t, tr, next)
		o := connect(t.Context(), tr)
		s.want("HEADERS 3")
		s.answer(3, false, ":status", "200")
		require.NoError(t, o.wait().err)
		for range 16 {
			s.data(1, false, strings.Repeat("u", 16<<10)[:16<<10])
		}
		total, window := 0, defaultStreamWindow
		conn := tr.connWindow() - 16*16<<10
		for total < 4*tr.connWindow() {
			chunk := min(16<<10, window, conn)
			s.data(3, false, strings.Repeat("r", chunk))
			total, window, conn = total+chunk, window-chunk, conn-chunk
			readFull(t, o.stream, chunk)
			synctest.Wait()
			for len(s.frames) > 0 {
				line := <-s.frames
				if n, ok := strings.CutPrefix(line, "WINDOW_UPDATE 3 +"); ok {
					window += atoi(t, n)
				} else if n, ok := strings.CutPrefix(line, "WINDOW_UPDATE 0 +"); ok {
					conn += atoi(t, n)
				}
			}
			require.Positive(t, window)
			require.Positive(t, conn)
		}
	})
}

func TestSendWindows_RFC9113_6_9(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, o.wait().err)
		wrote := make(chan error)
		go func() {
			_, err := o.stream.Write([]byte("0123456789"))
			wrote <- err
		}()
		s.want("DATA 1 3")
		require.NoError(t, s.framer.WriteWindowUpdate(1, 2))
		s.want("DATA 1 2")
		s.settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1}) // which makes it negative
		require.NoError(t, s.framer.WriteWindowUpdate(1, 2))
		synctest.Wait()
		require.Empty(t, withoutWindows(s))
		require.NoError(t, s.framer.WriteWindowUpdate(1, 1))
		s.want("DATA 1 1")
		s.settings(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 100})
		s.want("DATA 1 4")
		require.NoError(t, <-wrote)
	})
}

func TestWriteDeadline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 3})
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		require.NoError(t, o.wait().err)
		require.NoError(t, o.stream.SetWriteDeadline(time.Now().Add(time.Second)))
		n, err := o.stream.Write([]byte("0123456789"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.Equal(t, 3, n)
		_, err = o.stream.Write([]byte("3"))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, o.stream.SetWriteDeadline(time.Time{}))
		require.NoError(t, s.framer.WriteWindowUpdate(1, 100))
		_, err = o.stream.Write([]byte("3456789"))
		require.NoError(t, err, "and the stream is as usable as before")
		s.want("DATA 1 3")
		s.want("DATA 1 7")
	})
}

func TestReadDeadline(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		require.NoError(t, stream.SetReadDeadline(time.Now().Add(time.Second)))
		_, err := stream.Read(make([]byte, 1))
		require.ErrorIs(t, err, os.ErrDeadlineExceeded)
		require.NoError(t, stream.SetReadDeadline(time.Now().Add(time.Hour)))
		read := make(chan error)
		go func() {
			_, err := stream.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		require.NoError(t, stream.SetReadDeadline(time.Unix(1, 0)))
		require.ErrorIs(t, <-read, os.ErrDeadlineExceeded)
		require.NoError(t, stream.SetReadDeadline(time.Time{}))
		s.data(1, false, "x")
		require.Equal(t, "x", readFull(t, stream, 1))
		go func() {
			_, err := stream.Read(make([]byte, 1))
			read <- err
		}()
		synctest.Wait()
		require.NoError(t, stream.Close())
		require.ErrorIs(t, <-read, net.ErrClosed)
		require.ErrorIs(t, stream.SetReadDeadline(time.Now().Add(1)), net.ErrClosed)
		s.want("RST_STREAM 1 CANCEL")
	})
}

// A stream with much to send takes turns with one that has little, also where
// the server reads nothing for a while.
func TestStreamsTakeTurns(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		s := next()
		s.settle(http2.Setting{ID: http2.SettingInitialWindowSize, Val: 1 << 30})
		require.NoError(t, s.framer.WriteWindowUpdate(0, 1<<30))
		s.want("HEADERS 1")
		s.answer(1, false, ":status", "200")
		o.wait()
		p := connect(t.Context(), tr)
		s.want("HEADERS 3")
		s.answer(3, false, ":status", "200")
		p.wait()
		withoutWindows(s)
		s.slow.Store(true)
		defer close(s.turn)
		go o.stream.Write(make([]byte, 10<<20))
		synctest.Wait()
		go p.stream.Write([]byte("small"))
		synctest.Wait()
		for before := 0; ; before++ {
			s.turn <- struct{}{}
			if line := <-s.frames; line == "DATA 3 5" {
				break
			}
			require.Less(t, before, 20, "frames of the other stream")
		}
	})
}

func TestClose_RFC8441_5(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		s.data(1, true, "unread")
		synctest.Wait()
		require.NoError(t, stream.Close())
		s.want("DATA 1 0 END")
		require.Empty(t, withoutWindows(s), "the server has ended its direction: no reset")
	})
}

// Bytes that arrive on a closed stream are not a fault, and count for the
// window of the connection.
func TestDataAfterClose(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		stream, s := opened(t, tr, next)
		require.NoError(t, stream.Close())
		s.want("RST_STREAM 1 CANCEL")
		for range 16 {
			s.data(1, false, strings.Repeat("x", 16<<10))
		}
		s.want("WINDOW_UPDATE 0 +")
		s.answer(1, true, "late", "trailer")
		s.framer.WriteRSTStream(1, http2.ErrCodeNo)
		s.framer.WriteWindowUpdate(1, 1)
		s.framer.WritePing(false, [8]byte{})
		s.want("PING ack=true")
	})
}

func TestAnswersAreBounded(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		o := connect(t.Context(), tr)
		server := next()
		server.settle()
		server.want("HEADERS 1")
		server.stopReading()
		for range 100000 {
			if server.framer.WritePing(false, [8]byte{}) != nil {
				break
			}
		}
		o.wait()
		require.ErrorContains(t, o.err, "does not read them")
	})
}

func atoi(t *testing.T, s string) int {
	t.Helper()
	n := 0
	for _, c := range s {
		n = 10*n + int(c-'0')
	}
	return n
}

// A request that is larger than maxOut is not a flood of answers.
func TestLargeRequest(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		r := request(t.Context(), "ws://a.example/")
		large := strings.Repeat("x", 2*(maxOut+largestFrame+maxAnswers))
		r.Header.Set("X-Large", large)
		opened := make(chan error)
		go func() {
			_, _, err := tr.Connect(r)
			opened <- err
		}()
		s := next()
		s.want("SETTINGS 0")
		synctest.Wait()
		s.slow.Store(true) // after the frame that is being read, the ACK
		s.settings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
		for range 100 {
			s.framer.WritePing(false, [8]byte{})
		}
		synctest.Wait()
		s.slow.Store(false)
		close(s.turn)
		for line := ""; !strings.HasPrefix(line, "HEADERS 1"); {
			line = <-s.frames // answers may come first
			require.NotEmpty(t, line, "the connection has ended")
		}
		s.answer(1, false, ":status", "200")
		require.NoError(t, <-opened)
	})
}

// A server that does not offer extended CONNECT is not asked again for a while.
func TestNotOfferedIsRemembered(t *testing.T) {
	bubble(t, nil, func(t *testing.T, tr *Transport, next func() *script) {
		connect := func(u string, asked bool) {
			t.Helper()
			failed := make(chan error, 1)
			go func() {
				_, _, err := tr.Connect(request(t.Context(), u))
				failed <- err
			}()
			if asked {
				s := next()
				s.want("SETTINGS 0")
				s.settings()
			}
			require.ErrorIs(t, <-failed, websocket.ErrNoExtendedConnect)
		}
		connect("ws://a.example/", true)
		connect("ws://a.example/other", false)
		connect("ws://b.example/", true)
		time.Sleep(defaultNotOffered)
		connect("ws://a.example/", true)
		connect("ws://a.example/", false)
	})
	bubble(t, &Transport{NotOfferedTime: -1}, func(t *testing.T, tr *Transport, next func() *script) {
		for range 2 {
			o := connect(t.Context(), tr)
			s := next()
			s.want("SETTINGS 0")
			s.settings()
			require.ErrorIs(t, o.wait().err, websocket.ErrNoExtendedConnect)
		}
	})
}
