package proxy

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
)

const (
	request = "GET /chat?a=b HTTP/1.1\r\nhost: front.example\r\nOrigin: http://o.example\r\nCookie: a=1; b=2\r\n" +
		"Upgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Version: 13\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\n" +
		"Sec-WebSocket-Protocol: x, y\r\nSec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n\r\n"
	switching = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nX-Own: 1\r\n" +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
)

// buffer is a bytes.Buffer for several goroutines.
type buffer struct {
	mu sync.Mutex
	b  bytes.Buffer
}

func (b *buffer) Write(p []byte) (int, error) {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.Write(p)
}

func (b *buffer) String() string {
	b.mu.Lock()
	defer b.mu.Unlock()
	return b.b.String()
}

// bench is a proxy between a client and a server that a test plays.
type bench struct {
	*proxy
	client, server net.Conn // the test's ends
	out, log       *buffer
	done           chan struct{}
	cancel         context.CancelCauseFunc
}

// newBench starts a proxy in memory. change, which may be nil, is called before that.
func newBench(t *testing.T, target string, change func(*proxy), rules ...string) *bench {
	b := &bench{out: new(buffer), log: new(buffer), done: make(chan struct{})}
	ctx, cancel := context.WithCancelCause(context.Background())
	b.cancel = cancel
	p := &proxy{options: &options{speed: 1, Flags: connect.Flags{Timeout: 10 * time.Second}}, stderr: b.log, fail: cancel}
	p.live = trace.NewLive(b.out, trace.LiveOptions{Width: 64})
	var err error
	p.rules, err = parseRules(rules)
	require.NoError(t, err)
	if target != "" {
		p.target, err = url.Parse(target)
		require.NoError(t, err)
		p.dialer = ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) {
			var back net.Conn
			back, b.server = wstest.Pipe(nil)
			return back, nil
		}}
	}
	if change != nil {
		change(p)
	}
	b.proxy = p
	var front net.Conn
	front, b.client = wstest.Pipe(nil)
	go func() {
		p.serve(ctx, front, p.number())
		close(b.done)
	}()
	return b
}

// open makes the handshake, and returns what the server has got of it.
func (b *bench) open(t *testing.T) (got string) {
	write(t, b.client, request)
	synctest.Wait()
	got = available(t, b.server)
	write(t, b.server, switching)
	synctest.Wait()
	require.Equal(t, switching, available(t, b.client))
	return got
}

func (b *bench) close() {
	b.client.Close()
	if b.server != nil {
		b.server.Close()
	}
	<-b.done
}

func write(t *testing.T, c net.Conn, s string) {
	_, err := io.WriteString(c, s)
	require.NoError(t, err)
}

// available reads all that has arrived.
func available(t *testing.T, c net.Conn) string {
	var all []byte
	p := make([]byte, 1<<16)
	c.SetReadDeadline(time.Now().Add(time.Nanosecond))
	defer c.SetReadDeadline(time.Time{})
	for {
		n, err := c.Read(p)
		all = append(all, p[:n]...)
		if err != nil {
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			return string(all)
		}
	}
}

func text(s string) string { return string(ws.AppendFrame(nil, ws.NewTextFrame([]byte(s)))) }
func masked(s string) string {
	f := ws.NewTextFrame([]byte(s))
	f.Header.Masked, f.Header.Mask = true, [4]byte{1, 2, 3, 4}
	f.Payload = bytes.Clone(f.Payload)
	ws.Cipher(f.Payload, f.Header.Mask, 0)
	return string(ws.AppendFrame(nil, f))
}

// The handshake passes as it is, but for the host and what flags say.
func TestRequest(t *testing.T) {
	host := strings.Replace(request, "host: front.example", "Host: back.example:81", 1)
	for name, c := range map[string]struct {
		target string
		change func(*proxy)
		want   string
	}{
		"path of the client": {"ws://back.example:81/", nil, host},
		"path of the target": {"ws://back.example:81/x?y", nil, strings.Replace(host, "/chat?a=b", "/x?y", 1)},
		"keep host":          {"ws://back.example:81/", func(p *proxy) { p.keepHost = true }, request},
		"no compression": {"ws://back.example:81/", func(p *proxy) { p.plain = true },
			strings.Replace(host, "Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits\r\n", "", 1)},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, c.target, c.change)
				defer b.close()
				require.Equal(t, c.want, b.open(t))
			})
		})
	}
}

// Frames pass byte by byte in both directions, whatever they are, and so does the end of
// a direction.
func TestBytes(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "ws://back.example/", nil)
		defer b.close()
		b.open(t)
		up := masked("hello") + "\x01\x83\x00\x00\x00\x00abc" + "\xff\xff no frame"
		down := text("world") + "\x89\x00\x81\x7e\x00\x01x"
		write(t, b.client, up)
		write(t, b.server, down)
		synctest.Wait()
		require.Equal(t, up, available(t, b.server))
		require.Equal(t, down, available(t, b.client))
		require.Contains(t, b.out.String(), `> text masked 01020304 5 "hello"`)
		require.Contains(t, b.out.String(), `< text 1 "x"  ! payload length is not in its shortest form`)

		b.client.(interface{ CloseWrite() error }).CloseWrite()
		_, err := b.server.Read(make([]byte, 1))
		require.ErrorIs(t, err, io.EOF)
		write(t, b.server, text("more"))
		synctest.Wait()
		require.Equal(t, text("more"), available(t, b.client))
		b.server.(interface{ CloseWrite() error }).CloseWrite()
		<-b.done
	})
}

// A request for a page passes, with its answer, and is the only one on its connection.
func TestPage(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "ws://back.example/", nil)
		defer b.close()
		write(t, b.client, "GET / HTTP/1.1\r\nHost: a\r\nConnection: keep-alive\r\n\r\n")
		synctest.Wait()
		require.Equal(t, "GET / HTTP/1.1\r\nHost: back.example\r\nConnection: close\r\n\r\n", available(t, b.server))
		write(t, b.server, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody")
		b.server.Close()
		got, err := io.ReadAll(b.client)
		require.NoError(t, err)
		require.Equal(t, "HTTP/1.1 103 Early Hints\r\nLink: a\r\n\r\nHTTP/1.1 200 OK\r\n\r\nbody", string(got))
		require.NotContains(t, b.out.String(), "not a frame")
	})
}

// What cannot be passed on is refused, and the reason is in the log.
func TestRefused(t *testing.T) {
	for name, c := range map[string]struct{ request, answer, status, log string }{
		"no HTTP":      {"\x16\x03\x01 hello\n\r\n\r\n", "", "HTTP/1.1 400 ", "invalid request"},
		"a body":       {"POST / HTTP/1.1\r\nHost: a\r\nContent-Length: 1\r\n\r\nx", "", "HTTP/1.1 400 ", "request with a body"},
		"a long head":  {"GET / HTTP/1.1\r\nA: " + strings.Repeat("a", 20_000), "", "", "the head is longer than 16384 bytes"},
		"nothing":      {"", "", "", "no request: the connection ended before the head"},
		"a part":       {"GET", "", "", "no request: the connection ended inside the head"},
		"no answer":    {request, "", "HTTP/1.1 502 ", "no response from the server: the connection ended before the head"},
		"bad answer":   {request, "220 ready\r\n\r\n", "HTTP/1.1 502 ", "invalid response from the server"},
		"other answer": {request, "HTTP/1.1 404 Not Found\r\n\r\nno", "HTTP/1.1 404 Not Found\r\n\r\nno", ""},
	} {
		t.Run(name, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "ws://back.example/", nil)
				defer b.close()
				go io.WriteString(b.client, c.request)
				synctest.Wait()
				b.client.(interface{ CloseWrite() error }).CloseWrite()
				synctest.Wait()
				if b.server != nil {
					io.WriteString(b.server, c.answer)
					b.server.Close()
				}
				got, _ := io.ReadAll(b.client)
				require.Truef(t, strings.HasPrefix(string(got), c.status), "%q", got)
				<-b.done
				require.Contains(t, b.log.String(), c.log)
			})
		})
	}
	t.Run("silence", func(t *testing.T) {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, "ws://back.example/", nil)
			<-b.done
			require.Contains(t, b.log.String(), "no request: timed out: give a longer --timeout")
			b.close()
		})
	})
}

// A side that does not read blocks the other: only the buffers of the pipes and
// of the proxy are in flight. The end of the context ends both.
func TestBackpressure(t *testing.T) {
	for _, rules := range [][]string{nil, {"any text nothing drop"}} {
		synctest.Test(t, func(t *testing.T) {
			b := newBench(t, "ws://back.example/", nil, rules...)
			b.open(t)
			total := make(chan int)
			go func() {
				n, frame := 0, []byte(text(strings.Repeat("x", 1000)))
				for {
					m, err := b.server.Write(frame)
					if n += m; err != nil {
						total <- n
						return
					}
				}
			}()
			synctest.Wait()
			b.cancel(errors.New("enough"))
			<-b.done
			require.Less(t, <-total, 2*64<<10+2*32<<10+2000)
			b.close()
		})
	}
}

func TestRules(t *testing.T) {
	long := text(strings.Repeat("x", 3<<20))
	for _, c := range []struct {
		rule     string
		in, want string
		after    time.Duration // when the last byte of want has come
		ends     bool
	}{
		{"server text *pass*word* delay 200ms", text("a") + text("my password"), text("a") + text("my password"), 200 * time.Millisecond, false},
		{"any text b drop", text("a") + text("b") + text("c"), text("a") + text("c"), 0, false},
		{"any text /2 drop", text("a") + text("b") + text("c") + text("d"), text("a") + text("c"), 0, false},
		{"any text #2 drop", text("a") + text("b") + text("c") + text("d"), text("a") + text("c") + text("d"), 0, false},
		{"any text '' drop", text("") + text("a"), text("a"), 0, false},
		{"client text drop", text("a"), text("a"), 0, false},
		{"server control drop", "\x89\x00" + text("a") + "\x8a\x00", text("a"), 0, false},
		{"server data drop", "\x89\x00" + text("a") + "\x82\x00", "\x89\x00", 0, false},
		{"server ping duplicate", "\x89\x01a" + text("a"), "\x89\x01a\x89\x01a" + text("a"), 0, false},
		{"server text corrupt", text("abc"), "\x81\x03\x9ebc", 0, false},
		{"server text corrupt 2", text("ab") + text("abc"), text("ab") + "\x81\x03ab\x9c", 0, false},
		{"server text throttle 1k", text("a") + "\x82\x7e\x01\xf4" + strings.Repeat("x", 500), text("a") + "\x82\x7e\x01\xf4" + strings.Repeat("x", 500), 3 * time.Millisecond, false},
		{"server any throttle 100", text(strings.Repeat("x", 98)), text(strings.Repeat("x", 98)), time.Second, false},
		{"server text b* cut 3", text("a") + text("bcd"), text("a") + "\x81\x03b", 0, true},
		{"server stream cut 4", text("a") + text("b"), text("a") + "\x81", 0, true},
		{"server stream stall 4", text("a") + text("b"), text("a") + "\x81", 0, false},
		{"server text b stall 0", text("a") + text("b") + text("c"), text("a"), 0, false},
		{"server text *x drop", long + text("a"), text("a"), 0, false},
		{"server text *x duplicate", long + text("a"), long + text("a"), 0, false},
		{"server binary drop", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", "\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff\xff", 0, false},
	} {
		t.Run(c.rule, func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				b := newBench(t, "ws://back.example/", nil, c.rule)
				defer b.close()
				b.open(t)
				go func() {
					for p := c.in; len(p) > 0; { // in pieces that cut frames
						n := min(len(p), 3+len(c.in)/1000)
						if _, err := io.WriteString(b.server, p[:n]); err != nil {
							return
						}
						p = p[n:]
					}
				}()
				began := time.Now()
				got := make([]byte, len(c.want))
				_, err := io.ReadFull(b.client, got)
				require.NoError(t, err)
				require.True(t, c.want == string(got), "%.100q", got)
				require.Less(t, time.Since(began)-c.after, 60*time.Millisecond)
				require.GreaterOrEqual(t, time.Since(began), c.after-50*time.Millisecond)
				if c.ends {
					_, err := b.client.Read(got)
					require.Error(t, err)
					<-b.done
					return
				}
				synctest.Wait()
				require.Empty(t, available(t, b.client))
			})
		})
	}
}

// Rules see what is under the mask, and corrupt what is under it.
func TestRuleMasked(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "ws://back.example/", nil, "client text *ell* corrupt 1", "client text hello duplicate")
		defer b.close()
		b.open(t)
		write(t, b.client, masked("hello"))
		synctest.Wait()
		want := masked("h\x9allo")
		require.Equal(t, want+want, available(t, b.server))
		require.Contains(t, b.log.String(), `connection 1: rule "client text *ell* corrupt 1"`)
		require.EqualValues(t, 2, b.edited.Load())
	})
}

// A frame that the end of the stream cuts passes as far as it has come, and a stalled
// direction ends with the other one.
func TestRuleEnd(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "ws://back.example/", nil, "server text a drop", "client text stall 0")
		b.open(t)
		write(t, b.client, masked("x"))
		write(t, b.server, text("a")+"\x81\x05he")
		b.server.(interface{ CloseWrite() error }).CloseWrite()
		got, err := io.ReadAll(b.client)
		require.NoError(t, err)
		require.Equal(t, "\x81\x05he", string(got))
		<-b.done
		b.close()
	})
}

func TestBadRules(t *testing.T) {
	for text, want := range map[string]string{
		"":                          "write SIDE KIND ACTION",
		"server text":               "write SIDE KIND ACTION",
		"both text drop":            `side "both": use client, server or any`,
		"server texts drop":         `kind "texts": use one of text, binary,`,
		"server text *x*":           "action is missing",
		"server text *x* #2":        "action is missing",
		"server text *x* lose":      `action "lose": use delay,`,
		"server text #0 drop":       `"#0": write #N or /N`,
		"server text delay soon":    `delay "soon": give a time such as 200ms`,
		"server text delay -1s":     `delay "-1s"`,
		"server text drop 1":        "drop takes no value",
		"server text throttle 0":    `throttle "0": give bytes per second`,
		"server text throttle 1kk":  `throttle "1kk"`,
		"server text cut":           `cut "": give a number of bytes`,
		"server text cut -1":        `cut "-1"`,
		"server text cut 1 2":       `unexpected "2"`,
		"server text corrupt x":     `corrupt "x"`,
		"server stream drop":        "stream can only be combined with cut and stall",
		"server stream *x* cut 1":   "stream can only be combined with cut and stall",
		"server text 'my word drop": "a quote is not closed",
	} {
		_, err := parseRules([]string{text})
		require.ErrorContains(t, err, want, text)
		require.Equal(t, exit.Usage, exit.Status(err))
	}
}

// A session that was recorded is played at its pace, or at another one, to a server and to
// a client.
func TestReplay(t *testing.T) {
	file := filepath.Join(t.TempDir(), "session")
	synctest.Test(t, func(t *testing.T) {
		b := newBench(t, "ws://back.example/", func(p *proxy) {
			var err error
			p.recorder, err = newRecorder(file)
			require.NoError(t, err)
		})
		time.Sleep(time.Second)
		b.open(t)
		time.Sleep(2 * time.Second)
		write(t, b.client, masked("ask"))
		time.Sleep(3 * time.Second)
		write(t, b.server, text("answer"))
		synctest.Wait()
		b.close()
		require.NoError(t, b.recorder.close())
	})
	if info, err := os.Stat(file); err == nil {
		require.Zero(t, info.Mode()&0o077, "a recorded session has passwords in it")
	}
	for _, speed := range []float64{1, 4, 0} {
		scale := func(d time.Duration) time.Duration {
			if speed == 0 {
				return 0
			}
			return time.Duration(float64(d) / speed)
		}
		t.Run(fmt.Sprintf("to a server, speed %v", speed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := openRecording(file)
				require.NoError(t, err)
				defer r.file.Close()
				b := newBench(t, "ws://back.example/", func(p *proxy) { p.recording, p.speed = r, speed })
				b.client.Close() // there is another one
				<-b.done
				ended := make(chan error)
				go func() { ended <- b.replayClients(context.Background()) }()
				synctest.Wait()
				require.Equal(t, strings.Replace(request, "host: front.example", "Host: back.example", 1), available(t, b.server))
				time.Sleep(5 * time.Second) // the server is slow
				began := time.Now()
				write(t, b.server, switching)
				got := make([]byte, len(masked("ask")))
				_, err = io.ReadFull(b.server, got)
				require.NoError(t, err)
				require.Equal(t, masked("ask"), string(got))
				require.Equal(t, scale(2*time.Second), time.Since(began).Truncate(time.Millisecond))
				_, err = b.server.Read(got)
				require.ErrorIs(t, err, io.EOF)
				b.server.Close()
				require.NoError(t, <-ended)
			})
		})
		t.Run(fmt.Sprintf("to a client, speed %v", speed), func(t *testing.T) {
			synctest.Test(t, func(t *testing.T) {
				r, err := openRecording(file)
				require.NoError(t, err)
				defer r.file.Close()
				b := newBench(t, "", func(p *proxy) { p.recording, p.speed = r, speed })
				began := time.Now()
				write(t, b.client, strings.Replace(request, "dGhlIHNhbXBsZSBub25jZQ==", "AQIDBAUGBwgJCgsMDQ4PEA==", 1))
				head := make([]byte, len(switching))
				_, err = io.ReadFull(b.client, head)
				require.NoError(t, err)
				require.Contains(t, string(head), "\r\nX-Own: 1\r\nSec-WebSocket-Accept: C/0nmHhBztSRGR1CwL6Tf4ZjwpY=\r\n\r\n")
				got, err := io.ReadAll(b.client)
				require.NoError(t, err)
				require.Equal(t, text("answer"), string(got))
				require.Equal(t, scale(5*time.Second), time.Since(began).Truncate(time.Millisecond))
				b.client.Close()
				<-b.done
			})
		})
	}
}

// A session that cannot be recorded ends the program.
func TestRecordFails(t *testing.T) {
	synctest.Test(t, func(t *testing.T) {
		var failed error
		b := newBench(t, "ws://back.example/", func(p *proxy) {
			var err error
			p.recorder, err = newRecorder(filepath.Join(t.TempDir(), "session"))
			require.NoError(t, err)
			require.NoError(t, p.recorder.close())
			p.fail = func(err error) { failed = err }
		})
		write(t, b.client, request)
		<-b.done
		require.ErrorIs(t, failed, os.ErrClosed)
		b.close()
	})
}

func TestBadRecording(t *testing.T) {
	const good = `{"time":"2026-11-30T14:04:32Z","connection":1,"from":"client","bytes":"aGk="}`
	for content, want := range map[string]string{
		"":                                    "the file has no connection",
		"hello\n":                             "line 1: not an entry of a recorded session",
		good + "\n{}\n":                       `line 2: from is "": want client or server`,
		`{"from":"server","connection":1}`:    "line 1: time or connection is missing",
		strings.Replace(good, "1,", "0,", 1):  "line 1: time or connection is missing",
		strings.Replace(good, "aGk=", "a", 1): "line 1: not an entry",
		good[:40]:                             "line 1: not an entry",
		strings.Repeat("x", 2<<20):            "line 1 is longer than 1048576 bytes",
	} {
		name := filepath.Join(t.TempDir(), "file")
		require.NoError(t, os.WriteFile(name, []byte(content), 0o600))
		_, err := openRecording(name)
		require.ErrorContains(t, err, want)
	}
	_, err := openRecording(filepath.Join(t.TempDir(), "none"))
	require.Equal(t, exit.Usage, exit.Status(err))
}
