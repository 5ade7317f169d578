package wsutil

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"testing"
	"testing/synctest"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// patience is how long a Write may take.
const patience = 5 * time.Second

// patient is a connection that gives each Write its time, and leaves no deadline
// behind: what [AppendData] asks of connections whose peer may not read.
type patient struct{ net.Conn }

func (c patient) Write(p []byte) (int, error) {
	if err := c.SetWriteDeadline(time.Now().Add(patience)); err != nil {
		return 0, err
	}
	defer c.SetWriteDeadline(time.Time{})
	return c.Conn.Write(p)
}

// flood sends pings until the connection ends, and reads so many answers.
func flood(conn net.Conn, s ws.State, answers int) {
	ping := peerFrames(s, frame(ws.OpPing, true, "are you there?"))
	pong := make([]byte, ws.HeaderSize(ws.Header{Masked: s.ClientSide()})+len("are you there?"))
	go func() {
		for range answers {
			io.ReadFull(conn, pong)
		}
	}()
	for {
		if _, err := conn.Write(ping); err != nil {
			return
		}
	}
}

// A peer sends pings and reads no answer: the reader has an error when the Write has
// had its time, and has held nothing but one answer.
func TestPingFloodFromDeafPeer_RFC6455_5_5_2(t *testing.T) {
	for _, side := range both {
		for name, of := range map[string]func(net.Conn) io.ReadWriter{
			"plain":    func(c net.Conn) io.ReadWriter { return c },
			"buffered": func(c net.Conn) io.ReadWriter { return bufio.NewReadWriter(bufio.NewReader(c), bufio.NewWriter(c)) },
		} {
			for _, answers := range []int{0, 10_000} {
				synctest.Test(t, func(t *testing.T) {
					ours, theirs := net.Pipe()
					defer theirs.Close()
					go flood(theirs, side.state, answers)
					rw := of(patient{ours})
					begin := time.Now()
					used := heap(func() {
						_, _, err := ReadData(rw, side.state)
						require.ErrorIs(t, err, os.ErrDeadlineExceeded, name)
					})
					require.Equal(t, patience, time.Since(begin), name)
					require.Less(t, used, uint64(4<<20), name)
					ours.Close()
				})
			}
		}
	}
}

// A writer outruns a peer that does not read: the message waits in the destination's
// Write, in no more memory than its buffer, and fails with it.
func TestWriteToDeafPeer(t *testing.T) {
	for _, side := range both {
		synctest.Test(t, func(t *testing.T) {
			ours, theirs := net.Pipe()
			defer theirs.Close()
			defer ours.Close()
			w := NewWriter(patient{ours}, side.state, ws.OpBinary)
			piece := make([]byte, 1000)
			var err error
			written := 0
			for err == nil {
				var n int
				n, err = w.Write(piece)
				written += n
			}
			require.ErrorIs(t, err, os.ErrDeadlineExceeded)
			require.LessOrEqual(t, written, DefaultWriteBuffer)
			require.Len(t, w.raw, DefaultWriteBuffer)
			for range 3 {
				_, again := w.Write(piece)
				require.Equal(t, err, again)
				require.Equal(t, err, w.Flush())
			}
			begin := time.Now()
			require.ErrorIs(t, WriteMessage(patient{ours}, side.state, ws.OpBinary, piece), os.ErrDeadlineExceeded)
			require.Equal(t, patience, time.Since(begin))
		})
	}
}

// timeless is a connection whose deadlines are somebody else's.
type timeless struct {
	net.Conn
	pipe
}

func (c *timeless) Read(p []byte) (int, error)       { return c.pipe.Read(p) }
func (c *timeless) Write(p []byte) (int, error)      { return c.pipe.Write(p) }
func (*timeless) SetDeadline(time.Time) error        { panic("SetDeadline") }
func (*timeless) SetReadDeadline(t time.Time) error  { panic("SetReadDeadline") }
func (*timeless) SetWriteDeadline(t time.Time) error { panic("SetWriteDeadline") }

// Deadlines are the caller's: no answer to a control frame sets one that would stay.
func TestNoDeadlineIsTouched(t *testing.T) {
	for _, side := range both {
		in := peerFrames(side.state, frame(ws.OpPing, true, "p"), frame(ws.OpText, true, "text"), frame(ws.OpClose, true, "\x03\xe8"))
		conn := &timeless{pipe: pipe{in: bytes.NewReader(in)}}
		p, _, err := ReadData(conn, side.state)
		require.NoError(t, err)
		require.Equal(t, "text", string(p))
		require.NoError(t, WriteMessage(conn, side.state, ws.OpBinary, make([]byte, 100<<10)))
		_, _, err = ReadData(conn, side.state)
		require.Equal(t, ClosedError{Code: ws.StatusNormalClosure}, err)
		require.GreaterOrEqual(t, conn.writes, 3)
	}
}
