package dial

import (
	"context"
	"errors"
	"fmt"
	"net"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/bridge"
	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket"
)

// maxForwarded is how many connections --tcp-listen serves concurrently. More
// wait to be accepted.
const maxForwarded = 1024

// forward opens a WebSocket for each connection to --tcp-listen, until ctx
// ends.
func (c *client) forward(ctx context.Context) error {
	network, addr, err := connect.Address("--tcp-listen", c.tcpListen)
	if err != nil {
		return err
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w: choose another --tcp-listen", err)
	}
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	c.printer.status(fmt.Sprintf("listening at %v for %s", ln.Addr(), c.Name(c.url)))
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, maxForwarded)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return nil
		}
		stream, err := ln.Accept()
		switch {
		case ctx.Err() != nil:
			if err == nil {
				stream.Close()
			}
			return nil
		case err != nil: // for example, the process has no free descriptor
			c.printer.status(err.Error())
			time.Sleep(100 * time.Millisecond)
			<-slots
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			if err := c.bridge(ctx, stream); err != nil && !exit.Silent(err) {
				c.printer.status(err.Error())
			}
		})
	}
}

// bridge opens a WebSocket for a connection and connects the two.
func (c *client) bridge(ctx context.Context, stream net.Conn) error {
	conn, err := c.connect(ctx)
	if err != nil {
		stream.Close()
		return err
	}
	defer context.AfterFunc(ctx, func() { conn.Close(websocket.StatusGoingAway, "interrupted") })()
	err = bridge.Stream(conn, stream, !c.noHalfClose)
	closed, ok := errors.AsType[websocket.CloseError](err)
	if ok && closed.Code != websocket.StatusNormalClosure && ctx.Err() == nil {
		return fmt.Errorf("the server closed the connection: %s", closeText(closed))
	}
	return nil
}
