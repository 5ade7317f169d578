package echoserver

import (
	"context"
	"net"
	"net/http"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsloop"
	"github.com/wskit/wskit/wsutil"
)

// tcpLibrary is not a library: it echoes bytes without frames.
var tcpLibrary = Library{
	Name:    "tcp",
	Deflate: true,
	Raw: func(conn net.Conn) (Loop, error) {
		return func() {
			defer conn.Close()
			p := make([]byte, options().buffer())
			for {
				n, err := conn.Read(p)
				if err != nil {
					return
				}
				if _, err := conn.Write(p[:n]); err != nil {
					return
				}
			}
		}, nil
	},
}

// loopLibrary is our package wsloop, as its introduction shows it.
var loopLibrary = Library{
	Name:      "wskit-loop",
	Broadcast: broadcastLoop,
	Deflate:   true,
	Serve:     func(ln net.Listener) error { return serveLoop(ln, false) },
}

// loopGoroutinesLibrary is the same without the poller of the system.
var loopGoroutinesLibrary = Library{
	Name:    "wskit-loop-goroutines",
	Deflate: true,
	Serve:   func(ln net.Listener) error { return serveLoop(ln, true) },
}

func serveLoop(ln net.Listener, goroutines bool) error {
	cfg := &wsloop.Config{
		Goroutines: goroutines,
		MaxMessage: -1, FragmentSize: -1, Queue: wsutil.SendQueueOptions{MaxBytes: -1},
	}
	if options().Deflate {
		cfg.Compression = &wsflate.DefaultParameters
	}
	if secure, ok := ln.(*secureListener); ok { // wsloop does TLS itself
		ln, cfg.TLS = secure.tcp, secure.cfg
	}
	s, err := wsloop.New(cfg, &wsloop.Handler{
		Message: func(c *wsloop.Conn, op ws.OpCode, p []byte) { c.Send(op, p) },
	})
	if err != nil {
		return err
	}
	return s.Serve(ln)
}

// websocketLibrary is our package websocket, as its introduction shows it.
var websocketLibrary = Library{
	Name:      "wskit-websocket",
	Broadcast: broadcastWebsocket,
	Deflate:   true,
	Raw:       rawConn(echoWebsocket),
	HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
		o := &websocket.AcceptOptions{InsecureSkipVerify: true, ConnOptions: unlimited}
		if options().Deflate {
			o.CompressionMode = websocket.CompressionNoContextTakeover
		}
		c, err := websocket.Accept(w, r, o)
		return func() { echoWebsocket(c) }, err
	},
}

// rawConn opens a connection without net/http, and calls echo with it.
func rawConn(echo func(*websocket.Conn)) func(net.Conn) (Loop, error) {
	return func(conn net.Conn) (Loop, error) {
		conn, br, hs, err := ws.Upgrader{Negotiate: negotiate()}.UpgradeConn(conn)
		if err != nil {
			return nil, err
		}
		c, err := websocket.NewConn(conn, br, hs, ws.StateServerSide, &unlimited)
		return func() { echo(c) }, err
	}
}

// unlimited accepts messages of any size and sends each in one frame, like the
// default of most other libraries.
var unlimited = websocket.ConnOptions{ReadLimit: -1, FragmentSize: -1}

func echoWebsocket(c *websocket.Conn) {
	ctx := context.Background()
	for {
		typ, p, err := c.Read(ctx)
		if err != nil {
			return
		}
		if c.Write(ctx, typ, p) != nil {
			return
		}
	}
}

// appendLibrary is the same with a message buffer for each connection.
var appendLibrary = Library{
	Name:    "wskit-append",
	Deflate: true,
	Raw:     rawConn(echoAppend),
}

func echoAppend(c *websocket.Conn) {
	ctx := context.Background()
	var typ websocket.MessageType
	var p []byte
	var err error
	for {
		if typ, p, err = c.ReadAppend(ctx, p[:0]); err != nil {
			return
		}
		if c.Write(ctx, typ, p) != nil {
			return
		}
	}
}

// helpersLibrary is the shortest program over ws and wsutil, whose helpers do
// not compress.
var helpersLibrary = wskitServer("wskit-helpers", false, echoHelpers)

func echoHelpers(conn net.Conn, _ ws.Handshake) {
	defer conn.Close()
	for {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		if wsutil.WriteServerMessage(conn, op, p) != nil {
			return
		}
	}
}

// protocolLibrary drives the protocol without I/O with a buffer for each
// direction.
var protocolLibrary = wskitServer("wskit-protocol", true, echoProtocol)

func echoProtocol(conn net.Conn, hs ws.Handshake) {
	defer conn.Close()
	cfg := &wsutil.Config{State: ws.StateServerSide, MaxMessage: -1, FragmentSize: -1}
	if len(hs.Extensions) > 0 {
		cfg.Inflater = wsflate.NewReceiver(wsflate.DefaultParameters, ws.StateServerSide)
		cfg.Deflater = wsflate.NewSender(wsflate.DefaultParameters, ws.StateServerSide, nil)
	}
	c := wsutil.NewProtocol(cfg)
	in, out := make([]byte, options().buffer()), make([]byte, 0, options().buffer())
	for {
		n, err := conn.Read(in)
		if err != nil {
			return
		}
		if out, err = answer(c, out[:0], in[:n]); err != nil {
			return
		}
		if _, err = conn.Write(out); err != nil {
			return
		}
	}
}

// answer appends the output for the frames that p completes.
func answer(c *wsutil.Protocol, out, p []byte) ([]byte, error) {
	for len(p) > 0 {
		ev, n, err := c.NextMessage(p)
		if err != nil {
			return out, nil // incomplete, or the connection ends with the next read
		}
		p = p[n:]
		switch ev.OpCode {
		case ws.OpText, ws.OpBinary:
			out, err = c.AppendMessage(out, ev.OpCode, ev.Payload)
		case ws.OpPing:
			out, err = c.AppendPong(out, ev.Payload)
		}
		if err != nil {
			return out, err
		}
	}
	return out, nil
}

// wskitServer is a server that calls echo with each connection after the
// handshake.
func wskitServer(name string, deflate bool, echo func(net.Conn, ws.Handshake)) Library {
	return Library{
		Name:    name,
		Deflate: deflate,
		Raw: func(conn net.Conn) (Loop, error) {
			hs, err := ws.Upgrader{Negotiate: negotiate()}.Upgrade(conn)
			return func() { echo(conn, hs) }, err
		},
		HTTP: func(w http.ResponseWriter, r *http.Request) (Loop, error) {
			conn, _, hs, err := ws.HTTPUpgrader{Negotiate: negotiate()}.Upgrade(r, w)
			return func() { echo(conn, hs) }, err
		},
	}
}

// negotiate returns the callback for permessage-deflate without context
// takeover, or nil if the options do not ask for it.
func negotiate() func(httphead.Option) (httphead.Option, error) {
	if !options().Deflate {
		return nil
	}
	e := &wsflate.Extension{Parameters: wsflate.DefaultParameters, Adaptive: true}
	return e.Negotiate
}
