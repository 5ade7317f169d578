package wsutil

// Outstanding returns how many payload bytes of the open data frame have not been given
// to [Protocol.Next] yet: 0 between frames and inside a control frame. That many
// bytes of input are all payload, so that a caller can receive them where the message is to
// lie. It belongs to the receiving half.
func (c *Protocol) Outstanding() int64 {
	if c.flags&flagFrame == 0 || c.controlOp != 0 {
		return 0
	}
	return c.rest
}
