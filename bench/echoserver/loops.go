//go:build unix

package echoserver

import (
	"net"
	"net/http"
	"time"

	"github.com/lesismal/nbio/logging"
	"github.com/lesismal/nbio/nbhttp"
	nbio "github.com/lesismal/nbio/nbhttp/websocket"
	"github.com/panjf2000/gnet/v2"

	"github.com/wskit/wskit/examples/loop"
)

// Event loops of other projects. Each has as many loops as processors.

func init() { Libraries = append(Libraries, gnetLibrary, nbioLibrary) }

// gnetLibrary is github.com/panjf2000/gnet with our protocol, as in the
// examples, which have no compression.
var gnetLibrary = Library{
	Name: "gnet-protocol", MaxSize: 64 << 10, Plain: true,
	Serve: func(ln net.Listener) error {
		addr := ln.Addr().String() // gnet listens itself
		ln.Close()
		return gnet.Run(&gnetServer{begin: time.Now()}, "tcp://"+addr, gnet.WithMulticore(true), gnet.WithReuseAddr(true))
	},
}

type gnetServer struct {
	gnet.BuiltinEventEngine
	begin time.Time
}

func (s *gnetServer) OnOpen(conn gnet.Conn) ([]byte, gnet.Action) {
	c := &loop.Conn{Handle: loop.Echo}
	c.Open(time.Since(s.begin))
	conn.SetContext(c)
	return nil, gnet.None
}

func (s *gnetServer) OnTraffic(conn gnet.Conn) gnet.Action {
	c := conn.Context().(*loop.Conn)
	p, err := conn.Next(-1)
	if err != nil || !c.Receive(time.Since(s.begin), p) {
		return gnet.Close
	}
	if len(c.Out) > 0 {
		if _, err := conn.Write(c.Out); err != nil {
			return gnet.Close
		}
		c.Out = c.Out[:0]
	}
	return gnet.None
}

// nbioLibrary is github.com/lesismal/nbio.
var nbioLibrary = Library{
	Name: "nbio", MaxSize: 64 << 10, Plain: true, Deflate: true,
	Serve: func(ln net.Listener) error {
		logging.SetLevel(logging.LevelNone) // it would log to the output of the process
		failed := make(chan error, 1)
		u := nbio.NewUpgrader()
		u.EnableCompression(options().Deflate)
		u.OnMessage(func(c *nbio.Conn, typ nbio.MessageType, p []byte) { c.WriteMessage(typ, p) })
		engine := nbhttp.NewEngine(nbhttp.Config{
			Network: "tcp", Addrs: []string{"given"},
			Listen:  func(string, string) (net.Listener, error) { return ln, nil },
			Handler: http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) { u.Upgrade(w, r, nil) }),
		})
		engine.OnAcceptError(func(err error) {
			select {
			case failed <- err:
			default: // it retries Accept
			}
		})
		if err := engine.Start(); err != nil {
			return err
		}
		err := <-failed
		engine.Stop()
		return err
	},
}
