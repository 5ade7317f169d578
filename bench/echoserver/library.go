package echoserver

import (
	"fmt"
	"net"
	"net/http"
)

// Loop echoes messages until the connection ends.
type Loop func()

// Library is an echo server of a library. Unsupported fields are nil.
type Library struct {
	Name string

	// Raw performs the handshake on a new connection.
	Raw func(conn net.Conn) (Loop, error)

	// HTTP performs the handshake in a handler of net/http.
	HTTP func(w http.ResponseWriter, r *http.Request) (Loop, error)

	// Serve accepts connections itself and does not return. It replaces Raw.
	Serve func(ln net.Listener) error

	// MaxSize is the maximum message size of Serve; 0 means no limit. Plain
	// says that Serve does not support TLS.
	MaxSize int
	Plain   bool

	// Deflate says that the library supports permessage-deflate, or, like tcp,
	// does not look at the bytes.
	Deflate bool

	// Broadcast is a server that sends each message to all connections. It does
	// not return.
	Broadcast func(ln net.Listener) error
}

// Libraries are all libraries.
var Libraries = []Library{
	tcpLibrary, loopLibrary, loopGoroutinesLibrary,
	websocketLibrary, appendLibrary, helpersLibrary, protocolLibrary,
	gobwasLibrary, gobwasBufferedLibrary, gwsLibrary, coderLibrary, gorillaLibrary,
}

// Pattern says on which goroutine a connection runs.
type Pattern string

// The patterns.
const (
	Raw     Pattern = "raw"     // no net/http; the goroutine of the handshake ends
	Same    Pattern = "same"    // no net/http; on the goroutine of the handshake
	Handed  Pattern = "handed"  // net/http; the handler starts a goroutine and returns
	Handler Pattern = "handler" // net/http; in the handler, which blocks

	Broadcast Pattern = "broadcast" // Library.Broadcast
)

// Has reports whether l supports a pattern.
func (l Library) Has(p Pattern) bool {
	switch p {
	case Handed, Handler:
		return l.HTTP != nil
	case Broadcast:
		return l.Broadcast != nil
	}
	return l.Raw != nil || p == Raw && l.Serve != nil
}

// Takes reports whether l supports these options.
func (l Library) Takes(o Options) bool {
	return !(l.Plain && o.TLS) && (l.Deflate || !o.Deflate) && (l.MaxSize == 0 || o.Size <= l.MaxSize)
}

// serve accepts connections forever.
func (l Library) serve(ln net.Listener, p Pattern) error {
	if p == Handed || p == Handler {
		return http.Serve(ln, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
			if loop, err := l.HTTP(w, r); err == nil {
				loop.run(p == Handed)
			}
		}))
	}
	if p == Broadcast {
		return l.Broadcast(ln)
	}
	if l.Serve != nil {
		return l.Serve(ln)
	}
	for {
		conn, err := ln.Accept()
		if err != nil {
			return err
		}
		go func() {
			if loop, err := l.Raw(conn); err == nil {
				loop.run(p == Raw)
			}
		}()
	}
}

func (l Loop) run(apart bool) {
	if apart {
		go l()
	} else {
		l()
	}
}

// find returns the library of this name.
func find(name string) (Library, error) {
	for _, l := range Libraries {
		if l.Name == name {
			return l, nil
		}
	}
	return Library{}, fmt.Errorf("unknown library %q", name)
}
