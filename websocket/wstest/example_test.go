package wstest_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// RunServer tests an echo server.
func ExampleRunServer() {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go echo(conn)
		}
	}()

	report, err := wstest.RunServer(context.Background(), "ws://"+ln.Addr().String()+"/", &wstest.Options{
		Filter: "^(length|utf8/valid)/",
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Failed(), "failed")
	// Output: 0 failed
}

func echo(conn net.Conn) {
	defer conn.Close()
	if _, err := ws.Upgrade(conn); err != nil {
		return
	}
	for m, err := range wsutil.Data(conn, ws.StateServerSide, 0) {
		if err != nil || wsutil.WriteServerMessage(conn, m.OpCode, m.Payload) != nil {
			return
		}
	}
}

// DriveClient implements the client's part of the suite's protocol. The
// function opens one connection and echoes messages until the connection ends.
func ExampleRunClient() {
	client := func(ctx context.Context, url string) error {
		conn, _, _, err := ws.Dial(ctx, url)
		if err != nil {
			return err
		}
		defer conn.Close()
		for m, err := range wsutil.Data(conn, ws.StateClientSide, 0) {
			if err != nil {
				return err
			}
			if err := wsutil.WriteClientMessage(conn, m.OpCode, m.Payload); err != nil {
				return err
			}
		}
		return nil
	}
	ctx := context.Background()
	report, err := wstest.RunClient(ctx, func(base string) error {
		return wstest.DriveClient(ctx, base, 8, client)
	}, &wstest.Options{Filter: "^(response/accept|ping)/"})
	if err != nil {
		fmt.Println(err)
		return
	}
	fmt.Println(report.Failed(), "failed")
	// Output: 0 failed
}

// RunAttacks attacks a server in two ways. In a test, use [wstest.TestAttacks].
func ExampleRunAttacks() {
	ln := wstest.Listen(nil)
	defer ln.Close()
	go func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			go echo(conn)
		}
	}()

	results, err := wstest.RunAttacks(context.Background(), "ws://server.example/", &wstest.AttackOptions{
		Filter:      "^(byte-per-packet|declared-length)$",
		Connections: 10,
		Patience:    2 * time.Second,
		Dial:        ln.DialContext,
	})
	if err != nil {
		fmt.Println(err)
		return
	}
	for _, r := range results {
		fmt.Println(r.Name, r.Survived)
	}
	// Output:
	// declared-length true
	// byte-per-packet true
}
