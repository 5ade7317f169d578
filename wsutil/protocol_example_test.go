package wsutil_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// clientBytes returns the bytes that a client sends, made by its own Protocol.
func clientBytes() (p []byte) {
	c := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	p, _ = c.AppendMessage(p, ws.OpText, []byte("Hello"))
	p, _ = c.AppendFragment(p, ws.Header{OpCode: ws.OpText}, []byte("in two "))
	p, _ = c.AppendPing(p, []byte("still there?"))
	p, _ = c.AppendFragment(p, ws.Header{OpCode: ws.OpText, Fin: true}, []byte("fragments"))
	p, _ = c.AppendClose(p, ws.StatusNormalClosure, "bye")
	return p
}

// An echo server turns received bytes into bytes to send, without I/O.
func ExampleProtocol() {
	echo := func(c *wsutil.Protocol, received []byte) (send []byte, err error) {
		for {
			ev, n, err := c.NextMessage(received)
			received = received[n:]
			switch {
			case err == io.ErrUnexpectedEOF:
				return send, nil // the caller receives more bytes
			case err != nil:
				// Answers a fault, and a close frame that has not been answered.
				return c.AppendCloseFor(send, err), err
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
	// opcode 8: "\x03\xe8bye"
	// wsutil: connection closed: 1000 (normal closure): "bye"
}

// The input arrives in pieces, here of ten bytes. Messages are passed on as
// they arrive, without a buffer.
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

// The error describes the fault of the peer. It also determines the close frame
// that answers it.
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

// A large message is received directly into its destination: Gather appends
// what has arrived, and Room returns where the next bytes go.
func ExampleProtocol_Room() {
	sender := wsutil.NewProtocol(nil)
	payload := bytes.Repeat([]byte("0123456789"), 10_000)
	wire, _ := sender.AppendMessage(nil, ws.OpBinary, payload)
	conn := bytes.NewReader(wire) // or a socket

	c := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	input := make([]byte, 4096)
	var message []byte
	for last := false; !last; {
		grown, room := c.Room(message)
		if room == nil {
			n, err := conn.Read(input)
			if err != nil {
				log.Fatal(err)
			}
			var ev wsutil.Event
			ev, _, err = c.Gather(&message, input[:n])
			if err != nil && err != io.ErrUnexpectedEOF {
				log.Fatal(err)
			}
			last = err == nil && ev.Last() // this peer sends no control frames
			continue
		}
		n, err := conn.Read(room)
		if err != nil {
			log.Fatal(err)
		}
		ev, _, err := c.Next(room[:n])
		if err != nil {
			log.Fatal(err)
		}
		message, last = grown[:len(grown)+n], ev.Last()
	}
	fmt.Println(bytes.Equal(message, payload))
	// Output: true
}

// A message is sent in parts, with a ping between them.
func ExampleOutgoing() {
	c := wsutil.NewProtocol(nil)
	var send []byte
	message := wsutil.NewOutgoing(ws.OpText, nil)
	for i, part := range []string{"a ", "message ", "in parts"} {
		message.Add([]byte(part), i == 2)
		for message.Pending() {
			var body []byte
			var err error
			send, body, err = c.AppendFrame(send, &message)
			if err != nil {
				log.Fatal(err)
			}
			send = append(send, body...) // or write it after send, without a copy
		}
		if i == 0 {
			send, _ = c.AppendPing(send, nil)
		}
	}
	fmt.Println(message.Done(), message.Size())

	client := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	for {
		ev, n, err := client.NextMessage(send)
		if err != nil {
			break // io.ErrUnexpectedEOF: all bytes are consumed
		}
		send = send[n:]
		fmt.Printf("opcode %d: %q\n", ev.OpCode, ev.Payload)
	}
	// Output:
	// true 18
	// opcode 9: ""
	// opcode 1: "a message in parts"
}

// A timer calls Tick at each Deadline. Here the peer never answers.
func ExampleProtocol_Tick() {
	start := time.Duration(0) // a real driver uses time.Since of some moment
	c := wsutil.NewProtocol(&wsutil.Config{
		KeepAlive:        30 * time.Second,
		KeepAliveTimeout: 10 * time.Second,
		Now:              start,
	})
	c.Waits(start) // a read of the transport begins; Heard ends it
	for {
		now, ok := c.Deadline()
		if !ok {
			break
		}
		switch due := c.Tick(now); {
		case due.Err != nil:
			err := c.Fail(due.Err)
			send := c.AppendCloseFor(nil, err)
			fmt.Println(now, err, len(send) > 0)
			return
		case due.Ping:
			send, _ := c.AppendPing(nil, nil)
			c.PingSent(now)
			fmt.Printf("%v ping %x\n", now, send)
		}
	}
	// Output:
	// 30s ping 8900
	// 40s wsutil: the peer did not answer the keepalive ping in time true
}

// A sender that must not block pushes messages to a queue. The driver writes
// queued messages in as few writes as possible.
func ExampleSendQueue() {
	c := wsutil.NewProtocol(nil)
	var q wsutil.SendQueue // guarded by a lock, if there are several goroutines
	q.Reset(&wsutil.SendQueueOptions{MaxMessages: 3, Policy: wsutil.SendDropOldest})
	for _, text := range []string{"one", "two", "three", "four"} {
		result, err := q.Push(wsutil.NewOutgoing(ws.OpText, []byte(text)), "")
		fmt.Println(text, result, err)
	}

	var out []byte
	for m, ok := q.Next(); ok; m, ok = q.Next() {
		for m.Pending() {
			frame, body, err := c.AppendFrame(out, &m)
			if err != nil {
				log.Fatal(err)
			}
			out = append(frame, body...)
		}
		q.Encoded()
	}
	fmt.Printf("%q\n", out) // to be written
	fmt.Println(q.Written(), q.Dropped())
	// Output:
	// one SendQueued <nil>
	// two SendQueued <nil>
	// three SendQueued <nil>
	// four SendDisplaced <nil>
	// "\x81\x03two\x81\x05three\x81\x04four"
	// true 1
}
