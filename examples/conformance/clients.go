package conformance

import (
	"bufio"
	"context"
	"net"

	"github.com/gobwas/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Clients returns all assemblies that dial. They take messages of up to limit bytes.
func Clients(limit int64) []Assembly {
	off, takeover, none := websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover
	return []Assembly{
		{Name: "wsutil's helpers", Dial: dialer(dialHelpers, limit)},
		{Name: "wsutil.Protocol", Dial: dialer(dialProtocol, limit)},
		{Name: "wsutil.Protocol and wsflate", Compresses: true, Dial: dialer(dialCompressing, limit)},
		{Name: "websocket", Dial: dial(off, limit), excuse: netHTTP},
		{Name: "websocket, takeover", Compresses: true, Dial: dial(takeover, limit), excuse: netHTTP},
		{Name: "websocket, no takeover", Compresses: true, Dial: dial(none, limit), excuse: netHTTP},
	}
}

func dialer(dial func(context.Context, string, int64) error, limit int64) func(context.Context, string) error {
	return func(ctx context.Context, url string) error { return dial(ctx, url, limit) }
}

// connection reads what came behind the handshake, if something did, and then the rest.
type connection struct {
	net.Conn
	r *bufio.Reader
}

func (c connection) Read(p []byte) (int, error) {
	if c.r != nil {
		return c.r.Read(p)
	}
	return c.Conn.Read(p)
}

func dialHelpers(ctx context.Context, url string, limit int64) error {
	conn, br, _, err := ws.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	rw := connection{conn, br}
	for m, err := range wsutil.Data(rw, ws.StateClientSide, limit) {
		if err != nil {
			break
		}
		if err := wsutil.WriteClientMessage(conn, m.OpCode, m.Payload); err != nil {
			return err
		}
	}
	linger(conn)
	return nil
}

func dialProtocol(ctx context.Context, url string, limit int64) error {
	conn, br, _, err := ws.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	pump(conn, connection{conn, br}, wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide, MaxMessage: limit}), nil)
	return nil
}

func dialCompressing(ctx context.Context, url string, limit int64) error {
	offer := wsflate.Parameters{ClientMaxWindowBits: 15}
	d := ws.Dialer{Extensions: []httphead.Option{offer.Option()}}
	conn, br, hs, err := d.Dial(ctx, url)
	if err != nil {
		return err
	}
	defer conn.Close()
	cfg := &wsutil.Config{State: ws.StateClientSide, MaxMessage: limit}
	var flate *codec
	if len(hs.Extensions) > 0 {
		agreed, err := offer.Confirm(hs.Extensions[0])
		if err != nil {
			return err
		}
		cfg.State |= ws.StateRSV1
		flate = newCodec(agreed, ws.StateClientSide, limit)
	}
	pump(conn, connection{conn, br}, wsutil.NewProtocol(cfg), flate)
	return nil
}

func dial(mode websocket.CompressionMode, limit int64) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		c, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{
			CompressionMode: mode, ConnOptions: websocket.ConnOptions{ReadLimit: limit},
		})
		if err == nil {
			echoConn(ctx, c)
		}
		return err
	}
}
