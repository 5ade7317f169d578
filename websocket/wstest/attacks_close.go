package wstest

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"sync"
	"time"

	"github.com/wskit/wskit/ws"
)

// closeAndMore is a close frame with a ping after it, to be sent in one
// segment.
func closeAndMore() []byte {
	p := ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, ""))))
	return ws.AppendFrame(p, ws.MaskFrame(ws.NewPingFrame([]byte("after the close frame"))))
}

// readClose reads until the close frame of the server.
func readClose(c net.Conn) error {
	for {
		f, err := ws.ReadFrame(c)
		if err != nil || f.Header.OpCode == ws.OpClose {
			return err
		}
	}
}

// afterClose sends bytes after the close frame, in the same segment. After the
// server has echoed the close frame, it must end its direction before the
// attacker does anything else.
func afterClose(ctx context.Context, a *attacker) error {
	return a.each(ctx, a.open, func(_ context.Context, c net.Conn) error {
		if _, err := c.Write(closeAndMore()); err != nil {
			return err
		}
		c.SetReadDeadline(time.Now().Add(a.o.Patience / 4))
		if err := readClose(c); err != nil {
			return fmt.Errorf("%w: the close frame is not echoed: %w", errHarm, err)
		}
		patience := a.o.Patience / 20
		c.SetReadDeadline(time.Now().Add(patience))
		switch n, err := c.Read(make([]byte, 1)); {
		case n > 0:
			return fmt.Errorf("%w: the server sends more after its close frame", errHarm)
		case errors.Is(err, os.ErrDeadlineExceeded):
			return fmt.Errorf("%w: the server keeps its direction open for more than %v after its close frame", errHarm, patience)
		}
		return nil
	})
}

// lingering is the number of connections that each attacker leaves waiting for
// the end of TCP. maxLingering is the maximum number of bytes that each of them
// may hold in addition to what an open connection holds.
const (
	lingering    = 10
	maxLingering = 24 << 10
)

// linger ends connections with a close frame and a byte after it, and then
// neither reads nor closes. It measures while all of them wait.
func linger(ctx context.Context, a *attacker) error {
	var (
		mu    sync.Mutex
		conns []net.Conn
	)
	defer func() {
		for _, c := range conns {
			c.Close()
		}
	}()
	err := a.each(ctx, a.open, func(ctx context.Context, c net.Conn) error {
		for range lingering {
			c, err := a.open(ctx)
			if err != nil {
				return err
			}
			mu.Lock()
			conns = append(conns, c)
			mu.Unlock()
		}
		return nil
	})
	if err != nil || len(conns) == 0 {
		return err
	}
	before := a.atRest()
	deadline := time.Now().Add(a.o.Patience / 4)
	for _, c := range conns {
		c.SetDeadline(deadline)
		if _, err := c.Write(closeAndMore()); err == nil {
			readClose(c) // the server may have ended the connection
		}
	}
	if after := a.atRest(); a.o.InProcess && after.heap-before.heap > int64(len(conns)*maxLingering) {
		return fmt.Errorf("%w: a connection that waits for the end of TCP holds %d bytes more than an open one",
			errHarm, (after.heap-before.heap)/int64(len(conns)))
	}
	return nil
}
