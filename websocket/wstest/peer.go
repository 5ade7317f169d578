package wstest

import (
	"bufio"
	"io"
	"net"
	"net/http"
	"time"

	"github.com/wskit/wskit/ws"
)

// peer is the suite's end of one connection.
type peer struct {
	conn   net.Conn
	r      *bufio.Reader
	client bool // the suite plays the client
	opts   *Options
	log    *wireLog
	end    time.Time // of the case
	by     time.Time // deadline for the start of the next frame

	target  target        // of a server under test
	request *http.Request // of a client under test
	accept  string        // Sec-WebSocket-Accept for request

	flate   *flateState // negotiated; nil: no compression
	open    assembly    // the incomplete message
	writing chan struct{}
	masks   map[[4]byte]int // keys that the client under test has used
	closed  *closeFrame     // of the peer
	pings   []string        // payloads of the pings without a pong
	unasked []string        // payloads of the first unsolicited pongs
	ahead   *outcome        // result of the next call of next
	remark  error           // a finding that does not end the case
}

// closeFrame is a close frame that arrived.
type closeFrame struct {
	code   ws.StatusCode // 0: the body was empty
	reason string
}

func newPeer(conn net.Conn, client bool, o *Options) *peer {
	start := time.Now()
	p := &peer{
		conn: conn, client: client, opts: o, r: bufio.NewReaderSize(conn, 64<<10),
		log: &wireLog{start: start}, end: start.Add(o.Timeout),
		masks: map[[4]byte]int{},
	}
	p.by = p.end
	conn.SetDeadline(p.end)
	return p
}

// shut closes the connection and waits for a writer in the background.
func (p *peer) shut() {
	p.conn.Close()
	p.join()
}

// send writes frames with one Write. Errors show when the peer's answer is
// read.
func (p *peer) send(frames ...frame) { p.sendIn(0, frames...) }

// sendIn writes frames in pieces of n bytes. 0 means one piece.
func (p *peer) sendIn(n int, frames ...frame) {
	var b []byte
	for _, f := range frames {
		b = f.append(b, p.client)
		p.log.bytes("suite", f.String(), f.payload)
		p.expect(f)
	}
	p.write(b, n)
}

// expect remembers a ping, to distinguish its pong from unsolicited ones.
func (p *peer) expect(f frame) {
	if f.op == ws.OpPing {
		p.pings = append(p.pings, string(f.payload))
	}
}

// inBackground is the size from which the suite writes in the background,
// because the peer may need to write first.
const inBackground = 16 << 10

func (p *peer) write(b []byte, chop int) {
	p.join()
	if len(b) < inBackground {
		p.writePieces(b, chop)
		return
	}
	done := make(chan struct{})
	p.writing = done
	go func() {
		defer close(done)
		p.writePieces(b, chop)
	}()
}

func (p *peer) writePieces(b []byte, chop int) {
	for len(b) > 0 {
		n := len(b)
		if chop > 0 {
			n = min(n, chop)
		}
		if _, err := p.conn.Write(b[:n]); err != nil {
			p.log.note("write: %v", err)
			return
		}
		b = b[n:]
	}
}

// join waits until everything is written.
func (p *peer) join() {
	if p.writing != nil {
		<-p.writing
		p.writing = nil
	}
}

// halfClose ends the suite's half of the TCP connection.
func (p *peer) halfClose() {
	p.join()
	if c, ok := p.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
		p.log.note("the suite ends its half of the connection")
		return
	}
	p.conn.Close()
}

// hurry makes reading end after d, or at the end of the case if d is 0.
func (p *peer) hurry(d time.Duration) {
	p.by = p.end
	if soon := time.Now().Add(d); d > 0 && soon.Before(p.by) {
		p.by = soon
	}
	p.conn.SetReadDeadline(p.by)
}

// patience is how long a peer may take for an immediate reaction.
func (p *peer) patience() time.Duration { return max(5*p.opts.Quiet, p.opts.Timeout/3) }

// tolerate makes the case tolerated if its script finds nothing else.
func (p *peer) tolerate(format string, args ...any) { p.remark = tolerated(format, args...) }

var _ io.Writer = (*peer)(nil)

// Write writes bytes that are not frames.
func (p *peer) Write(b []byte) (int, error) {
	p.log.bytes("suite", "bytes", b)
	p.write(b, 0)
	return len(b), nil
}
