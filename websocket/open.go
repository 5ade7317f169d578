package websocket

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"io"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// NewConn returns a connection over rwc after a handshake by [ws.Upgrade],
// [ws.Dial], [ws.UpgradeHTTP] or a similar function. hs is the result of the
// handshake. br holds data that was read after it, and may be nil. side is
// [ws.StateServerSide] or [ws.StateClientSide]. opts may be nil.
//
// rwc is any stream of bytes. If it has SetReadDeadline and SetWriteDeadline,
// as a [net.Conn] has, a context that ends between two messages leaves the
// connection usable. The Close method of rwc should end pending reads and
// writes: [Conn.Close] describes what happens if it does not. The connection
// owns rwc. NewConn closes rwc and returns an error if hs has an extension
// other than permessage-deflate, if side is invalid, or if the group in opts is
// shutting down.
func NewConn(rwc io.ReadWriteCloser, br *bufio.Reader, hs ws.Handshake, side ws.State, opts *ConnOptions) (*Conn, error) {
	if opts == nil {
		opts = new(ConnOptions)
	}
	if rwc == nil {
		return nil, errors.New("websocket: nil transport")
	}
	flate, err := agreedCompression(hs.Extensions)
	if side.ServerSide() == side.ClientSide() {
		err = errors.New("invalid side: want ws.StateServerSide or ws.StateClientSide")
	}
	if err != nil {
		rwc.Close()
		return nil, fmt.Errorf("websocket: %w", err)
	}
	transport, received := ws.Detach(rwc, br)
	c, err := openConn(context.Background(), &connConfig{
		transport:   transport,
		received:    received,
		client:      side.ClientSide(),
		subprotocol: hs.Protocol,
		flate:       flate,
		threshold:   threshold(0, flate, side.ClientSide()),
		ConnOptions: *opts,
	})
	if err != nil {
		return nil, fmt.Errorf("websocket: %w", err)
	}
	return c, nil
}

// agreedCompression returns the parameters of permessage-deflate in the
// negotiated extensions, or nil. A Conn does not support other extensions.
func agreedCompression(extensions []httphead.Option) (*wsflate.Parameters, error) {
	if len(extensions) == 0 {
		return nil, nil
	}
	if len(extensions) > 1 || string(extensions[0].Name) != wsflate.ExtensionName {
		return nil, fmt.Errorf("unsupported extensions were negotiated: %q", extensions)
	}
	p := new(wsflate.Parameters)
	if err := p.Parse(extensions[0]); err != nil {
		return nil, err
	}
	return p, nil
}

// openConn starts the connection and adds it to its group. If the group was
// shut down during the handshake, it tells the peer.
func openConn(ctx context.Context, cfg *connConfig) (*Conn, error) {
	c := newConn(*cfg)
	if c.observed() {
		c.tellOpened(cfg.began)
	}
	g := cfg.Group
	if g == nil {
		return c, nil
	}
	if !g.add(c) {
		c.turnAway(ctx, g.code(), g.Reason)
		return nil, ErrGroupClosed
	}
	select {
	case <-c.Done(): // it may have left before it joined
		g.remove(c)
	default:
	}
	return c, nil
}

// turnAway closes a connection that the caller never gets. The peer has a short
// time, at most until ctx ends, to take part in the closing handshake.
func (c *Conn) turnAway(ctx context.Context, code StatusCode, reason string) {
	c.limitClosing(wsutil.LingerTime)
	defer context.AfterFunc(ctx, func() {
		defer c.guard()
		c.CloseNow()
	})()
	c.Close(code, reason)
}
