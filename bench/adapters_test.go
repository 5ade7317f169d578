package bench

import (
	"bufio"
	"bytes"
	"crypto/tls"
	"fmt"
	"io"
	"net"
	"net/http"
	"net/http/httptest"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// eachLibrary checks the work of every library that has it.
func eachLibrary(t *testing.T, has func(l Library) bool, check func(t *testing.T, l Library)) {
	t.Helper()
	checked := 0
	for _, l := range Libraries {
		if !has(l) {
			continue
		}
		checked++
		t.Run(l.Name, func(t *testing.T) { check(t, l) })
	}
	require.Greater(t, checked, 1, "a row needs more than one library")
}

func TestHeaderJobs(t *testing.T) {
	for _, h := range headers {
		wire := ws.AppendHeader(nil, h)
		t.Run(headerName(h), func(t *testing.T) {
			eachLibrary(t, func(l Library) bool { return l.ParseHeader != nil }, func(t *testing.T, l Library) {
				var got ws.Header
				require.NoError(t, l.ParseHeader(wire, &got)(2))
				require.Equal(t, h, got)

				var p []byte
				require.NoError(t, l.AppendHeader(h, &p)(2))
				require.Equal(t, wire, p)

				conn := new(Conn)
				conn.Replay(wire, 2, false)
				br := bufio.NewReader(conn)
				require.NoError(t, l.ReadHeader(br, &got)(2))
				require.Equal(t, h, got)
				_, err := br.ReadByte()
				require.ErrorIs(t, err, io.EOF)

				var out bytes.Buffer
				bw := bufio.NewWriter(&out)
				require.NoError(t, l.WriteHeader(bw, h)(2))
				require.NoError(t, bw.Flush())
				require.Equal(t, bytes.Repeat(wire, 2), out.Bytes())
			})
		})
	}
}

// requireAccepted checks that sent is an answer to request, and nothing else.
func requireAccepted(t *testing.T, sent []byte) {
	t.Helper()
	br := bufio.NewReader(bytes.NewReader(sent))
	resp, err := http.ReadResponse(br, nil)
	require.NoError(t, err)
	require.Equal(t, http.StatusSwitchingProtocols, resp.StatusCode)
	require.Equal(t, requestAccept, resp.Header.Get("Sec-WebSocket-Accept"))
	require.Empty(t, resp.Header.Get("Sec-WebSocket-Extensions"), "nothing was negotiated")
	require.Zero(t, br.Buffered())
}

func TestUpgradeJobs(t *testing.T) {
	r, err := httpRequest()
	require.NoError(t, err)
	fields := 1 // Host
	for _, values := range r.Header {
		fields += len(values)
	}
	require.Equal(t, 14, fields)

	for _, buffered := range []bool{false, true} {
		eachLibrary(t, func(l Library) bool { return l.Upgrade != nil }, func(t *testing.T, l Library) {
			conn := &Conn{Keep: true}
			rw, rewind := arriving(conn, buffered)
			job := l.Upgrade(rw, rewind, 0)
			require.NoError(t, job(1))
			rewind() // and flush
			requireAccepted(t, conn.Sent)
			require.NoError(t, job(2))
		})
	}
}

func TestAcceptJobs(t *testing.T) {
	for _, timeout := range deadlines {
		eachLibrary(t, func(l Library) bool { return l.Accept != nil && l.Accept(timeout) != nil }, func(t *testing.T, l Library) {
			r, err := httpRequest()
			require.NoError(t, err)
			conn := &Conn{Keep: true}
			_, err = l.Accept(timeout)(NewResponseWriter(conn), r)
			require.NoError(t, err)
			requireAccepted(t, conn.Sent)

			conn = &Conn{Keep: true}
			job, end := serving(conn, l.Accept(timeout))
			require.NoError(t, job(1))
			requireAccepted(t, conn.Sent)
			require.NoError(t, job(2))
			require.NoError(t, end())
		})
	}
}

func TestUpgradeJobsOverSockets(t *testing.T) {
	for _, secure := range []bool{false, true} {
		eachLibrary(t, func(l Library) bool { return l.Upgrade != nil }, func(t *testing.T, l Library) {
			for _, timeout := range deadlines {
				rw, rewind := arrivingOver(t, secure)
				require.NoError(t, l.Upgrade(rw, rewind, timeout)(3))
			}
		})
	}
}

// arrivingOver is arriving for a TCP connection, with TLS if secure is set.
// rewind also reads the last answer.
func arrivingOver(tb testing.TB, secure bool) (rw net.Conn, rewind func()) {
	srv := httptest.NewUnstartedServer(nil)
	srv.StartTLS() // for its certificate
	tb.Cleanup(srv.Close)
	l, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(tb, err)
	defer l.Close()
	client, err := net.Dial("tcp", l.Addr().String())
	require.NoError(tb, err)
	tb.Cleanup(func() { client.Close() })
	rw, err = l.Accept()
	require.NoError(tb, err)
	tb.Cleanup(func() { rw.Close() })
	if secure {
		s := tls.Server(rw, &tls.Config{Certificates: srv.TLS.Certificates})
		c := tls.Client(client, &tls.Config{InsecureSkipVerify: true})
		shaken := make(chan error)
		go func() { shaken <- c.Handshake() }()
		require.NoError(tb, s.Handshake())
		require.NoError(tb, <-shaken)
		rw, client = s, c
	}
	answer := make([]byte, 4<<10)
	sent := false
	return rw, func() {
		if sent {
			n, err := client.Read(answer)
			if err != nil || !bytes.HasSuffix(answer[:n], []byte("\r\n\r\n")) {
				tb.Fatalf("%q, %v", answer[:n], err)
			}
		}
		if _, err := client.Write(request); err != nil {
			tb.Fatal(err)
		}
		sent = true
	}
}

func TestDialJobs(t *testing.T) {
	for _, dial := range []func(l Library) func(*Conn) Job{
		func(l Library) func(*Conn) Job { return l.Dial },
		func(l Library) func(*Conn) Job { return l.DialHTTP },
	} {
		eachLibrary(t, func(l Library) bool { return dial(l) != nil }, func(t *testing.T, l Library) {
			conn := &Conn{Keep: true}
			job := dial(l)(conn)
			require.NoError(t, job(1))
			r, err := http.ReadRequest(bufio.NewReader(bytes.NewReader(conn.Sent)))
			require.NoError(t, err)
			require.Equal(t, "chat.example.com", r.Host)
			require.Equal(t, "/chat?room=42", r.RequestURI)
			require.Equal(t, "websocket", r.Header.Get("Upgrade"))
			require.NotEmpty(t, r.Header.Get("Sec-WebSocket-Key"))
			require.NoError(t, job(2))
		})
	}
}

func TestReadJobs(t *testing.T) {
	const n = 3
	for _, tr := range traffics {
		for _, size := range sizes {
			for _, wakeup := range []bool{false, true} {
				want := payload(size)
				t.Run(fmt.Sprintf("%s/size=%d/wakeup=%t", tr, size, wakeup), func(t *testing.T) {
					eachLibrary(t, func(l Library) bool { return l.Read != nil }, func(t *testing.T, l Library) {
						conn, got := new(Conn), 0
						job, err := l.Read(conn, tr.side, buffer(size), func(p []byte) {
							got++
							require.True(t, bytes.Equal(want, p))
						})
						require.NoError(t, err)
						conn.Replay(tr.received(want), n, wakeup)
						require.NoError(t, job(n))
						require.Equal(t, n, got)
					})
				})
			}
		}
	}
}

func TestWriteJobs(t *testing.T) {
	const n = 3
	for _, tr := range traffics {
		for _, size := range sizes {
			want := payload(size)
			t.Run(fmt.Sprintf("%s/size=%d", tr, size), func(t *testing.T) {
				eachLibrary(t, func(l Library) bool { return l.Write != nil }, func(t *testing.T, l Library) {
					p, conn := bytes.Clone(want), new(Conn)
					job, err := l.Write(conn, tr.side, tr.op, p)
					require.NoError(t, err)
					conn.Keep, conn.Sent = true, nil
					require.NoError(t, job(n))
					require.True(t, bytes.Equal(want, p), "the caller's bytes were changed")
					sent := bytes.NewReader(conn.Sent)
					for range n {
						require.True(t, bytes.Equal(want, readMessage(t, sent, tr)))
					}
					require.Zero(t, sent.Len())
				})
			})
		}
	}
}

// readMessage reads, as the other side of tr, a message of one frame or more.
func readMessage(t *testing.T, r io.Reader, tr traffic) (p []byte) {
	t.Helper()
	state := ws.StateClientSide
	if tr.side == Client {
		state = ws.StateServerSide
	}
	for op := tr.op; ; op = ws.OpContinuation {
		f, err := ws.ReadFrame(r)
		require.NoError(t, err)
		require.NoError(t, ws.CheckHeader(f.Header, state))
		require.Equal(t, op, f.Header.OpCode)
		f = ws.UnmaskFrameInPlace(f)
		p = append(p, f.Payload...)
		if f.Header.Fin {
			return p
		}
		state = state.Set(ws.StateFragmented)
	}
}

// The counts in the rows must be right.
func TestConn(t *testing.T) {
	conn := new(Conn)
	p := make([]byte, 10)

	conn.Replay([]byte("abc"), 3, true)
	for range 3 {
		n, err := conn.Read(p)
		require.NoError(t, err)
		require.Equal(t, "abc", string(p[:n]))
	}
	_, err := conn.Read(p)
	require.ErrorIs(t, err, io.EOF)

	conn.Replay([]byte("abc"), 3, false)
	n, err := conn.Read(p)
	require.NoError(t, err)
	require.Equal(t, "abcabcabc", string(p[:n]))
	require.Equal(t, 5, conn.Reads)

	require.Equal(t, requestAccept, string(appendAccept(nil, []byte(requestKey))))
}
