package wsutil_test

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// connection is a connection in memory: it returns what the peer has sent and
// stores what is written.
type connection struct {
	io.Reader
	io.Writer
}

// fromClient returns a connection on which a client has sent these messages.
func fromClient(texts ...string) connection {
	var wire bytes.Buffer
	for _, s := range texts {
		wsutil.WriteClientText(&wire, []byte(s))
	}
	wsutil.WriteClientMessage(&wire, ws.OpClose, ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye"))
	return connection{&wire, io.Discard}
}

// A server that echoes every message until the client closes.
func ExampleReadClientData() {
	conn := fromClient("one", "two")
	for {
		p, op, err := wsutil.ReadClientData(conn) // answers pings and close frames
		if err != nil {
			fmt.Println(err)
			return
		}
		fmt.Printf("%s\n", p)
		if err := wsutil.WriteServerMessage(conn, op, p); err != nil {
			fmt.Println(err)
			return
		}
	}
	// Output:
	// one
	// two
	// wsutil: connection closed: 1000 (normal closure): "bye"
}

// All messages use the same buffer, so no message allocates.
func ExampleAppendClientData() {
	conn := fromClient("one", "two")
	var buf []byte
	for {
		var err error
		buf, _, err = wsutil.AppendClientData(buf[:0], conn)
		if closed, ok := errors.AsType[wsutil.ClosedError](err); ok {
			fmt.Println("closed:", closed.Reason)
			return
		}
		fmt.Printf("%s\n", buf)
	}
	// Output:
	// one
	// two
	// closed: bye
}

func ExampleData() {
	for m, err := range wsutil.Data(fromClient("one", "two"), ws.StateServerSide, 0) {
		if err != nil {
			fmt.Println(wsutil.CloseCode(err))
			return
		}
		fmt.Printf("%s\n", m.Payload)
	}
	// Output:
	// one
	// two
	// 1000
}

// A message of any length is read in pieces.
func ExampleReader() {
	var wire bytes.Buffer
	w := wsutil.NewWriterSize(&wire, ws.StateClientSide, ws.OpText, 8)
	io.WriteString(w, "a message that ")
	io.WriteString(w, "takes several frames")
	w.Flush()

	r := wsutil.NewServerSideReader(&wire)
	r.CheckUTF8 = true
	r.MaxMessageSize = 1 << 20
	r.OnIntermediate = wsutil.ControlFrameHandler(io.Discard, r.State)
	if _, err := r.NextFrame(); err != nil {
		fmt.Println(err)
		return
	}
	n, err := io.Copy(os.Stdout, r)
	fmt.Printf("\n%d bytes, %v\n", n, err)
	// Output:
	// a message that takes several frames
	// 35 bytes, <nil>
}

// Each frame is one Write of the destination, regardless of how the message was
// written.
func ExampleWriter() {
	tracer := wsutil.NewTracer(connection{strings.NewReader(""), io.Discard}, os.Stdout)
	w := wsutil.NewWriterSize(tracer, ws.StateServerSide, ws.OpText, 10)
	io.WriteString(w, "Hello, ")
	io.WriteString(w, "world")
	w.Flush()

	w.DisableFlush()
	io.WriteString(w, "Hello, ")
	io.WriteString(w, "world")
	w.Flush()
	// Output:
	// > text more 10 "Hello, wor"
	// > continuation 2 "ld"
	// > text 12 "Hello, world"
}

// A message is encoded once for all clients.
func ExamplePreparedMessage() {
	m, err := wsutil.NewPreparedMessage(ws.OpText, []byte("news"))
	if err != nil {
		fmt.Println(err)
		return
	}
	for range 2 { // clients
		m.Write(wsutil.NewTracer(connection{strings.NewReader(""), io.Discard}, os.Stdout), ws.StateServerSide)
	}
	// Output:
	// > text 4 "news"
	// > text 4 "news"
}
