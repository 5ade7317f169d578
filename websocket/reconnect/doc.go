// Package reconnect keeps a client connected to a WebSocket server: it dials, hands
// the connection to a handler, and dials again when the connection is lost.
//
//	client := reconnect.New("wss://feed.example/prices", &reconnect.Options{
//		OnConnect: subscribe, // again on each connection
//	})
//	err := client.Run(ctx, func(ctx context.Context, conn *websocket.Conn) error {
//		for msg, err := range conn.Messages(ctx) {
//			if err != nil {
//				return err // Run decides whether to dial again
//			}
//			show(msg.Data)
//		}
//		return nil // never
//	})
//
// # When it dials again
//
// Run dials again after an error for which [websocket.Retryable] is true: the server
// is away, restarts or is overloaded, or the network is. It gives up after every
// other error, such as status 404 or close code 1008, at the limits of [Options], and
// when the context ends. [GaveUpError] says why, and wraps the last error.
//
// The pauses between attempts grow from attempt to attempt. Each is random between
// zero and a limit that doubles ("full jitter"), so that the clients of a server that
// restarts do not come back at the same moment. If the server asks for a pause with
// Retry-After, that comes on top. After a connection that has lasted, the pauses
// begin anew.
//
// # Messages while away
//
// [Client.Send] queues a message, and returns at once. What is queued is sent in order
// while there is a connection, after OnConnect has returned. The queue is bounded. By
// default a message is sent at most once: the one that was being written when the
// connection was lost is dropped, and [Options].OnDrop is told, since nobody knows how
// much of it has arrived. With [Options].Resend it is sent again on the next connection,
// and may arrive twice. Neither says that the server has read the message, as what was
// written may be lost on its way: only an answer of the server says that.
//
// The package works in browsers, too.
package reconnect
