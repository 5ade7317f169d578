package wsutil_test

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"strings"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A server reads frames itself and answers control frames, so that it sees
// every header.
func ExampleControlHandler() {
	var wire, answers bytes.Buffer
	wsutil.WriteClientMessage(&wire, ws.OpPing, []byte("still there?"))
	wsutil.WriteClientText(&wire, []byte("Hello"))
	wsutil.WriteClientMessage(&wire, ws.OpClose, ws.NewCloseFrameBody(ws.StatusGoingAway, ""))

	conn := connection{&wire, wsutil.NewTracer(&answers, os.Stdout)}
	control := wsutil.ControlHandler{Src: conn, Dst: conn, State: ws.StateServerSide}
	frame := func() error {
		h, err := ws.ReadHeader(conn)
		if err == nil {
			err = ws.CheckHeader(h, ws.StateServerSide)
		}
		switch {
		case err != nil:
			return err
		case h.OpCode.IsControl():
			return control.Handle(h) // reads the payload, and answers
		case h.Length > 1<<20:
			return wsutil.ErrFrameTooLarge
		}
		p := make([]byte, h.Length)
		if _, err := io.ReadFull(conn, p); err != nil {
			return err
		}
		ws.Cipher(p, h.Mask, 0)
		fmt.Printf("%s %q\n", h.OpCode, p)
		return nil
	}
	var err error
	for err == nil {
		err = frame()
	}
	fmt.Println(err)
	// Output:
	// > pong 12 "still there?"
	// text "Hello"
	// > close 2 1001
	// wsutil: connection closed: 1001 (going away)
}

// ReadClientMessage returns every frame, including control frames.
// HandleClientControlMessage answers them.
func ExampleReadClientMessage() {
	var wire bytes.Buffer
	wsutil.WriteClientMessage(&wire, ws.OpPing, []byte("ping"))
	ws.WriteFrame(&wire, ws.MaskFrame(ws.NewFrame(ws.OpText, false, []byte("Hel"))))
	wsutil.WriteClientMessage(&wire, ws.OpPing, []byte("inside"))
	wsutil.WriteClientMessage(&wire, ws.OpContinuation, []byte("lo"))

	conn := connection{&wire, wsutil.NewTracer(new(bytes.Buffer), os.Stdout)}
	var messages []wsutil.Message
	for {
		var err error
		messages, err = wsutil.ReadClientMessage(conn, messages[:0])
		if err != nil {
			fmt.Println(err)
			return
		}
		for _, m := range messages {
			if !m.OpCode.IsControl() {
				fmt.Printf("%s %q\n", m.OpCode, m.Payload)
			} else if err := wsutil.HandleClientControlMessage(conn, m); err != nil {
				fmt.Println(err) // a ClosedError, if it was a close frame
				return
			}
		}
	}
	// Output:
	// > pong 4 "ping"
	// > pong 6 "inside"
	// text "Hello"
	// EOF
}

// A Tracer shows the frames of a connection while it is used.
func ExampleTracer() {
	var wire bytes.Buffer
	key := [4]byte{0x37, 0xfa, 0x21, 0x3d} // that of the example in RFC 6455
	ws.WriteFrame(&wire, ws.MaskFrameWith(ws.NewTextFrame([]byte("Hello")), key))
	ws.WriteFrame(&wire, ws.MaskFrameWith(ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye")), key))

	conn := wsutil.NewTracer(connection{&wire, io.Discard}, os.Stdout)
	for {
		p, op, err := wsutil.ReadClientData(conn)
		if err != nil {
			return
		}
		wsutil.WriteServerMessage(conn, op, bytes.ToUpper(p))
	}
	// Output:
	// < text masked 37fa213d 5 "Hello"
	// > text 5 "HELLO"
	// < close masked 37fa213d 5 1000 "bye"
	// > close 5 1000 "bye"
}

// Writers and their buffers come from a pool. Each message borrows one.
func ExampleGetWriter() {
	send := func(conn io.Writer, v any) error {
		w := wsutil.GetWriter(conn, ws.StateServerSide, ws.OpText, 4096)
		defer wsutil.PutWriter(w)
		fmt.Fprintf(w, "%+v", v)
		return w.Flush() // also returns the error of an earlier Write
	}
	conn := wsutil.NewTracer(new(bytes.Buffer), os.Stdout)
	for i := range 2 {
		if err := send(conn, struct{ ID, Price int }{i, 100 * i}); err != nil {
			fmt.Println(err)
		}
	}
	// Output:
	// > text 14 "{ID:0 Price:0}"
	// > text 16 "{ID:1 Price:100}"
}

// Text arrives in pieces that may end inside a character, and is checked as it
// arrives.
func ExampleUTF8Reader() {
	for _, pieces := range [][]string{{"z\xc3", "\xbcrich"}, {"z\xc3", "rich"}, {"z\xc3"}} {
		r := wsutil.NewUTF8Reader(nil)
		var text []byte
		var err error
		for _, piece := range pieces {
			r.Source = strings.NewReader(piece)
			var p []byte
			p, err = io.ReadAll(r)
			text = append(text, p...)
		}
		fmt.Printf("%q valid=%t %v\n", text, r.Valid(), err)
	}
	// Output:
	// "zürich" valid=true <nil>
	// "z\xc3" valid=false ws: protocol error: text is not valid UTF-8 (RFC 6455, section 8.1)
	// "z\xc3" valid=false <nil>
}
