package websocket

import (
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

type flateParameters = wsflate.Parameters

// compress has the connection compress what it sends, and inflate what it receives, as
// agreed on.
func (c *Conn) compress(p wsflate.Parameters, side ws.State, threshold int) {
	c.deflater = wsflate.NewSender(p, side, &wsflate.SenderConfig{Threshold: threshold})
	c.inflater = wsflate.NewReceiver(p, side)
}

// releaseFlate gives back what the ended connection holds of a window.
func (c *Conn) releaseFlate() {
	if c.deflater != nil && c.turn.tryLock(forControl) {
		c.deflater.Close()
		c.unlock(0, 0)
	}
}
