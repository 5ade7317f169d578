package serve

import (
	"context"
	"fmt"
	"net"
	"net/http"
	"os/exec"
	"time"

	"github.com/wskit/wskit/cmd/internal/bridge"
	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/words"
	"github.com/wskit/wskit/websocket"
)

// checkBridges checks --exec and --tcp.
func (o *options) checkBridges() (err error) {
	if o.tcp != "" {
		if _, _, err := connect.Address("--tcp", o.tcp); err != nil {
			return err
		}
	}
	if o.exec == "" {
		return nil
	}
	if o.command, err = words.Split(o.exec); err != nil {
		return exit.Usagef("--exec: %w", err)
	}
	if len(o.command) == 0 {
		return exit.Usagef("--exec: the command is empty")
	}
	if _, err := exec.LookPath(o.command[0]); err != nil {
		return exit.Usagef("--exec: %w", err)
	}
	return nil
}

// endpoints returns the paths of the WebSockets that are served.
func (o *options) endpoints() []string {
	list := []string{"echo", "chat", "broadcast"}
	if o.withHub {
		list = append(list, "hub")
	}
	if o.exec != "" {
		list = append(list, "exec")
	}
	if o.tcp != "" {
		list = append(list, "tcp")
	}
	return list
}

// grace is how long a command of --exec may run after its connection has ended.
const grace = 2 * time.Second

// run bridges a connection to a process.
func (s *server) run(_ context.Context, conn *websocket.Conn, r *http.Request) error {
	defer s.processes.Add(-1)
	if n := s.processes.Add(1); s.maxProcesses > 0 && n > int64(s.maxProcesses) {
		return conn.Close(websocket.StatusTryAgainLater, "there are as many processes as are allowed")
	}
	log := s.log.With("endpoint", "exec", "remote", r.RemoteAddr)
	p := &bridge.Process{
		Args: s.command, Binary: s.binary, MaxLine: s.maxMessage, Grace: grace,
		Log: func(line string) { log.Warn("stderr", "line", line) },
	}
	return p.Run(conn)
}

// connectTimeout is the time limit for connecting to the server of --tcp.
const connectTimeout = 10 * time.Second

// connect bridges a connection to a TCP connection or a Unix socket.
func (s *server) connect(ctx context.Context, conn *websocket.Conn, _ *http.Request) error {
	network, addr, err := connect.Address("--tcp", s.tcp)
	if err != nil {
		return err
	}
	stream, err := (&net.Dialer{Timeout: connectTimeout}).DialContext(ctx, network, addr)
	if err != nil {
		conn.Close(websocket.StatusBadGateway, "the server behind the bridge cannot be reached")
		return fmt.Errorf("--tcp: %w", err)
	}
	return bridge.Stream(conn, stream, !s.noHalfClose)
}
