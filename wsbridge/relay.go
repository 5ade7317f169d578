package wsbridge

import (
	"cmp"
	"context"
	"errors"
	"io"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// relay forwards messages between two sides with different compression. It
// decodes and encodes each message as it arrives. It reports whether the client
// got a close frame.
func (b *bridge) relay(front io.ReadWriteCloser, hs ws.Handshake) (clean bool) {
	opts := &websocket.ConnOptions{ReadLimit: cmp.Or(b.h.ReadLimit, defaultReadLimit), CloseTimeout: b.h.CloseTimeout}
	if s, ok := front.(handlerStream); ok {
		front = s.Stream // package websocket knows this type
	}
	client, err := websocket.NewConn(front, nil, hs, ws.StateServerSide, opts)
	if err != nil {
		b.back.Close()
		return false
	}
	defer client.CloseNow()
	backend, err := websocket.NewConn(b.back, nil, b.agreed, ws.StateClientSide, opts)
	if err != nil {
		client.Close(websocket.StatusInternalError, "")
		return true
	}
	defer backend.CloseNow()
	end := func(reason string) {
		go client.Close(websocket.StatusGoingAway, reason)
		backend.Close(websocket.StatusGoingAway, reason)
	}
	b.h.open.begin(b, func() { end("shutdown") }, func() {
		client.CloseNow()
		backend.CloseNow()
	})
	active := func() {}
	if d := b.h.idleTimeout(); d > 0 {
		idle := time.AfterFunc(d, func() { end("idle") })
		defer idle.Stop()
		active = func() { idle.Reset(d) }
	}
	var both sync.WaitGroup
	both.Go(func() { copyMessages(backend, client, active) })
	both.Go(func() { copyMessages(client, backend, active) })
	both.Wait()
	return client.CloseRecord().Sent != 0
}

// copyMessages forwards messages until one side ends, and then forwards the
// end.
func copyMessages(to, from *websocket.Conn, active func()) {
	p := make([]byte, smallBuffer)
	for {
		err := copyMessage(to, from, p)
		active()
		if err == nil {
			continue
		}
		closed, ok := errors.AsType[websocket.CloseError](err)
		switch {
		case ok:
			to.Close(closed.Code, closed.Reason)
		case errors.Is(err, websocket.ErrMessageTooBig) || websocket.CloseStatus(err) != -1:
			to.Close(websocket.StatusGoingAway, "")
		default:
			to.CloseNow()
			from.CloseNow()
		}
		return
	}
}

func copyMessage(to, from *websocket.Conn, p []byte) error {
	ctx := context.Background()
	typ, r, err := from.Reader(ctx)
	if err != nil {
		return err
	}
	w, err := to.Writer(ctx, typ)
	if err != nil {
		return err
	}
	if _, err = io.CopyBuffer(w, r, p); err != nil {
		return err
	}
	return w.Close()
}
