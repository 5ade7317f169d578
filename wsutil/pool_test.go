package wsutil

import (
	"bufio"
	"bytes"
	"errors"
	"io"
	"runtime"
	"runtime/debug"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

// pooled is an entry of a pool of the package.
type pooled struct {
	put func(x any)
	get func() any // nil if the pool is empty
	x   any
}

// onePooled returns an entry for each pool.
func onePooled() (all []pooled) {
	for _, size := range bufpool.Sizes() {
		all = append(all, pooled{
			put: func(x any) { x.(*bufpool.Buffer).Free() },
			get: func() any {
				if b := bufpool.Idle(size); b != nil {
					return b
				}
				return nil
			},
			x: bufpool.Get(size),
		})
	}
	of := func(p *sync.Pool, x any) pooled {
		return pooled{put: p.Put, x: x, get: func() any {
			was := p.New
			p.New = nil
			defer func() { p.New = was }()
			return p.Get()
		}}
	}
	for class := minWriter; class <= maxWriter; class++ {
		w := NewWriterBufferSize(nil, ws.StateServerSide, ws.OpText, 1<<class)
		w.err = errReleased
		all = append(all, of(&writers[class], w))
	}
	return append(all, of(&dataReaders, dataReaders.New()), of(&controlBuffers, controlBuffers.New()))
}

// drain empties the pool of e.
func (e pooled) drain() (all []any) {
	for x := e.get(); x != nil; x = e.get() {
		all = append(all, x)
	}
	return all
}

// requireBalance asserts that f returns what it borrows: the pools contain each
// entry of lent exactly once afterwards.
func requireBalance(t *testing.T, lent []pooled, f func()) {
	t.Helper()
	for _, e := range lent {
		e.drain()
		e.put(e.x)
	}
	f()
	there := make(map[any]int) // in any pool: a Writer that has grown changes it
	for _, e := range lent {
		for _, x := range e.drain() {
			there[x]++
			require.Equal(t, 1, there[x], "%T was given back twice", x)
			if b, ok := x.(*bufpool.Buffer); ok {
				require.Empty(t, b.B)
			}
		}
	}
	for _, e := range lent {
		require.Equal(t, 1, there[e.x], "%T was not given back", e.x)
	}
}

var errInjected = errors.New("injected")

// faulty is a connection whose nth operation fails, a Write in the middle of what it
// is given, and every one after it. With boom, that operation panics.
type faulty struct {
	in   io.Reader
	left int
	boom bool
}

func (c *faulty) fails() bool {
	c.left--
	if c.left == 0 && c.boom {
		panic(errInjected)
	}
	return c.left <= 0
}

func (c *faulty) Read(p []byte) (int, error) {
	if c.fails() {
		return 0, errInjected
	}
	return c.in.Read(p[:min(len(p), 700)])
}

func (c *faulty) Write(p []byte) (int, error) {
	if c.fails() {
		return len(p) / 2, errInjected
	}
	return len(p), nil
}

// Whatever operation fails, and if it panics, every buffer goes back once.
func TestPoolBalance(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector makes pools forget")
	}
	defer runtime.GOMAXPROCS(runtime.GOMAXPROCS(1)) // what another processor keeps cannot be seen
	defer debug.SetGCPercent(debug.SetGCPercent(-1))
	lent := onePooled()
	long, large := strings.Repeat("a", 1000), make([]byte, 3<<20)
	for _, side := range both {
		in := peerFrames(side.state, frame(ws.OpPing, true, "ping"), frame(ws.OpText, false, long), frame(ws.OpPing, true, "in between"),
			frame(ws.OpContinuation, true, long), frame(ws.OpBinary, true, long), frame(ws.OpText, true, "\xFF"))
		closes := peerFrames(side.state, frame(ws.OpText, false, long), frame(ws.OpClose, true, "\x03\xE8bye"))
		read := func(in []byte, wrap func(io.ReadWriter) io.ReadWriter) func(*faulty) error {
			return func(c *faulty) (err error) {
				c.in = bytes.NewReader(in)
				rw := wrap(c)
				for err == nil {
					_, _, err = AppendData(nil, rw, side.state)
				}
				return err
			}
		}
		receive := func(in []byte) func(*faulty) error {
			return func(c *faulty) (err error) {
				c.in = bytes.NewReader(in)
				p := NewProtocol(&Config{State: side.state})
				defer func() {
					if err == nil || err == errInjected { // otherwise Next has said that it is over
						p.EOF()
					}
				}()
				for buf := make([]byte, 7); err == nil; {
					var n int
					n, err = c.Read(buf)
					for rest := buf[:n]; err == nil; {
						var ev Event
						ev, n, err = p.NextMessage(rest)
						if rest = rest[n:]; err == nil && ev.OpCode.IsControl() {
							_, err = c.Write(p.AppendReply(nil, ev))
						}
					}
					if err == io.ErrUnexpectedEOF {
						err = nil
					}
				}
				return err
			}
		}
		plain := func(rw io.ReadWriter) io.ReadWriter { return rw }
		buffered := func(rw io.ReadWriter) io.ReadWriter {
			return bufio.NewReadWriter(bufio.NewReader(rw), bufio.NewWriter(rw))
		}
		for name, use := range map[string]func(*faulty) error{
			"ReadData":           read(in, plain),
			"ReadData, buffered": read(in, buffered),
			"ReadData, closed":   read(closes, plain),
			"WriteMessage": func(c *faulty) error {
				return WriteMessage(c, side.state, ws.OpBinary, large)
			},
			"Writer": func(c *faulty) error {
				w := GetWriter(c, side.state, ws.OpText, 1000)
				defer PutWriter(w)
				defer PutWriter(w)
				io.WriteString(w, long)
				w.FlushFragment()
				w.Grow(5000)
				io.WriteString(w, long)
				return w.Flush()
			},
			"CipherWriter": func(c *faulty) error {
				_, err := NewCipherWriter(c, [4]byte{1}).Write(large)
				return err
			},
			"HandleControlMessage": func(c *faulty) error {
				return HandleControlMessage(c, side.state, Message{ws.OpPing, []byte("ping")})
			},
			"Protocol":         receive(in),
			"Protocol, closed": receive(closes),
		} {
			for _, boom := range []bool{false, true} {
				failed := true
				for n := 1; failed && n < 600; n++ {
					requireBalance(t, lent, func() {
						defer func() {
							if r := recover(); r != nil {
								require.Equal(t, errInjected, r)
							}
						}()
						failed = false
						c := &faulty{left: n, boom: boom}
						defer func() { failed = c.left <= 0 }()
						use(c)
					})
				}
				require.False(t, failed, "%s: no operation was left to fail", name)
			}
		}
	}
}
