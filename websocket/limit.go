package websocket

// SetReadLimit sets the most bytes of a message that reads take, after decompression. It
// holds from the next message on, also for a read that waits for it: each message has the
// limit of the time when it began to arrive. 0 allows empty messages alone, and a negative
// value all. A longer message closes the connection with [StatusMessageTooBig], and the error
// wraps [ErrMessageTooBig].
func (c *Conn) SetReadLimit(n int64) { c.limit.Store(max(n, -1)) }

// takeLimit makes the read limit, which has changed, that of the message which is about to
// begin. The protocol counts the bytes of a message on the wire; one that is compressed is counted when
// inflated, and may be a little longer on the wire than that.
func (c *Conn) takeLimit() {
	if c.protocol.Outstanding() > 0 {
		return // the header of its first frame was there already
	}
	n := c.limit.Load()
	if c.reader.state.Load() == readerCloses {
		n = -1 // it is dropped
	}
	c.most = n
	c.protocol.SetMaxMessage(n)
	if c.inflater != nil && n >= 0 {
		c.protocol.SetMaxExtended(n + n/8 + 1024)
	}
}
