package websocket

import (
	"net"
	"time"
)

// secured is a TLS connection. To close one sends an alert to the peer, which may take
// seconds if that does not read.
type secured interface {
	handshaker
	NetConn() net.Conn
}

// closeTransport closes the transport. The alert of TLS goes out if the closing handshake is
// done, and does not take long.
func (c *Conn) closeTransport() {
	if t, ok := c.transport.ReadWriteCloser.(secured); ok {
		raw := t.NetConn()
		if c.protocol.Closing().Done() {
			defer time.AfterFunc(lingerTime, func() { raw.Close() }).Stop()
		} else {
			raw.Close()
		}
	}
	c.transport.Close()
}
