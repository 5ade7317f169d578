package wstest

import (
	"net"
	"testing"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// PairOptions change what [Pair] returns. The zero value and nil are the defaults.
type PairOptions struct {
	// Pipe shapes the bytes between the two: latency, and how they are chopped.
	Pipe PipeOptions

	// ClientFault and ServerFault make the connection of one side fail; nil for none.
	ClientFault, ServerFault *Fault

	// Compression is what the two have agreed on; nil for no compression.
	Compression *wsflate.Parameters

	// Subprotocol is what the two have agreed on; empty for none.
	Subprotocol string

	// Client and Server are the options of each side.
	Client, Server websocket.ConnOptions
}

// Pair returns the two ends of a WebSocket connection in memory, its handshake done, for
// tests of what speaks over one. Both are closed when the test ends. In a
// testing/synctest bubble, latencies and timeouts take no time.
func Pair(t testing.TB, o *PairOptions) (client, server *websocket.Conn) {
	t.Helper()
	client, server, err := NewPair(o)
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() {
		client.CloseNow()
		server.CloseNow()
	})
	return client, server
}

// NewPair is [Pair] outside of a test. It returns an error if a group that the options
// name is shutting down.
func NewPair(o *PairOptions) (client, server *websocket.Conn, err error) {
	if o == nil {
		o = new(PairOptions)
	}
	hs := ws.Handshake{Protocol: o.Subprotocol}
	if o.Compression != nil {
		hs.Extensions = []httphead.Option{o.Compression.Option()}
	}
	a, b := Pipe(&o.Pipe)
	client, err = websocket.NewConn(inject(a, o.ClientFault), nil, hs, ws.StateClientSide, &o.Client)
	if err != nil {
		b.Close()
		return nil, nil, err
	}
	server, err = websocket.NewConn(inject(b, o.ServerFault), nil, hs, ws.StateServerSide, &o.Server)
	if err != nil {
		client.CloseNow()
		return nil, nil, err
	}
	return client, server, nil
}

func inject(c net.Conn, f *Fault) net.Conn {
	if f == nil {
		return c
	}
	return InjectFault(c, *f)
}
