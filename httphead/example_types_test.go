package httphead_test

import (
	"bufio"
	"fmt"
	"io"
	"strings"

	"github.com/wskit/wskit/httphead"
)

// A server parses the head of a request and writes the head of its response.
func Example() {
	received := []byte("GET /chat?room=7 HTTP/1.1\r\nHost: example.com\r\nCookie: user=ann\r\n\r\n")
	var r httphead.Request
	n, err := r.Parse(received)
	if err != nil {
		fmt.Println(err)
		return
	}
	host, _ := r.Fields.Value("Host")
	fmt.Printf("%s %s on %s, %d bytes\n", r.Method, r.Target, host, n)

	head, err := httphead.AppendStatusLine(nil, 302, "Found")
	if err == nil {
		head, err = httphead.AppendField(head, "Location", "/login")
	}
	if err != nil {
		fmt.Println(err)
		return
	}
	head = append(head, "\r\n"...)
	fmt.Printf("%q\n", head)
	// Output:
	// GET /chat?room=7 on example.com, 66 bytes
	// "HTTP/1.1 302 Found\r\nLocation: /login\r\n\r\n"
}

// A client reads the head of a response. The body stays in the reader.
func ExampleResponse_Read() {
	br := bufio.NewReader(strings.NewReader("HTTP/1.1 503 Service Unavailable\r\nRetry-After: 30\r\n\r\nbusy"))
	var r httphead.Response
	if err := r.Read(br); err != nil {
		fmt.Println(err)
		return
	}
	wait, _ := r.Fields.Value("Retry-After")
	fmt.Printf("%d %s, retry after %s s\n", r.Status, r.Reason, wait)
	body, _ := io.ReadAll(br)
	fmt.Printf("%s\n", body)
	// Output:
	// 503 Service Unavailable, retry after 30 s
	// busy
}
