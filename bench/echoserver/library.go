package echoserver

import (
	"fmt"
	"net"
	"net/http"
)

// Loop echoes messages until the connection ends.
type Loop func()

// Library is a library that can echo. A field is nil where it has no such way in.
type Library struct {
	Name string

	// Raw does the handshake on a connection that nobody has read from.
	Raw func(conn net.Conn) (Loop, error)

	// HTTP does it in a handler of net/http.
	HTTP func(w http.ResponseWriter, r *http.Request) (Loop, error)

	// Serve accepts connections by itself and does not return. It takes the place of Raw.
	Serve func(ln net.Listener) error

	// MaxSize is the largest message that Serve is made for, and Plain says that it does
	// without TLS. 0 means any.
	MaxSize int
	Plain   bool

	// Broadcast is a server that sends each message to all its connections. It does not
	// return.
	Broadcast func(ln net.Listener) error
}

// Libraries are all that can be measured.
var Libraries = []Library{
	tcpLibrary, loopLibrary,
	websocketLibrary, appendLibrary, helpersLibrary, protocolLibrary,
	gobwasLibrary, gobwasBufferedLibrary, gwsLibrary, coderLibrary, gorillaLibrary,
}

// Pattern says which goroutine a connection lives in.
type Pattern string

// The patterns.
const (
	Raw     Pattern = "raw"     // no net/http; the handshake in a goroutine that ends with it
	Same    Pattern = "same"    // no net/http; in the goroutine of the handshake
	Handed  Pattern = "handed"  // net/http; the handler starts a goroutine, and returns
	Handler Pattern = "handler" // net/http; in the handler, which blocks

	Broadcast Pattern = "broadcast" // Library.Broadcast
)

// Has reports whether l can be served like that.
func (l Library) Has(p Pattern) bool {
	switch p {
	case Handed, Handler:
		return l.HTTP != nil
	case Broadcast:
		return l.Broadcast != nil
	}
	return l.Raw != nil || p == Raw && l.Serve != nil
}

// Takes reports whether l can be served with these options.
func (l Library) Takes(o Options) bool {
	return !(l.Plain && o.TLS) && (l.MaxSize == 0 || o.Size <= l.MaxSize)
}

// serve accepts connections for ever.
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
	return Library{}, fmt.Errorf("there is no library %q", name)
}
