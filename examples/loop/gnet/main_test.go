package main

import (
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
	"github.com/wskit/wskit/examples/loop/looptest"
	"github.com/wskit/wskit/websocket"
)

func TestGnet(t *testing.T) {
	addr := program.Start(t, run)
	require.Eventually(t, func() bool { // gnet listens
		c, _, err := websocket.Dial(t.Context(), "ws://"+addr, nil)
		return err == nil && c.CloseNow() == nil
	}, 20*time.Second, time.Millisecond)
	looptest.Test(t, addr)
}
