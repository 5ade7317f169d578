package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// echoClient is a client under test: its argument is the URL of the suite.
func echoClient() {
	if err := drive(os.Args[1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func drive(base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return wstest.DriveClient(ctx, base, 8, func(ctx context.Context, url string) error {
		conn, _, err := websocket.Dial(ctx, url, nil)
		if err != nil {
			return err
		}
		defer conn.CloseNow()
		conn.SetReadLimit(-1)
		for m, err := range conn.Messages(ctx) {
			if err != nil {
				return err
			}
			if err := conn.Write(ctx, m.Type, m.Data); err != nil {
				return err
			}
		}
		return nil
	})
}

// connectClient is a client that comes by itself to the wskit check at $FREE, as soon as
// that is there.
func connectClient(ts *testscript.TestScript, _ bool, _ []string) {
	for range 1000 {
		err := drive("ws://" + ts.Getenv("FREE"))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			ts.Check(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("wskit check never listens")
}
