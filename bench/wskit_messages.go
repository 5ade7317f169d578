package bench

import (
	"bufio"
	"io"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// wskitHelpers uses the functions without state.
var wskitHelpers = Library{
	Name: "wskit-helpers",

	Read: func(conn *Conn, side Side, buf []byte, every func([]byte)) (Job, error) {
		rw := bufio.NewReadWriter(bufio.NewReaderSize(conn, readBuffer), bufio.NewWriter(conn))
		return func(n int) error {
			for range n {
				p, _, err := wsutil.AppendData(buf, rw, wskitState(side))
				if err != nil {
					return err
				}
				every(p)
			}
			return nil
		}, nil
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		return func(n int) error {
			for range n {
				if err := wsutil.WriteMessage(conn, wskitState(side), op, p); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// wskitInPlace uses the helper for messages with room for a header before them.
var wskitInPlace = Library{
	Name: "wskit-inplace",

	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		return inPlace(side, p, func(buf []byte) error {
			return wsutil.WriteMessageInPlace(conn, wskitState(side), op, buf)
		}), nil
	},
}

// inPlace writes p from a buffer with room. A client modifies the buffer, so it
// copies the message again each time, which is part of the row.
func inPlace(side Side, p []byte, write func(buf []byte) error) Job {
	buf := append(make([]byte, ws.MaxHeaderSize), p...)
	return func(n int) error {
		for range n {
			if side == Client {
				copy(buf[ws.MaxHeaderSize:], p)
			}
			if err := write(buf); err != nil {
				return err
			}
		}
		return nil
	}
}

// wskitProtocol uses the protocol without I/O. An event loop would pass larger
// inputs, which is even faster, but the other libraries do not have them.
var wskitProtocol = Library{
	Name: "wskit-protocol",

	Read: func(conn *Conn, side Side, _ []byte, every func([]byte)) (Job, error) {
		c := wsutil.NewProtocol(&wsutil.Config{State: wskitState(side)})
		in := make([]byte, readBuffer)
		return func(n int) error {
			for n > 0 {
				k, err := conn.Read(in)
				if err != nil {
					return err
				}
				got, err := wskitEvents(c, in[:k], every)
				if n -= got; err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
	Write: func(conn *Conn, side Side, op ws.OpCode, p []byte) (Job, error) {
		c := wsutil.NewProtocol(&wsutil.Config{State: wskitState(side)})
		out := make([]byte, 0, ws.MaxHeaderSize+len(p))
		return func(n int) error {
			for range n {
				frame, err := c.AppendMessage(out, op, p)
				if err != nil {
					return err
				}
				if _, err := conn.Write(frame); err != nil {
					return err
				}
			}
			return nil
		}, nil
	},
}

// wskitEvents calls every with the messages that p completes, and returns their
// number.
func wskitEvents(c *wsutil.Protocol, p []byte, every func([]byte)) (messages int, err error) {
	for len(p) > 0 {
		ev, n, err := c.NextMessage(p)
		if err == io.ErrUnexpectedEOF { // never wrapped
			break
		}
		if err != nil {
			return messages, err
		}
		messages++
		every(ev.Payload)
		p = p[n:]
	}
	return messages, nil
}

func wskitState(side Side) ws.State {
	if side == Client {
		return ws.StateClientSide
	}
	return ws.StateServerSide
}
