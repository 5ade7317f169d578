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

// LiveOptions configure a [Live]. They are flags of wskit trace.
type LiveOptions struct {
	Width         int // maximum payload bytes to show; -1: all
	Inflate, JSON bool
}

// Live prints the frames of connections as they pass, in the format of wskit
// trace. It and its connections are safe for concurrent use.
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

// LiveConnection is a connection of a [Live].
type LiveConnection struct {
	live   *Live
	sides  [2]*stream
	frames [2]int64
}

// Connection announces a connection with this number between these peers.
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

// Pass decodes the next bytes of one direction: the head of the handshake, and
// then frames. It does not retain or modify p. It returns the first error of
// printing.
func (c *LiveConnection) Pass(from Sender, p []byte) error {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	c.sides[from].feed(time.Now(), p)
	return c.live.err
}

// End marks the end of one direction.
func (c *LiveConnection) End(from Sender) {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	c.sides[from].end(time.Now())
}

// Frames returns the number of frames in one direction.
func (c *LiveConnection) Frames(from Sender) int64 {
	c.live.mu.Lock()
	defer c.live.mu.Unlock()
	return c.frames[from]
}
