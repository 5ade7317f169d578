package reconnect

import (
	"bufio"
	"context"
	"fmt"
	"net"
	"net/http"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
)

// The environment of a process of the test that is a server.
const (
	serverMode    = "WSKIT_TEST_SERVER_MODE"
	serverAddress = "WSKIT_TEST_SERVER_ADDRESS"
)

// serveProcess serves at an address until it is killed, and prints the address, and a line
// for each request.
func serveProcess(mode, address string) {
	var l net.Listener
	for until := time.Now().Add(10 * time.Second); ; time.Sleep(10 * time.Millisecond) {
		var err error
		if l, err = net.Listen("tcp", address); err == nil {
			break
		} else if time.Now().After(until) {
			fmt.Println(err)
			return
		}
	}
	fmt.Println(l.Addr())
	http.Serve(l, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		fmt.Println("request")
		switch mode {
		case "handshake":
			select {}
		case "message":
			conn, err := websocket.Accept(w, r, nil)
			for err == nil {
				err = conn.Write(r.Context(), websocket.MessageBinary, make([]byte, 10_000))
			}
		}
		echo(w, r)
	}))
}

// startServer starts a process, and returns its lines.
func startServer(t *testing.T, mode, address string) (kill func(), lines *bufio.Scanner) {
	cmd := exec.Command(os.Args[0])
	cmd.Env = append(os.Environ(), serverMode+"="+mode, serverAddress+"="+address)
	cmd.Stderr = os.Stderr
	out, err := cmd.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, cmd.Start())
	killed := false
	kill = func() {
		if !killed {
			killed = true
			cmd.Process.Kill()
			cmd.Wait()
		}
	}
	t.Cleanup(kill)
	return kill, bufio.NewScanner(out)
}

// A process that is killed, and started again at the same address.
func TestProcessKilled(t *testing.T) {
	if runtime.GOOS == "js" || runtime.GOOS == "wasip1" {
		t.Skip("no processes")
	}
	for _, mode := range []string{"idle", "handshake", "message"} {
		t.Run(mode, func(t *testing.T) {
			kill, lines := startServer(t, mode, "127.0.0.1:0")
			require.True(t, lines.Scan())
			address := lines.Text()
			again := make(chan struct{})
			c := New("ws://"+address, &Options{
				MinDelay: time.Millisecond,
				MaxDelay: 50 * time.Millisecond,
				OnConnect: func(ctx context.Context, conn *websocket.Conn) error {
					return conn.Write(ctx, websocket.MessageText, []byte("hello"))
				},
			})
			ctx, cancel := context.WithTimeout(t.Context(), time.Minute)
			defer cancel()
			ran := make(chan error, 1)
			go func() {
				ran <- c.Run(ctx, func(ctx context.Context, conn *websocket.Conn) error {
					for {
						m, p, err := conn.Read(ctx)
						if err != nil {
							return err
						}
						select {
						case <-again:
							if m == websocket.MessageText && strings.HasPrefix(string(p), "hello") {
								return nil
							}
						default:
						}
					}
				})
			}()
			require.True(t, lines.Scan()) // the request
			kill()
			close(again)
			startServer(t, "echo", address)
			require.NoError(t, <-ran)
		})
	}
}
