package proxy

import (
	"bytes"
	"context"
	"io"
	"net"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// player plays one side of a recorded connection. Reads return what that side
// has sent, at the recorded times, which are measured from the handshake of the
// other side: the first Write. Written data is discarded.
type player struct {
	recording *recording
	places    []place
	from      trace.Sender
	speed     float64       // 0: without pauses
	base      time.Duration // when the other side's handshake was recorded
	warn      func(string)

	began  time.Time     // of the first Write
	start  chan struct{} // closed with it
	over   chan struct{} // closed by Close
	first  sync.Once
	closes sync.Once
	asked  []byte // the client's head, if the player is the server
	next   int    // index of the next place
	rest   []byte // rest of the current entry
}

// player returns this side of connection i as a net.Conn.
func (r *recording) player(i int, from trace.Sender, speed float64, warn func(string)) *player {
	c := r.conns[i]
	p := &player{recording: r, places: c.sides[from], from: from, speed: speed, warn: warn,
		start: make(chan struct{}), over: make(chan struct{})}
	for _, side := range []trace.Sender{1 - from, from} {
		if len(c.sides[side]) > 0 {
			p.base = c.sides[side][0].at
			break
		}
	}
	return p
}

// Read implements net.Conn.
func (p *player) Read(b []byte) (int, error) {
	for len(p.rest) == 0 {
		if p.next == len(p.places) {
			return 0, io.EOF
		}
		at := p.places[p.next]
		if err := p.wait(at.at); err != nil {
			return 0, err
		}
		if at.end {
			return 0, io.EOF
		}
		var err error
		if p.rest, err = p.recording.bytes(at); err != nil {
			return 0, err
		}
		if p.next == 0 && p.from == trace.Server {
			p.rest = p.answer(p.rest)
		}
		p.next++
	}
	n := copy(b, p.rest)
	p.rest = p.rest[n:]
	return n, nil
}

// wait waits for the handshake of the other side, unless this is the client's
// handshake, and then until the given time.
func (p *player) wait(at time.Duration) error {
	if p.from == trace.Client && p.next == 0 {
		return nil
	}
	select {
	case <-p.start:
	case <-p.over:
		return net.ErrClosed
	}
	if p.speed == 0 {
		return nil
	}
	t := time.NewTimer(time.Duration(float64(at-p.base)/p.speed) - time.Since(p.began))
	defer t.Stop()
	select {
	case <-t.C:
		return nil
	case <-p.over:
		return net.ErrClosed
	}
}

// Write implements net.Conn.
func (p *player) Write(b []byte) (int, error) {
	p.first.Do(func() {
		p.began, p.asked = time.Now(), bytes.Clone(b)
		close(p.start)
	})
	select {
	case <-p.over:
		return 0, net.ErrClosed
	default:
		return len(b), nil
	}
}

// answer returns the recorded head of the server's response, with the value of
// Sec-WebSocket-Accept for the key of the current client.
func (p *player) answer(head []byte) []byte {
	var request ws.Request
	var recorded httphead.Response
	if _, err := ws.ParseRequest(p.asked, &request); err != nil {
		return head
	}
	if _, err := recorded.Parse(head); err != nil {
		return head
	}
	agreement, err := new(ws.Upgrader).Decide(&request)
	if err != nil {
		return head
	}
	var ours httphead.Response
	if _, err := ours.Parse(ws.AppendResponse(nil, agreement)); err != nil {
		return head
	}
	const field = "Sec-WebSocket-Accept"
	was, _ := recorded.Fields.Value(field)
	now, _ := ours.Fields.Value(field)
	for _, name := range []string{"Sec-WebSocket-Extensions", "Sec-WebSocket-Protocol"} {
		if recorded.Fields.Count(name) > 0 && request.Fields.Count(name) == 0 {
			p.warn("the recorded response has " + name + ", which this client has not requested")
		}
	}
	if len(was) == 0 {
		return head
	}
	return bytes.Replace(head, was, now, 1)
}

// Close implements net.Conn. It ends Read.
func (p *player) Close() error {
	p.closes.Do(func() { close(p.over) })
	return nil
}

// CloseWrite is called when the other side has ended.
func (p *player) CloseWrite() error { return nil }

// The remaining methods of net.Conn: a player has neither deadlines nor network
// addresses.

func (p *player) SetDeadline(time.Time) error      { return nil }
func (p *player) SetReadDeadline(time.Time) error  { return nil }
func (p *player) SetWriteDeadline(time.Time) error { return nil }
func (p *player) LocalAddr() net.Addr              { return p }
func (p *player) RemoteAddr() net.Addr             { return p }
func (p *player) Network() string                  { return "replay" }
func (p *player) String() string                   { return "recorded " + p.from.String() }

// replayClients plays the clients of the recorded session, each at its recorded
// time, until all have ended.
func (p *proxy) replayClients(ctx context.Context) error {
	defer p.summary()
	var all sync.WaitGroup
	for i, c := range p.recording.conns {
		if len(c.sides[trace.Client]) == 0 {
			continue
		}
		all.Go(func() {
			number := p.number()
			player := p.recording.player(i, trace.Client, p.speed, p.warner(number))
			if p.speed > 0 {
				select {
				case <-time.After(time.Duration(float64(c.sides[trace.Client][0].at) / p.speed)):
				case <-ctx.Done():
					return
				}
			}
			p.serve(ctx, player, number)
		})
	}
	all.Wait()
	return context.Cause(ctx)
}
