package wstest

import (
	"net"
	"testing"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// PairOptions configure [Pair]. The zero value and nil mean the defaults.
type PairOptions struct {
	// Pipe configures the bytes between the two ends: latency, and how they are
	// cut.
	Pipe PipeOptions

	// ClientFault and ServerFault make the connection of one side fail. nil
	// means no fault.
	ClientFault, ServerFault *Fault

	// Compression is the negotiated compression. nil means no compression.
	Compression *wsflate.Parameters

	// Subprotocol is the negotiated subprotocol. Empty means none.
	Subprotocol string

	// Client and Server are the options of each side.
	Client, Server websocket.ConnOptions
}

// Pair returns the two ends of a WebSocket connection in memory, after its
// handshake. It is for tests of programs that use a connection. Both ends are
// closed when the test ends. In a testing/synctest bubble, latencies and
// timeouts take no time.
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

// NewPair is [Pair] without a test. It returns an error if a group in the
// options is shutting down.
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
