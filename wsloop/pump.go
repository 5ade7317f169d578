package wsloop

import (
	"bytes"
	"fmt"
	"io"

	"github.com/wskit/wskit/internal/bufpool"
)

// pump is the link of a connection that no poller can watch: anything that is
// not a socket, and everything with Config.Goroutines. One goroutine reads;
// another one writes while there is something to write. The handler runs on the
// loop.
//
// Conn.mu guards all fields except conn and the buffer that the reader lends.
type pump struct {
	conn    io.ReadWriteCloser
	more    chan struct{} // asks the reader for the next read; closed at the end
	started bool
	idle    bool // the reader waits for more
	closed  bool
	have    bool // in and err hold a read that the loop has not handled yet
	in      []byte
	err     error
	out     *bufpool.Buffer // data that is being written
}

const (
	pumpSmall = 512 // held by an idle connection
	pumpLarge = 64 << 10
)

func newPump(conn io.ReadWriteCloser) *pump {
	return &pump{conn: conn, more: make(chan struct{}, 1), idle: true}
}

// read is the goroutine that reads.
func (p *pump) read(c *Conn) {
	defer c.loop.s.tasks.Done()
	small := make([]byte, pumpSmall)
	var large *bufpool.Buffer
	full := false
	for range p.more { // the loop has consumed the previous read
		switch {
		case full && large == nil:
			large = bufpool.Get(pumpLarge)
		case !full && large != nil:
			large.Free()
			large = nil
		}
		buf := small
		if large != nil {
			buf = large.All()[:pumpLarge]
		}
		n, err := p.conn.Read(buf)
		full = n == len(buf)
		c.mu.Lock()
		p.have, p.in, p.err = true, buf[:n], err
		c.ask(askRead)
		c.mu.Unlock()
		if err != nil {
			return // the loop still uses buf
		}
	}
	if large != nil {
		large.Free()
	}
}

// listen is link.listen.
func (p *pump) listen(c *Conn, on bool) {
	if on {
		p.next(c)
	}
}

// next requests another read if one is needed. mu is held.
func (p *pump) next(c *Conn) {
	if !p.idle || p.closed || !c.reads {
		return
	}
	p.idle = false
	if !p.started {
		p.started = true
		c.loop.s.tasks.Add(1)
		go p.read(c)
	}
	p.more <- struct{}{}
}

// receive is link.receive.
func (p *pump) receive(c *Conn) {
	c.mu.Lock()
	have, in, err := p.have, p.in, p.err
	p.have, p.in = false, nil
	c.mu.Unlock()
	if !have {
		return
	}
	defer p.consumed(c, err) // also if the handler panics or ends its goroutine
	if len(in) > 0 {
		c.received(in)
	}
}

// consumed continues after the loop has consumed the data of the reader.
func (p *pump) consumed(c *Conn, err error) {
	if l := c.loop; l.rest != nil {
		l.rest = bytes.Clone(l.rest) // the reader receives into the same memory next
	}
	switch {
	case err == io.EOF:
		c.inputEnded(nil)
	case err != nil:
		c.inputEnded(fmt.Errorf("wsloop: read: %w", err))
	default:
		c.listen()
		c.mu.Lock()
		p.idle = true
		p.next(c)
		c.mu.Unlock()
	}
}

// send is link.send: it copies p and writes it on a goroutine.
func (p *pump) send(c *Conn, b []byte) (int, error) {
	if p.out != nil || len(b) == 0 {
		return 0, errAgain
	}
	b = b[:min(len(b), pumpLarge)]
	p.out = bufpool.Get(len(b))
	p.out.B = append(p.out.B, b...)
	c.loop.s.tasks.Add(1)
	go p.write(c)
	return len(b), errAgain
}

// write is the goroutine that writes.
func (p *pump) write(c *Conn) {
	defer c.loop.s.tasks.Done()
	_, err := p.conn.Write(p.out.B)
	c.mu.Lock()
	defer c.mu.Unlock()
	p.out.Free()
	p.out = nil
	if err != nil {
		c.giveUpWriting(fmt.Errorf("wsloop: write: %w", err))
	}
	c.ask(askWrite)
}

// waiting is link.waiting.
func (p *pump) waiting() int {
	if p.out == nil {
		return 0
	}
	return len(p.out.B)
}

// counted is link.counted. Data that is being written, up to 64 KiB, does not
// count: a socket would have accepted it.
func (p *pump) counted() int { return 0 }

// closeWrite is link.closeWrite. It may block, as CloseWrite of TLS does.
func (p *pump) closeWrite(c *Conn) bool {
	half, ok := p.conn.(interface{ CloseWrite() error })
	if ok {
		c.loop.s.tasks.Go(func() { half.CloseWrite() })
	}
	return ok
}

// close is link.close.
func (p *pump) close(c *Conn) {
	if p.closed {
		return
	}
	p.closed = true
	close(p.more)
	if c.loop == nil {
		p.conn.Close()
		return
	}
	c.loop.s.tasks.Go(func() { p.conn.Close() })
}
