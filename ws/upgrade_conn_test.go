package ws

import (
	"bytes"
	"crypto/tls"
	"errors"
	"io"
	"net"
	"net/http/httptest"
	"slices"
	"strings"
	"testing"
	"testing/iotest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// scriptConn is a script with the methods of a connection. It counts Reads.
type scriptConn struct {
	net.Conn
	*script
	reads int
}

func (c *scriptConn) Read(p []byte) (int, error)       { c.reads++; return c.script.Read(p) }
func (c *scriptConn) Write(p []byte) (int, error)      { return c.script.Write(p) }
func (c *scriptConn) SetDeadline(time.Time) error      { return nil }
func (c *scriptConn) SetReadDeadline(time.Time) error  { return nil }
func (c *scriptConn) SetWriteDeadline(time.Time) error { return nil }

func scriptedConn(r io.Reader) *scriptConn { return &scriptConn{script: &script{Reader: r}} }

func TestUpgradeConnChecks_RFC6455_4_2_1(t *testing.T) {
	for _, tt := range append(slices.Clone(requestCases), rawCases...) {
		t.Run(tt.name, func(t *testing.T) {
			for _, r := range []io.Reader{strings.NewReader(tt.request), iotest.OneByteReader(strings.NewReader(tt.request))} {
				conn := scriptedConn(r)
				got, br, _, err := Upgrader{}.UpgradeConn(conn)
				resp, _ := answerOf(t, conn.Bytes())
				require.Equal(t, tt.status, resp.StatusCode)
				require.Equal(t, 1, conn.writes)
				require.Nil(t, br)
				require.ErrorIs(t, err, tt.err)
				if tt.err == nil {
					require.Equal(t, net.Conn(conn), got)
				} else {
					require.Nil(t, got)
				}
			}
		})
	}
}

// One Read returns a request that has arrived. Bytes after it are read from
// either of the results.
func TestUpgradeConnKeepsWhatFollowsTheRequest(t *testing.T) {
	frames := string(AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early")))))
	whole := chromeRequest + frames + strings.Repeat(frames, 1000)
	for cut := range len(chromeRequest + frames) {
		conn := scriptedConn(io.MultiReader(strings.NewReader(whole[:cut]), strings.NewReader(whole[cut:])))
		got, br, hs, err := Upgrader{}.UpgradeConn(conn)
		require.NoError(t, err)
		require.Equal(t, Handshake{}, hs)
		require.LessOrEqual(t, conn.reads, 2)
		if cut == len(chromeRequest) {
			require.Nil(t, br)
			require.Equal(t, net.Conn(conn), got)
		} else {
			require.NotZero(t, br.Buffered())
			require.Equal(t, net.Conn(conn), got.(interface{ NetConn() net.Conn }).NetConn())
		}
		rest, err := io.ReadAll(got)
		require.NoError(t, err)
		require.Equal(t, whole[len(chromeRequest):], string(rest), "cut at %d", cut)
	}
}

func TestUpgradeConnOfABrokenConnection(t *testing.T) {
	for n := range len(chromeRequest) {
		conn := scriptedConn(strings.NewReader(chromeRequest[:n]))
		_, _, _, err := Upgrader{}.UpgradeConn(conn)
		if n == 0 {
			require.ErrorIs(t, err, io.EOF)
		} else {
			require.ErrorIs(t, err, io.ErrUnexpectedEOF, "%d bytes", n)
		}
		require.Zero(t, conn.writes)
	}
	broken := errors.New("broken")
	conn := scriptedConn(io.MultiReader(strings.NewReader("GET"), iotest.ErrReader(broken)))
	_, _, _, err := Upgrader{}.UpgradeConn(conn)
	require.ErrorIs(t, err, broken)

	conn = scriptedConn(strings.NewReader(chromeRequest))
	conn.failAt = 1
	_, _, _, err = Upgrader{}.UpgradeConn(conn)
	require.ErrorIs(t, err, errWrite)

	_, _, _, err = Upgrader{}.UpgradeConn(scriptedConn(noProgress{}))
	require.ErrorIs(t, err, io.ErrNoProgress)

	_, _, _, err = Upgrader{}.UpgradeConn(nil)
	require.ErrorIs(t, err, errNilConn)
}

// readCounter counts the Reads of a TLS connection.
type readCounter struct {
	*tls.Conn
	reads int
}

func (c *readCounter) Read(p []byte) (int, error) { c.reads++; return c.Conn.Read(p) }

// Under TLS a head needs one Read, and the request is known to be secure: a
// host without a port means port 443.
func TestUpgradeConnUnderTLS(t *testing.T) {
	srv := httptest.NewTLSServer(nil)
	defer srv.Close()
	config := &tls.Config{Certificates: srv.TLS.Certificates}
	here, there := net.Pipe()
	defer here.Close()
	defer there.Close()
	frame := AppendFrame(nil, MaskFrame(NewTextFrame([]byte("early"))))
	answer := make(chan []byte, 1)
	go func() {
		client := tls.Client(here, &tls.Config{InsecureSkipVerify: true})
		client.Write(append([]byte(request(getLine)), frame...))
		p := make([]byte, len(sampleAnswer))
		io.ReadFull(client, p)
		answer <- p
	}()
	conn := &readCounter{Conn: tls.Server(there, config)}
	got, _, _, err := Upgrader{Hosts: []string{"a.example:443"}}.UpgradeConn(conn)
	require.NoError(t, err)
	require.Equal(t, 1, conn.reads)
	require.Equal(t, sampleAnswer, string(<-answer))
	p := make([]byte, len(frame))
	_, err = io.ReadFull(got, p)
	require.NoError(t, err)
	require.True(t, bytes.Equal(frame, p))
}

func TestUpgradeConnAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	r := strings.NewReader(chromeRequest)
	conn := scriptedConn(r)
	require.Zero(t, testing.AllocsPerRun(200, func() {
		r.Reset(chromeRequest)
		conn.Reset()
		if _, _, _, err := (Upgrader{}).UpgradeConn(conn); err != nil {
			t.Fatal(err)
		}
	}))
}
