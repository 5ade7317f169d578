package wsh2

import (
	"bytes"
	"net"
	"slices"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"
)

// write writes the content of out until the connection has ended, and then
// closes it.
func (c *conn) write() {
	defer c.t.running.Done()
	var spare bytes.Buffer
	c.mu.Lock()
	for {
		for c.out.Len() == 0 && c.err == nil {
			trim(&spare)
			trim(&c.out)
			c.flush.Wait()
		}
		if c.out.Len() == 0 {
			break
		}
		c.out, spare, c.answers = spare, c.out, 0
		c.pump() // there is room again
		c.mu.Unlock()
		_, err := c.nc.Write(spare.Bytes())
		spare.Reset()
		c.mu.Lock()
		if err != nil {
			c.fail(err)
			break
		}
	}
	c.out = bytes.Buffer{}
	c.mu.Unlock()
	c.closeConn()
	c.t.remove(c)
}

// keptOut is the maximum size of an empty buffer that a connection keeps.
const keptOut = 32 << 10

// trim drops the memory of an empty buffer that has grown.
func trim(b *bytes.Buffer) {
	if b.Cap() > keptOut {
		*b = bytes.Buffer{}
	}
}

// closeConn closes the connection. The timeout for the last frames also applies
// to the alert of TLS.
func (c *conn) closeConn() {
	if tls, ok := c.nc.(interface{ NetConn() net.Conn }); ok {
		defer time.AfterFunc(farewell, func() { tls.NetConn().Close() }).Stop()
	}
	c.nc.SetReadDeadline(time.Unix(1, 0)) // if Close does not end a read
	c.nc.Close()
}

// enqueue queues a stream with bytes to send and a window for them.
func (c *conn) enqueue(s *stream) {
	if !s.queued && len(s.pending) > 0 && s.sendWindow > 0 {
		s.queued = true
		c.queue = append(c.queue, s)
	}
}

// pump moves requests, and then a frame of each stream in turn, to out, as far
// as the room in out and the windows allow. It is called whenever one of these
// has changed.
func (c *conn) pump() {
	if c.err != nil {
		return
	}
	for len(c.requests) > 0 && c.out.Len() < maxOut {
		s := c.requests[0]
		c.requests = slices.Delete(c.requests, 0, 1)
		c.sendRequest(s)
	}
	for len(c.queue) > 0 && c.out.Len() < maxOut && c.sendWindow > 0 {
		s := c.queue[0]
		c.queue = slices.Delete(c.queue, 0, 1)
		s.queued = false
		c.sendData(s)
	}
	if c.out.Len() > 0 {
		c.flush.Signal()
	}
}

// sendData sends one frame of s.
func (c *conn) sendData(s *stream) {
	n := min(int64(len(s.pending)), int64(min(c.maxFrame, largestFrame)), s.sendWindow, c.sendWindow)
	if n <= 0 {
		return // the stream has ended, or its window was reduced
	}
	c.writer.WriteData(s.id, false, s.pending[:n])
	s.pending = s.pending[n:]
	s.sendWindow -= n
	c.sendWindow -= n
	if len(s.pending) == 0 {
		s.writable.Broadcast()
	}
	c.enqueue(s)
}

// sendRequest opens a stream.
func (c *conn) sendRequest(s *stream) {
	s.id = c.nextID
	c.nextID += 2
	if c.nextID > maxStreamID {
		c.leaving = true
	}
	c.streams[s.id] = s
	s.sendWindow = c.initialWindow
	block := c.encode(s.fields)
	s.fields = nil
	first := block[:min(len(block), int(c.maxFrame))]
	block = block[len(first):]
	c.writer.WriteHeaders(http2.HeadersFrameParam{StreamID: s.id, BlockFragment: first, EndHeaders: len(block) == 0})
	for len(block) > 0 {
		next := block[:min(len(block), int(c.maxFrame))]
		block = block[len(next):]
		c.writer.WriteContinuation(s.id, len(block) == 0, next)
	}
	c.block.Reset()
	trim(&c.block)
}

// encode returns the header block of fields, which is valid until the next
// call.
func (c *conn) encode(fields []hpack.HeaderField) []byte {
	c.block.Reset()
	for _, f := range fields {
		c.fields.WriteField(f)
	}
	return c.block.Bytes()
}
