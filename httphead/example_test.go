package httphead_test

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/wskit/wskit/httphead"
)

func ExampleRequest_Read() {
	conn := strings.NewReader("GET /chat HTTP/1.1\r\n" +
		"Host: example.com\r\n" +
		"Connection: keep-alive, Upgrade\r\n" +
		"Upgrade: websocket\r\n" +
		"\r\n" +
		"what follows")

	br := bufio.NewReader(conn)
	var r httphead.Request
	if err := r.Read(br); err != nil {
		fmt.Println(err)
		return
	}
	host, _ := r.Fields.Value("Host")
	fmt.Printf("%s %s on %s\n", r.Method, r.Target, host)
	fmt.Println("upgrade:", r.Fields.HasToken("Connection", "upgrade") && r.Fields.HasToken("Upgrade", "websocket"))
	rest, _ := io.ReadAll(br)
	fmt.Printf("%s\n", rest)
	// Output:
	// GET /chat on example.com
	// upgrade: true
	// what follows
}

func ExampleError() {
	var r httphead.Request
	_, err := r.Parse([]byte("GET / HTTP/1.1\r\nHost : example.com\r\n\r\n"))
	if fault, ok := errors.AsType[*httphead.Error](err); ok {
		fmt.Println(fault.Status, fault.Section, errors.Is(err, httphead.ErrNameSpace))
	}
	// Output: 400 RFC 9112, section 5.1 true
}

// A program reads a connection and inspects each byte once.
func ExampleEnd() {
	var buf []byte
	for _, piece := range []string{"GET / HTTP/1.1\r\nHo", "st: example.com\r", "\n\r\nbehind"} {
		searched := len(buf)
		buf = append(buf, piece...)
		if end := httphead.End(buf, searched); end >= 0 {
			var r httphead.Request
			n, err := r.Parse(buf[:end])
			fmt.Println(n, err, string(buf[end:]))
		}
	}
	// Output: 37 <nil> behind
}

func ExampleFields_Options() {
	f := httphead.Fields{
		{Name: []byte("Sec-WebSocket-Extensions"), Value: []byte("permessage-deflate; server_max_window_bits=10, foo")},
		{Name: []byte("Sec-WebSocket-Extensions"), Value: []byte(`bar; x="a, \"b\""`)},
	}
	for o, err := range f.Options("sec-websocket-extensions") {
		if err != nil {
			fmt.Println(err)
			return
		}
		x, ok := o.Parameters.Get("x")
		fmt.Printf("%s %q %t\n", o.Name, x, ok)
	}
	// Output:
	// permessage-deflate "" false
	// foo "" false
	// bar "a, \"b\"" true
}

func ExampleFields_Cookies() {
	f := httphead.Fields{{Name: []byte("Cookie"), Value: []byte(`session=6f1d; theme="dark"`)}}
	for name, value := range f.Cookies() {
		fmt.Printf("%s is %s\n", name, value)
	}
	// Output:
	// session is 6f1d
	// theme is dark
}

func ExampleAppendField() {
	head, err := httphead.AppendStatusLine(nil, 101, "Switching Protocols")
	if err != nil {
		fmt.Println(err)
		return
	}
	if head, err = httphead.AppendField(head, "Upgrade", "websocket"); err != nil {
		fmt.Println(err)
		return
	}
	_, err = httphead.AppendField(head, "X-Name", "a\r\nSet-Cookie: b")
	fmt.Println(err)
	fmt.Printf("%q\n", head)
	// Output:
	// httphead: value or reason contains a control byte
	// "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\n"
}

func ExampleAppendOptions() {
	value, err := httphead.AppendOptions(nil, []httphead.Option{
		httphead.NewOption("permessage-deflate", map[string]string{"server_max_window_bits": "10", "client_no_context_takeover": ""}),
		httphead.NewOption("x-trace", map[string]string{"id": "a b"}),
	})
	fmt.Println(string(value), err)
	// Output: permessage-deflate; client_no_context_takeover; server_max_window_bits=10, x-trace; id="a b" <nil>
}
