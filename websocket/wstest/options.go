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

// Options change a run. The zero value and nil are the defaults.
type Options struct {
	// Agent is the name of what is under test, for the report. Empty means the URL.
	Agent string

	// Filter is a regular expression; only cases whose ID it matches run.
	Filter string

	// Parallel is the number of cases at once against a server; 0 means 16. A client
	// opens as many as it likes.
	Parallel int

	// Timeout bounds each case; 0 means 20 s.
	Timeout time.Duration

	// Quiet is how long the peer may think before the suite asks, with a ping, whether
	// it has swallowed a fault; 0 means 1 s. Conforming peers never make the suite wait that
	// long, except in the few cases where the RFC lets them wait for bytes to come.
	Quiet time.Duration

	// NoEcho says that the server does not send messages back: the cases that need it
	// are skipped, and handshakes, control frames and faults are left.
	NoEcho bool

	// MaxMessage is the largest message in bytes that the peer takes. Cases with larger ones
	// are skipped, and others ask that the limit is kept. 0 means 16 MiB and no such
	// cases.
	MaxMessage int64

	// RequireCompression makes cases that find no permessage-deflate fail, not skip.
	RequireCompression bool

	// Header is added to the request of each handshake with a server: credentials, say.
	Header http.Header

	// TLS is used for wss URLs; nil means the defaults.
	TLS *tls.Config

	// Dial opens the connection to a server; nil means net.Dialer.
	Dial func(ctx context.Context, network, addr string) (net.Conn, error)

	// Transport, if set, opens a stream of HTTP/2 or HTTP/3 to a server for each case, in
	// place of Dial and TLS. The cases about handshakes of HTTP/1.1 are skipped.
	Transport websocket.Transport

	// Listener is where a client under test finds the suite. RunClient closes it. nil
	// means a free port of the loopback interface.
	Listener net.Listener

	// Serve, if set, starts a server of HTTP/2 or HTTP/3 with the handler for a client
	// under test, in place of Listener. It returns the URL that the client begins with
	// and a function that stops the server, which is called when all handlers have
	// returned. The handler takes extended CONNECT (RFC 8441, RFC 9220) for any path. The
	// cases about handshakes of HTTP/1.1 are skipped.
	Serve func(handler http.Handler) (url string, stop func(), err error)

	// OnResult is called with the result of each case, once, as the cases end; nil for
	// nothing. One call ends before the next one begins, and the cases wait for it.
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

// teller returns OnResult for many goroutines.
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
