package bench

import (
	"bytes"
	"crypto/sha1"
	"encoding/base64"
	"io"
	"net"
	"time"
)

// Conn is a net.Conn without a network: Read replays bytes, and Write copies
// its argument to a buffer that is not read. Like a socket's, this buffer goes
// on where the last Write ended, whatever its alignment. On a socket, calls also
// cost system calls, so Conn counts them. It is not safe for concurrent use.
type Conn struct {
	Reads, Writes int // calls

	// Keep makes Write append its argument to Sent.
	Keep bool
	Sent []byte

	block  []byte // whole frames, replayed repeatedly
	off    int    // offset of the next byte in block
	left   int    // bytes left to replay
	wakeup int    // if not 0, no Read crosses a multiple of it

	sink [blockSize]byte // last written bytes
	end  int             // where the next byte is written in sink

	answer   bool   // the other side is a server that waits for a request
	head     []byte // the received part of the request
	response []byte // the last response
}

// blockSize is the minimum number of contiguous bytes for Read, and the maximum
// for Write.
const blockSize = 64 << 10

// Replay makes Read return p the given number of times, and then io.EOF. If
// wakeup is set, no Read returns bytes of two repetitions, as if each arrived
// separately.
func (c *Conn) Replay(p []byte, times int, wakeup bool) {
	c.block, c.off, c.left, c.wakeup = p, 0, times*len(p), 0
	if wakeup {
		c.wakeup = len(p)
	} else if n := blockSize / len(p); n > 1 && times > 1 {
		c.block = bytes.Repeat(p, min(n, times))
	}
}

// Rewind makes Read start again at the first byte, and return size bytes.
func (c *Conn) Rewind(size int) { c.off, c.left = 0, size }

// Read returns the next bytes.
func (c *Conn) Read(p []byte) (n int, err error) {
	c.Reads++
	if c.left == 0 {
		return 0, io.EOF
	}
	p = p[:min(len(p), c.left)]
	if c.wakeup > 0 {
		p = p[:min(len(p), c.wakeup-c.off)]
	}
	for n < len(p) {
		m := copy(p[n:], c.block[c.off:])
		n += m
		if c.off += m; c.off == len(c.block) {
			c.off = 0
		}
	}
	c.left -= n
	return n, nil
}

// Write discards p. After Answer, it answers a handshake.
func (c *Conn) Write(p []byte) (int, error) {
	c.Writes++
	for rest := p; len(rest) > 0; {
		n := copy(c.sink[c.end:], rest)
		rest, c.end = rest[n:], (c.end+n)%blockSize
	}
	if c.Keep {
		c.Sent = append(c.Sent, p...)
	}
	if c.answer {
		c.head = append(c.head, p...)
		c.answerRequest()
	}
	return len(p), nil
}

// Answer makes the other side a server that waits for the request of a
// handshake. Its response is as short as RFC 6455, section 4.2.2 allows.
func (c *Conn) Answer() {
	c.answer, c.head, c.left = true, c.head[:0], 0
}

const (
	answerHead = "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\nSec-WebSocket-Accept: "
	answerTail = "\r\n\r\n"
)

func (c *Conn) answerRequest() {
	if !bytes.HasSuffix(c.head, []byte("\r\n\r\n")) {
		return
	}
	// Libraries differ in the case of Sec-WebSocket.
	_, key, _ := bytes.Cut(c.head, []byte("ocket-Key: "))
	c.answer, c.head = false, c.head[:0]
	p := append(c.response[:0], answerHead...)
	p = appendAccept(p, key[:min(len(key), 24)])
	c.response = append(p, answerTail...)
	c.block, c.off, c.left, c.wakeup = c.response, 0, len(c.response), 0
}

// appendAccept appends the Sec-WebSocket-Accept for a key (RFC 6455, section
// 4.2.2).
func appendAccept(dst, key []byte) []byte {
	var p [60]byte
	n := copy(p[:], key)
	n += copy(p[n:], "258EAFA5-E914-47DA-95CA-C5AB0DC85B11")
	sum := sha1.Sum(p[:n])
	return base64.StdEncoding.AppendEncode(dst, sum[:])
}

// Close does nothing, because the connection is reused.
func (c *Conn) Close() error { return nil }

// LocalAddr returns a placeholder address.
func (c *Conn) LocalAddr() net.Addr { return &net.TCPAddr{} }

// RemoteAddr returns a placeholder address.
func (c *Conn) RemoteAddr() net.Addr { return &net.TCPAddr{} }

// SetDeadline does nothing: no call blocks.
func (c *Conn) SetDeadline(time.Time) error { return nil }

// SetReadDeadline does nothing.
func (c *Conn) SetReadDeadline(time.Time) error { return nil }

// SetWriteDeadline does nothing.
func (c *Conn) SetWriteDeadline(time.Time) error { return nil }
