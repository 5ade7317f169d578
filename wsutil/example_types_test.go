package wsutil_test

import (
	"context"
	"fmt"
	"net"
	"time"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsutil"
)

// A server and a client use a raw connection. ReadClientData and ReadServerText
// answer pings and close frames.
func Example() {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		if _, err := ws.Upgrade(server); err != nil {
			return
		}
		for {
			p, op, err := wsutil.ReadClientData(server)
			if err != nil || wsutil.WriteServerMessage(server, op, p) != nil {
				return
			}
		}
	}()

	d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
	conn, _, _, err := d.Dial(context.Background(), "ws://server.example/echo")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	if err := wsutil.WriteClientText(conn, []byte("hello")); err != nil {
		fmt.Println(err)
		return
	}
	p, err := wsutil.ReadServerText(conn)
	fmt.Println(string(p), err)
	// Output: hello <nil>
}

// A message of two fragments arrives as two events. The ping between them is
// another event.
func ExampleEvent() {
	client := wsutil.NewProtocol(&wsutil.Config{State: ws.StateClientSide})
	wire, _ := client.AppendFragment(nil, ws.Header{OpCode: ws.OpText}, []byte("Hel"))
	wire, _ = client.AppendPing(wire, []byte("?"))
	wire, _ = client.AppendFragment(wire, ws.Header{OpCode: ws.OpText, Fin: true}, []byte("lo"))

	server := wsutil.NewProtocol(nil)
	for len(wire) > 0 {
		ev, n, err := server.Next(wire)
		if err != nil {
			fmt.Println(err)
			return
		}
		wire = wire[n:]
		fmt.Printf("%v %q first: %t, last: %t, whole message: %t\n", ev.OpCode, ev.Payload, ev.First(), ev.Last(), ev.Whole())
	}
	// Output:
	// text "Hel" first: true, last: false, whole message: false
	// ping "?" first: true, last: true, whole message: false
	// text "lo" first: false, last: true, whole message: false
}

// A driver stores its pongs in a Replies while it writes something else.
func ExampleReplies() {
	p := wsutil.NewProtocol(nil)
	var replies wsutil.Replies
	replies.Add(ws.OpPong, []byte("1"))
	replies.Add(ws.OpPong, []byte("2"))

	var out []byte
	for _, payload := range replies.All { // the other write has ended
		out, _ = p.AppendPong(out, payload)
	}
	fmt.Printf("% x\n", out)
	fmt.Println(replies.Empty())
	// Output:
	// 8a 01 31 8a 01 32
	// true
}

// A driver counts messages, close frames and refused handshakes.
func ExampleStats() {
	var s wsutil.Stats
	s.Opened.Add(1)
	s.CountRead(100, 40) // a message of 100 bytes, compressed to 40
	s.CountControl(ws.OpClose, false, ws.StatusGoingAway)
	s.CountRefused(403)
	s.CountRefused(403)

	fmt.Println(s.Opened.Load(), s.MessagesRead.Load(), s.BytesRead.Load(), s.WireBytesRead.Load())
	for code, n := range s.AllClosesRead() {
		fmt.Println("close frames with", uint16(code), n)
	}
	for status, n := range s.AllRefused() {
		fmt.Println("refused with", status, n)
	}
	// Output:
	// 1 1 100 40
	// close frames with 1001 1
	// refused with 403 2
}

// Buckets are cumulative, as those of a Prometheus histogram.
func ExampleDurations() {
	var d wsutil.Durations
	d.Add(3 * time.Millisecond)
	d.Add(5 * time.Millisecond)
	for bound, n := range d.Buckets() {
		fmt.Println(bound, n)
		if n == d.Count() {
			break
		}
	}
	fmt.Println(d.Sum())
	// Output:
	// 1ms 0
	// 2ms 0
	// 4ms 1
	// 8ms 2
	// 8ms
}
