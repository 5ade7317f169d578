package wstest

import (
	"cmp"
	"context"
	"crypto/tls"
	"net"
	"net/http"
	"sync"
	"time"

	"github.com/wskit/wskit/websocket"
)

// Options configure a run. The zero value and nil mean the defaults.
type Options struct {
	// Agent is the name of the implementation in the report. If empty, it is
	// the URL.
	Agent string

	// Filter is a regular expression. Only cases with a matching ID run.
	Filter string

	// Parallel is the number of concurrent cases against a server. 0 means 16.
	// A client chooses its own concurrency.
	Parallel int

	// Timeout is the time limit of each case. 0 means 20 s.
	Timeout time.Duration

	// Quiet is how long the suite waits before it sends a ping to find out
	// whether the peer has ignored a fault. 0 means 1 s. A conforming peer
	// answers earlier, except in the few cases where the RFC lets it wait for
	// more bytes.
	Quiet time.Duration

	// NoEcho says that the server does not echo messages. The cases that need
	// an echo are skipped; those about handshakes, control frames and faults
	// remain.
	NoEcho bool

	// MaxMessage is the maximum message size of the peer in bytes. Cases with
	// larger messages are skipped, and other cases test that the limit is
	// enforced. 0 means 16 MiB and no such cases.
	MaxMessage int64

	// RequireCompression makes cases fail instead of skip if the peer does not
	// support permessage-deflate.
	RequireCompression bool

	// Header is added to the request of each handshake with a server: for
	// example, credentials.
	Header http.Header

	// TLS is the configuration for wss URLs. nil means the defaults.
	TLS *tls.Config

	// Dial opens a connection to a server. nil means net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Transport, if not nil, opens an HTTP/2 or HTTP/3 stream to a server for
	// each case, instead of Dial and TLS. Cases about HTTP/1.1 handshakes are
	// skipped. Cases about streams, "stream/…", run only with a Transport.
	Transport websocket.Transport

	// Listener is where the suite listens for a client under test. RunClient
	// closes it. nil means a free port on the loopback interface.
	Listener net.Listener

	// Serve, if not nil, starts an HTTP/2 or HTTP/3 server with the handler for
	// a client under test, instead of Listener. It returns the base URL for the
	// client and a function that stops the server, which is called after all
	// handlers have returned. The handler accepts extended CONNECT (RFC 8441,
	// RFC 9220) for any path. Cases about HTTP/1.1 handshakes are skipped.
	Serve func(handler http.Handler) (url string, stop func(), err error)

	// OnResult, if not nil, is called once with the result of each case when
	// the case ends. Calls are not concurrent, and the cases wait for them.
	OnResult func(Result)
}

func (o *Options) orDefaults() *Options {
	if o == nil {
		o = &Options{}
	}
	c := *o
	c.Parallel = cmp.Or(c.Parallel, 16)
	c.Timeout = cmp.Or(c.Timeout, 20*time.Second)
	c.Quiet = min(cmp.Or(c.Quiet, time.Second), c.Timeout/2)
	if c.Dial == nil {
		c.Dial = new(net.Dialer).DialContext
	}
	return &c
}

// teller returns OnResult with a lock.
func (o *Options) teller() func(Result) {
	if o.OnResult == nil {
		return func(Result) {}
	}
	var one sync.Mutex
	return func(r Result) {
		one.Lock()
		defer one.Unlock()
		o.OnResult(r)
	}
}

func (o *Options) maxMessage() int64 { return cmp.Or(o.MaxMessage, 16<<20) }
