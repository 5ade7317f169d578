// Package reconnect keeps a client connected to a WebSocket server. It dials,
// passes the connection to a handler, and dials again when the connection is
// lost.
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
// Run dials again after an error for which [websocket.Retryable] is true: the
// server is down, restarts or is overloaded, or the network is down. After any
// other error, such as status 404 or close code 1008, Run returns a
// [GaveUpError]. It also does so when a limit of [Options] is reached or the
// context ends. GaveUpError holds the reason and wraps the last error.
//
// The pauses between attempts grow. Each is random between zero and a limit
// that doubles ("full jitter"), so that the clients of a server that restarts
// do not all reconnect at the same time. A pause that the server requests with
// Retry-After is added. After a stable connection, the pauses start again from
// the beginning.
//
// # Messages while disconnected
//
// [Client.Send] queues a message and returns at once. Queued messages are sent
// in order while there is a connection, after OnConnect has returned. The queue
// is bounded. By default a message is sent at most once: if the connection is
// lost while a message is being written, the message is dropped and
// [Options].OnDrop is called, because it is unknown how much of it has arrived.
// With [Options].Resend it is sent again on the next connection, and may arrive
// twice. In both cases, a successful write does not show that the server has
// read the message. Only an answer of the server shows that.
//
// The package also works in browsers.
package reconnect
