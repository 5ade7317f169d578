package driver

import (
	"cmp"
	"context"
	"errors"
	"io"
	"net"
	"sync"
	"time"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Options configure either side. The zero value is ready to use.
type Options struct {
	wsutil.Config // limits and timeouts; New sets State, Now, Inflater and Deflater

	Compress     bool // negotiate permessage-deflate
	Sender       wsflate.SenderConfig
	WriteTimeout time.Duration // of each frame; 0 means 10 s
}

const mostRefused = 256 << 10 // bytes dropped after a refused request

// Accept performs the server handshake on conn within
// ws.DefaultHandshakeTimeout. If it fails, it closes conn.
func Accept(conn net.Conn, o Options) (*Conn, error) {
	extension := wsflate.Extension{Adaptive: true}
	var upgrader ws.Upgrader
	if o.Compress {
		upgrader.Negotiate = extension.Negotiate
	}
	if _, err := upgrader.Upgrade(conn); err != nil {
		if half, ok := conn.(writeCloser); ok { // lets the client read the refusal
			half.CloseWrite()
			conn.SetReadDeadline(time.Now().Add(wsutil.LingerTime))
			io.CopyN(io.Discard, conn, mostRefused)
		}
		return nil, errors.Join(err, conn.Close())
	}
	agreed, ok := extension.Accepted()
	return New(conn, nil, ws.StateServerSide, agreed, ok, o), nil
}

// Dial opens a connection to a server.
func Dial(ctx context.Context, url string, o Options) (*Conn, error) {
	offer := wsflate.Parameters{ClientMaxWindowBits: wsflate.AnyWindowBits}
	var dialer ws.Dialer
	if o.Compress {
		dialer.Extensions = []httphead.Option{offer.Option()}
	}
	conn, _, hs, err := dialer.Dial(ctx, url)
	if err != nil {
		return nil, err
	}
	compress := len(hs.Extensions) > 0
	if compress {
		if offer, err = offer.Confirm(hs.Extensions[0]); err != nil {
			return nil, errors.Join(err, conn.Close())
		}
	}
	return New(conn, nil, ws.StateClientSide, offer, compress, o), nil
}

// New returns a connection after its handshake. received holds the bytes after
// the handshake.
func New(conn net.Conn, received []byte, side ws.State, agreed wsflate.Parameters, compress bool, o Options) *Conn {
	o.State, o.Now = side, 0
	if compress {
		o.Inflater, o.Deflater = wsflate.NewReceiver(agreed, side), wsflate.NewSender(agreed, side, &o.Sender)
	}
	c := &Conn{conn: conn, begin: time.Now(), in: received, timeout: cmp.Or(o.WriteTimeout, 10*time.Second)}
	c.half, _ = conn.(writeCloser)
	c.protocol.Reset(&o.Config)
	return c
}

// Echo is a handler that echoes every message.
func Echo(c *Conn, m wsutil.Event) { c.Send(m.OpCode, m.Payload) }

// Serve accepts connections on ln, and runs each on a goroutine. When ctx ends
// it closes ln, waits for the connections and returns nil.
func Serve(ctx context.Context, ln net.Listener, o Options, handle func(*Conn, wsutil.Event)) error {
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	var open sync.WaitGroup
	defer open.Wait()
	for {
		conn, err := ln.Accept()
		switch {
		case err == nil:
			open.Go(func() {
				if c, err := Accept(conn, o); err == nil {
					c.Run(ctx, handle)
				}
			})
		case ctx.Err() != nil:
			return nil
		case errors.Is(err, net.ErrClosed):
			return err
		default: // maybe out of descriptors: retry when connections have ended
			time.Sleep(50 * time.Millisecond)
		}
	}
}
