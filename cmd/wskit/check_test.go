package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"errors"
	"fmt"
	"os"
	"syscall"
	"time"

	"github.com/rogpeppe/go-internal/testscript"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsh2"
	"github.com/wskit/wskit/wsh3"
)

// echoClient is a client under test: echoclient [http2|http3 CA] URL.
func echoClient() {
	var t websocket.Transport
	if len(os.Args) == 4 {
		config := &tls.Config{RootCAs: x509.NewCertPool()}
		if pem, err := os.ReadFile(os.Args[2]); err == nil {
			config.RootCAs.AppendCertsFromPEM(pem)
		}
		t = &wsh2.Transport{Dialer: ws.Dialer{TLSConfig: config}, Cleartext: true}
		if os.Args[1] == "http3" {
			t = &wsh3.Transport{TLSConfig: config}
		}
	}
	if err := drive(t, os.Args[len(os.Args)-1]); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// drive is a client over t, or over HTTP/1.1 if that is nil.
func drive(t websocket.Transport, base string) error {
	ctx, cancel := context.WithTimeout(context.Background(), time.Minute)
	defer cancel()
	return wstest.DriveClientOver(ctx, t, base, 8, func(ctx context.Context, url string) error {
		conn, _, err := websocket.Dial(ctx, url, &websocket.DialOptions{Transport: t})
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
		err := drive(nil, "ws://"+ts.Getenv("FREE"))
		if !errors.Is(err, syscall.ECONNREFUSED) {
			ts.Check(err)
			return
		}
		time.Sleep(10 * time.Millisecond)
	}
	ts.Fatalf("wskit check never listens")
}
