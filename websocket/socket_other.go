//go:build !unix

package websocket

// openSocket does nothing: reads hold a small buffer while they wait.
func (c *Conn) openSocket() {}
