package trace

import (
	"io"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// Sender is the side that sends bytes of a live connection.
type Sender int

// The two sides.
const (
	Client Sender = iota
	Server
)

// String returns "client" or "server".
func (s Sender) String() string { return s.direction().name() }

func (s Sender) direction() direction { return [...]direction{fromClient, fromServer}[s] }

// LiveOptions say how a [Live] prints frames. They are flags of wskit trace.
type LiveOptions struct {
	Width         int // the most bytes of payload to show, -1 for all
	Inflate, JSON bool
}

// Live prints the frames of connections as they pass, as wskit trace prints those of a
// capture. Its methods and those of its connections may be called concurrently.
type Live struct {
	options options

	mu    sync.Mutex
	print func(frame) error
	err   error // the first error of print
}

// NewLive returns a Live that writes each line to w at once.
func NewLive(w io.Writer, o LiveOptions) *Live {
	l := &Live{options: options{width: o.Width, unmask: true, inflate: o.Inflate}}
	l.print = lines{w, ui.For(w)}.print
	if o.JSON {
		l.print = objects{w}.print
	}
	return l
}

// emit prints f. The caller holds mu.
func (l *Live) emit(f frame) {
	if err := l.print(f); l.err == nil {
		l.err = err
	}
}

// LiveConnection is one of the connections of a [Live].
type LiveConnection struct {
	live   *Live
	sides  [2]*stream
	frames [2]int64
}

// Connection announces a connection of these two peers, which has this number.
func (l *Live) Connection(number int, peers string) *LiveConnection {
	l.mu.Lock()
	defer l.mu.Unlock()
	l.emit(frame{time: time.Now(), stream: number, peers: peers})
	c := &LiveConnection{live: l}
	conn := newConnection(l.options, func(f frame) {
		f.stream = number
		for s := range c.frames {
			if f.handshake == "" && !f.lost && f.from == Sender(s).direction() {
				c.frames[s]++
			}
		}
		l.emit(f)
	})
	c.sides = [2]*stream{conn.client, conn.server}
	return c
}

// Pass takes the next bytes of one direction: first the head of the handshake, and then
// frames. It does not retain or modify p. It returns the first error of printing.
func (c *LiveConnection) Pass(from Sender, p []byte) error {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	c.sides[from].feed(time.Now(), p)
	return c.live.err
}

// End says that one direction has ended.
func (c *LiveConnection) End(from Sender) {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	c.sides[from].end(time.Now())
}

// Frames returns how many frames have passed in one direction.
func (c *LiveConnection) Frames(from Sender) int64 {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	return c.frames[from]
}
