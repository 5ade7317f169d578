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

// NewConn returns the connection over rwc, whose handshake [ws.Upgrade], [ws.Dial],
// [ws.UpgradeHTTP] or their like have done: hs is what they agreed on, br what they read
// behind it, and may be nil. side is [ws.StateServerSide] or [ws.StateClientSide].
// opts may be nil.
//
// rwc is any stream of bytes. Where it has SetReadDeadline and SetWriteDeadline, as a
// [net.Conn] has, the end of a context between two messages leaves the connection usable.
// Its Close should end what reads and writes are under way: see [Conn.Close] for one that does
// not. The connection owns rwc from then on. If hs names an extension other than
// permessage-deflate, side is none, or the group of the options is shutting down, NewConn
// closes rwc and returns an error.
func NewConn(rwc io.ReadWriteCloser, br *bufio.Reader, hs ws.Handshake, side ws.State, opts *ConnOptions) (*Conn, error) {
	if opts == nil {
		opts = new(ConnOptions)
	}
	if rwc == nil {
		return nil, errors.New("websocket: nil transport")
	}
	flate, err := agreedCompression(hs.Extensions)
	if side.ServerSide() == side.ClientSide() {
		err = errors.New("the side is neither that of the server nor that of the client")
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

// agreedCompression returns the parameters of permessage-deflate among the extensions
// that both sides agreed on, nil without it. A connection speaks no other one.
func agreedCompression(extensions []httphead.Option) (*wsflate.Parameters, error) {
	if len(extensions) == 0 {
		return nil, nil
	}
	if len(extensions) > 1 || string(extensions[0].Name) != wsflate.ExtensionName {
		return nil, fmt.Errorf("cannot speak the extensions agreed on, %q", extensions)
	}
	p := new(wsflate.Parameters)
	if err := p.Parse(extensions[0]); err != nil {
		return nil, err
	}
	return p, nil
}

// openConn starts the connection and has it join its group. If that was shut down during the
// handshake, the peer is told so.
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
	case <-c.Done(): // and may have left before it joined
		g.remove(c)
	default:
	}
	return c, nil
}

// turnAway closes a connection that nobody gets to see. The peer has until ctx ends to take
// part in that, and not for long: the caller waits for its error.
func (c *Conn) turnAway(ctx context.Context, code StatusCode, reason string) {
	c.limitClosing(wsutil.LingerTime)
	defer context.AfterFunc(ctx, func() {
		defer c.guard()
		c.CloseNow()
	})()
	c.Close(code, reason)
}
