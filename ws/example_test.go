package ws_test

import (
	"bytes"
	"context"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"net/url"
	"os"
	"strings"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// A server on a raw connection and a client exchange a message.
func Example() {
	client, server := net.Pipe()
	go func() {
		defer server.Close()
		if _, err := ws.Upgrade(server); err != nil {
			return
		}
		f, err := ws.ReadFrame(server)
		if err != nil || ws.CheckHeader(f.Header, ws.StateServerSide) != nil {
			return
		}
		f = ws.UnmaskFrameInPlace(f)
		ws.WriteFrame(server, ws.NewTextFrame([]byte("you said "+string(f.Payload))))
	}()

	d := ws.Dialer{NetDial: func(context.Context, string, string) (net.Conn, error) { return client, nil }}
	conn, _, _, err := d.Dial(context.Background(), "ws://server.example/chat")
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	ws.WriteFrame(conn, ws.MaskFrameInPlace(ws.NewTextFrame([]byte("hello"))))
	f, err := ws.ReadFrame(conn)
	fmt.Println(string(f.Payload), err)
	// Output: you said hello <nil>
}

func ExampleUpgradeHTTP() {
	srv := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		conn, _, _, err := ws.UpgradeHTTP(r, w)
		if err != nil {
			return // the client has its answer
		}
		defer conn.Close()
		ws.WriteFrame(conn, ws.NewTextFrame([]byte("welcome")))
	}))
	defer srv.Close()

	conn, _, _, err := ws.Dial(context.Background(), srv.URL)
	if err != nil {
		fmt.Println(err)
		return
	}
	defer conn.Close()
	f, err := ws.ReadFrame(conn)
	fmt.Println(string(f.Payload), err)
	// Output: welcome <nil>
}

// A callback refuses a request with its own status.
func ExampleRejectConnectionError() {
	u := ws.Upgrader{OnHeader: func(key, value []byte) error {
		if string(key) == "Origin" && string(value) != "https://app.example" {
			return ws.RejectConnectionError(ws.RejectionStatus(http.StatusForbidden), ws.RejectionReason("not from there"))
		}
		return nil
	}}
	conn := struct {
		io.Reader
		io.Writer
	}{strings.NewReader("GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\nOrigin: https://evil.example\r\n\r\n"), io.Discard}
	_, err := u.Upgrade(conn)
	fmt.Println(err)
	// Output: not from there
}

// An extension is negotiated offer by offer.
func ExampleUpgrader_negotiate() {
	u := ws.Upgrader{Negotiate: func(offer httphead.Option) (httphead.Option, error) {
		if string(offer.Name) != "x-trace" {
			return httphead.Option{}, nil // declined
		}
		return httphead.NewOption("x-trace", map[string]string{"level": "1"}), nil
	}}
	conn := struct {
		io.Reader
		io.Writer
	}{strings.NewReader("GET / HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
		"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n" +
		"Sec-WebSocket-Extensions: permessage-deflate, x-trace\r\n\r\n"), io.Discard}
	hs, err := u.Upgrade(conn)
	fmt.Println(len(hs.Extensions), string(hs.Extensions[0].Name), err)
	// Output: 1 x-trace <nil>
}

func ExampleParseCloseBody() {
	code, reason, err := ws.ParseCloseBody([]byte("\x03\xe9bye"))
	fmt.Println(code, code.Name(), reason, err)
	_, _, err = ws.ParseCloseBody([]byte{3})
	fmt.Println(err)
	// Output:
	// 1001 going away bye <nil>
	// ws: protocol error: close frame with one byte of payload (RFC 6455, section 5.5.1)
}

// An event loop performs the handshake of a server on byte slices. The request
// arrives in pieces.
func ExampleParseRequest() {
	upgrader := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "chat" }}
	var request ws.Request // of one connection
	var in, out []byte
	for _, arrived := range []string{
		"GET /room HTTP/1.1\r\nHost: a.example\r\nUpgrade: websocket\r\nConnec",
		"tion: Upgrade\r\nSec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Ve",
		"rsion: 13\r\nSec-WebSocket-Protocol: soap, chat\r\n\r\n\x81\x85frame",
	} {
		in = append(in, arrived...)
		n, err := ws.ParseRequest(in, &request)
		if err == io.ErrUnexpectedEOF {
			continue // until more arrives
		}
		var agreed ws.Agreement
		if err == nil {
			agreed, err = upgrader.Decide(&request)
		}
		if err != nil {
			os.Stdout.Write(ws.AppendRefusal(out, &request, err))
			return // and close
		}
		out = ws.AppendResponse(out, agreed)
		in = in[n:] // frames
		fmt.Printf("%s%s, %d bytes of frames\n", bytes.ReplaceAll(out, []byte("\r"), nil), agreed.Protocol, len(in))
	}
	// Output:
	// HTTP/1.1 101 Switching Protocols
	// Upgrade: websocket
	// Connection: Upgrade
	// Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=
	// Sec-WebSocket-Protocol: chat
	//
	// chat, 7 bytes of frames
}

// An event loop performs the handshake of a client on byte slices. It writes
// the request, and appends received bytes until the response is complete.
func ExampleResponseParser() {
	u, _ := url.Parse("ws://example.com/chat")
	offer, err := ws.Dialer{Protocols: []string{"chat.v2", "chat.v1"}}.Offer(u)
	if err != nil {
		log.Fatal(err)
	}
	request, err := ws.AppendRequest(nil, &offer)
	if err != nil {
		log.Fatal(err)
	}

	var (
		parser  ws.ResponseParser
		arrived []byte
	)
	for _, piece := range serverAnswer(request) {
		arrived = append(arrived, piece...)
		agreed, n, err := parser.Parse(arrived, &offer)
		switch {
		case err == io.ErrUnexpectedEOF:
			fmt.Println("short")
		case err != nil:
			log.Fatal(err)
		default:
			fmt.Println("open, subprotocol", agreed.Protocol)
			frame, _, _ := ws.ParseHeader(arrived[n:])
			fmt.Println("first frame:", frame.OpCode, frame.Length, "bytes")
		}
	}
	// Output:
	// short
	// short
	// open, subprotocol chat.v1
	// first frame: text 2 bytes
}

// serverAnswer returns the response of a server in three pieces, followed by a
// frame.
func serverAnswer(request []byte) [][]byte {
	var r ws.Request
	if _, err := ws.ParseRequest(request, &r); err != nil {
		log.Fatal(err)
	}
	upgrader := ws.Upgrader{Protocol: func(p []byte) bool { return string(p) == "chat.v1" }}
	agreed, err := upgrader.Decide(&r)
	if err != nil {
		log.Fatal(err)
	}
	answer := ws.AppendFrame(ws.AppendResponse(nil, agreed), ws.NewTextFrame([]byte("hi")))
	return [][]byte{answer[:20], answer[20:90], answer[90:]}
}
