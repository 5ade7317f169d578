package conformance

import (
	"context"

	"github.com/wskit/wskit/examples/driver"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// Clients returns all client assemblies. They accept messages of up to limit
// bytes.
func Clients(limit int64) []Assembly {
	off, takeover, none := websocket.CompressionDisabled, websocket.CompressionContextTakeover, websocket.CompressionNoContextTakeover
	return []Assembly{
		{Name: "wsutil's helpers", Dial: dialHelpers(limit)},
		{Name: "wsutil.Protocol", Dial: dialDriver(false, limit)},
		{Name: "wsutil.Protocol and wsflate", Compresses: true, Dial: dialDriver(true, limit)},
		{Name: "websocket", Dial: dial(off, limit), excuse: netHTTP},
		{Name: "websocket, takeover", Compresses: true, Dial: dial(takeover, limit), excuse: netHTTP},
		{Name: "websocket, no takeover", Compresses: true, Dial: dial(none, limit), excuse: netHTTP},
	}
}

func dialHelpers(limit int64) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		conn, _, _, err := ws.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close()
		for m, err := range wsutil.Data(conn, ws.StateClientSide, limit) {
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
}

func dialDriver(compress bool, limit int64) func(context.Context, string) error {
	return func(ctx context.Context, url string) error {
		c, err := driver.Dial(ctx, url, driverOptions(compress, limit))
		if err == nil {
			c.Run(ctx, driver.Echo)
		}
		return err
	}
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
