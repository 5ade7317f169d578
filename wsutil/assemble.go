package wsutil

// NextMessage is [Protocol.Next] for whole messages: its data events are First and
// Last. The payload is a view into p if the message is one frame that lies whole
// in p. Otherwise it is gathered in a buffer that grows with the bytes that arrive,
// never with the lengths that headers declare, and that is lent until the next call
// to Next, NextMessage or EOF. Control frames are returned as they come, also
// from inside a message. Rsv has the bits of all frames of the message, wherever
// in it they came.
//
// Next and NextMessage may be mixed. Inside a message of which Next has returned a
// chunk, NextMessage returns what is left of it, which is not First. What NextMessage
// has begun to gather is its own to end: Next would leave a hole in it.
func (c *Protocol) NextMessage(p []byte) (ev Event, n int, err error) {
	ev, n, err = c.Next(p)
	if err != nil || ev.part == whole {
		return ev, n, err
	}
	return c.gather(ev, p, n)
}

// gather puts chunks together, of which ev is the next and p[n:] has the others, until
// they are a message, a control frame comes or p ends.
func (c *Protocol) gather(ev Event, p []byte, n int) (Event, int, error) {
	for {
		if c.message == nil {
			c.messagePart = ev.part & first
		}
		c.message = c.message.append(ev.Payload)
		if ev.Last() {
			c.flags |= flagLent
			ev.part, ev.Payload = c.messagePart|last, c.message.b
			return ev, n, nil
		}
		next, k, err := c.Next(p[n:])
		n += k
		if err != nil || next.OpCode.IsControl() {
			return next, n, err
		}
		ev = next
	}
}
