package main

import (
	"context"
	"net"

	"github.com/lxzan/gws"
)

// gwsAgents are github.com/lxzan/gws.
func gwsAgents(_ string, limit int64) []*agent {
	a := &agent{
		name: "lxzan/gws", setup: "PermessageDeflate with takeover, CheckUtf8Enabled, ReadMaxPayloadSize",
		version: moduleVersion("github.com/lxzan/gws"),
	}
	deflate := gws.PermessageDeflate{Enabled: true, ServerContextTakeover: true, ClientContextTakeover: true}
	a.serve = func(_ context.Context, ln net.Listener) error {
		s := gws.NewServer(gwsEcho{}, &gws.ServerOption{
			PermessageDeflate: deflate, CheckUtf8Enabled: true, ReadMaxPayloadSize: int(limit), WriteMaxPayloadSize: int(limit),
		})
		s.OnError = func(conn net.Conn, _ error) {
			if conn != nil {
				conn.Close()
			}
		}
		return s.RunListener(ln)
	}
	a.dial = func(_ context.Context, url string) error {
		c, _, err := gws.NewClient(gwsEcho{}, &gws.ClientOption{
			Addr: url, PermessageDeflate: deflate, CheckUtf8Enabled: true, ReadMaxPayloadSize: int(limit), WriteMaxPayloadSize: int(limit),
		})
		if err == nil {
			c.ReadLoop()
		}
		return err
	}
	return []*agent{a}
}

// gwsEcho answers pings, which the library leaves to its users, and sends
// messages back.
type gwsEcho struct{ gws.BuiltinEventHandler }

func (gwsEcho) OnPing(c *gws.Conn, p []byte) { c.WritePong(p) }

func (gwsEcho) OnMessage(c *gws.Conn, m *gws.Message) {
	defer m.Close()
	c.WriteMessage(m.Opcode, m.Bytes())
}
