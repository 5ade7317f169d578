package wsutil_test

import (
	"fmt"
	"io"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// The bytes that a client sends, made by its own Protocol.
func clientBytes() (p []byte) {
	c := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	p, _ = c.AppendMessage(p, ws.OpText, []byte("Hello"))
	p, _ = c.AppendFragment(p, ws.Header{OpCode: ws.OpText}, []byte("in two "))
	p, _ = c.AppendPing(p, []byte("still there?"))
	p, _ = c.AppendFragment(p, ws.Header{OpCode: ws.OpText, Fin: true}, []byte("fragments"))
	p, _ = c.AppendClose(p, ws.StatusNormalClosure, "bye")
	return p
}

// An echo server: received bytes in, bytes to send out. Where they come from and
// go to is somebody else's business.
func ExampleProtocol() {
	echo := func(c *wsutil.Protocol, received []byte) (send []byte, err error) {
		for {
			ev, n, err := c.NextMessage(received)
			received = received[n:]
			switch {
			case err == io.ErrUnexpectedEOF:
				return send, nil // come again with more
			case err != nil:
				// Answers a fault, and a close frame that has not been answered.
				send, _ = c.AppendClose(send, wsutil.CloseCode(err), "")
				return send, err
			case ev.OpCode.IsControl():
				send = c.AppendReply(send, ev)
			default:
				send, _ = c.AppendMessage(send, ev.OpCode, ev.Payload)
			}
		}
	}

	send, err := echo(wsutil.NewProtocol(nil), clientBytes())
	fmt.Println(err)

	client := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	for {
		ev, n, err := client.NextMessage(send)
		if err != nil {
			fmt.Println(err)
			break
		}
		send = send[n:]
		fmt.Printf("opcode %d: %q\n", ev.OpCode, ev.Payload)
	}
	// Output:
	// wsutil: connection closed: 1000 (normal closure): "bye"
	// opcode 1: "Hello"
	// opcode 10: "still there?"
	// opcode 1: "in two fragments"
	// opcode 8: "\x03\xe8"
	// wsutil: connection closed: 1000 (normal closure)
}

// The input comes in pieces, here of ten bytes, and messages are handed on as they
// come, without a buffer.
func ExampleProtocol_Next() {
	c := wsutil.NewProtocol(nil)
	received := clientBytes()
	for len(received) > 0 {
		piece := received[:min(10, len(received))]
		received = received[len(piece):]
		for {
			ev, n, err := c.Next(piece)
			if err != nil {
				break
			}
			piece = piece[n:]
			if !ev.OpCode.IsControl() {
				fmt.Printf("%q first=%t last=%t\n", ev.Payload, ev.First(), ev.Last())
			}
		}
	}
	fmt.Println(c.EOF())
	// Output:
	// "Hell" first=true last=false
	// "o" first=false last=true
	// "in " first=true last=false
	// "two " first=false last=false
	// "fr" first=false last=false
	// "agments" first=false last=true
	// wsutil: connection closed: 1000 (normal closure): "bye"
}

// A broken peer: the error says what was wrong, and which close frame answers it.
func ExampleCloseCode() {
	c := wsutil.NewProtocol(nil)
	_, _, err := c.Next([]byte("\x81\x05Hello"))
	fmt.Println(err)
	fmt.Println(wsutil.CloseCode(err))

	send, _ := c.AppendClose(nil, wsutil.CloseCode(err), "mask!")
	fmt.Printf("%q\n", send)
	// Output:
	// ws: protocol error: frame from a client is not masked (RFC 6455, section 5.1)
	// 1002
	// "\x88\a\x03\xeamask!"
}
