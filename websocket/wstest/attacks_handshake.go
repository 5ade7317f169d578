package wstest

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"net"
	"strconv"
	"time"
)

// fieldSize is the length of a long field value: net/http accepts a head of
// 1 MiB by default.
const fieldSize = 900_000

// maxAnswer is the maximum size of the response to a refused request.
const maxAnswer = 16 << 10

// goodFields are the fields of a request that every server accepts.
var goodFields = map[string]string{
	"Upgrade": "websocket", "Connection": "Upgrade",
	"Sec-WebSocket-Version": "13", "Sec-WebSocket-Key": "dGhlIHNhbXBsZSBub25jZQ==",
}

// request appends a request with the fields of a handshake to dst. value
// appends the value of field, in place of a valid value. If value is nil, the
// request does not have that field.
func (a *attacker) request(dst []byte, field string, value func(dst []byte) []byte) []byte {
	dst = fmt.Appendf(dst, "GET %s HTTP/1.1\r\nHost: %s\r\n", a.target.url.RequestURI(), a.target.url.Host)
	for name, good := range goodFields {
		if name != field {
			dst = fmt.Appendf(dst, "%s: %s\r\n", name, good)
		}
	}
	for name, values := range a.o.Header {
		for _, v := range values {
			dst = fmt.Appendf(dst, "%s: %s\r\n", name, v)
		}
	}
	if value != nil {
		dst = append(append(dst, field...), ": "...)
		dst = append(value(dst), "\r\n"...)
	}
	return append(dst, "\r\n"...)
}

// long returns a function that appends a value of fieldSize bytes: start, and
// then repetitions of unit.
func long(start, unit string) func(dst []byte) []byte {
	return func(dst []byte) []byte {
		end := len(dst) + fieldSize
		for dst = append(dst, start...); len(dst) < end; {
			dst = append(dst, unit...)
		}
		return dst
	}
}

// subprotocols appends a list of different names.
func subprotocols(dst []byte) []byte {
	end := len(dst) + fieldSize
	dst = append(dst, 'p')
	for i := int64(0); len(dst) < end; i++ {
		dst = strconv.AppendInt(append(dst, ','), i, 36)
	}
	return dst
}

// refusable is a field whose value a server must limit.
type refusable struct {
	field string
	value func(dst []byte) []byte
}

// sendFields sends requests one after another, each on many concurrent
// connections, and checks the responses. The requests share one buffer, so that
// the attacker needs little memory.
func (a *attacker) sendFields(ctx context.Context, fields []refusable) error {
	buf := make([]byte, 0, fieldSize+4096)
	for _, f := range fields {
		buf = a.request(buf[:0], f.field, f.value)
		err := a.each(ctx, a.dial, func(_ context.Context, c net.Conn) error {
			n, err := a.answer(c, buf, maxAnswer)
			if n >= maxAnswer {
				return fmt.Errorf("%w: the answer to a request with a long %s has more than %d bytes", errHarm, f.field, maxAnswer)
			}
			if e, ok := errors.AsType[net.Error](err); ok && e.Timeout() {
				return nil // the server waits for more, which is allowed
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}

// answer writes a request and returns the size of the response, up to limit.
// The server may send less, end the connection or wait for more.
func (a *attacker) answer(c net.Conn, request []byte, limit int64) (n int64, err error) {
	sent := make(chan error, 1)
	send := func() {
		_, err := c.Write(request)
		sent <- err
	}
	c.SetReadDeadline(time.Now().Add(a.o.Patience / 4))
	if a.o.Transport != nil {
		send() // returns with the response
	} else {
		go send()
	}
	n, err = io.Copy(io.Discard, io.LimitReader(c, limit))
	if n < limit && err == nil {
		err = io.EOF
	}
	c.SetWriteDeadline(time.Now()) // a server that stopped reading
	return n, errors.Join(err, <-sent)
}

func offerFlood(ctx context.Context, a *attacker) error {
	return a.sendFields(ctx, []refusable{
		{"Sec-WebSocket-Extensions", long("x", ";a")},
		{"Sec-WebSocket-Extensions", long(deflateName, ",x")},
		{"Sec-WebSocket-Protocol", subprotocols},
	})
}

func longFields(ctx context.Context, a *attacker) error {
	return a.sendFields(ctx, []refusable{
		{"Origin", long("http://", "a")},
		{"Upgrade", long("", "a")},
		{"Connection", long("", "a")},
		{"Sec-WebSocket-Version", long("", "1")},
		{"Sec-WebSocket-Key", long("", "a")},
		{"Sec-WebSocket-Protocol", long("(", "a")},
		{"Sec-WebSocket-Extensions", long("(", "a")},
	})
}

// refusedBody announces a body in a request that no server upgrades. The server
// must end the connection without waiting for the body.
func refusedBody(ctx context.Context, a *attacker) error {
	for _, body := range []string{"Content-Length: 1000", "Content-Length: 1000000000", "Transfer-Encoding: chunked"} {
		err := a.each(ctx, a.dial, func(_ context.Context, c net.Conn) error {
			request := bytes.TrimSuffix(a.request(nil, "Sec-WebSocket-Key", nil), []byte("\r\n"))
			if _, err := c.Write(append(request, body+"\r\n\r\n"...)); err != nil {
				return err
			}
			err := ended(c, a.o.Patience/4)
			if err == nil {
				return fmt.Errorf("%w: a refused request with %q keeps its connection for more than %v", errHarm, body, a.o.Patience/4)
			}
			return err
		})
		if err != nil {
			return err
		}
	}
	return nil
}
