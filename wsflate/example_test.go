package wsflate_test

import (
	"bytes"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// A server accepts a browser's offer within its own policy, and sends and
// receives as negotiated.
func ExampleExtension() {
	e := wsflate.Extension{
		Parameters: wsflate.SmallWindow(),
		Adaptive:   true, // a Sender uses the parameters of Accepted
	}
	u := ws.Upgrader{Negotiate: e.Negotiate} // one Extension for each connection
	_ = u

	offers, _ := httphead.ParseOptions([]byte("permessage-deflate; server_max_window_bits=10; client_max_window_bits"), nil)
	accepted, err := e.Negotiate(offers[0]) // the Upgrader calls it
	if err != nil {
		log.Fatal(err)
	}
	answer, _ := httphead.AppendOptions(nil, []httphead.Option{accepted})
	fmt.Printf("%s\n", answer)

	agreed, ok := e.Accepted()
	if !ok {
		return // no compression
	}
	sender := wsflate.NewSender(agreed, ws.StateServerSide, nil)
	receiver := wsflate.NewReceiver(agreed, ws.StateServerSide)
	_ = receiver // inflates what the client sends
	message := []byte(`{"trade":{"symbol":"BTC-USD","price":64210.55},"quote":{"symbol":"BTC-USD","price":64210.55}}`)
	for range 2 {
		payload, compressed := sender.AppendMessage(nil, message)
		fmt.Println(compressed, len(payload) < 20)
	}
	// Output:
	// permessage-deflate; client_no_context_takeover; server_max_window_bits=10
	// true false
	// true true
}

// A client offers, and checks the server's answer.
func ExampleParameters_Confirm() {
	offer := wsflate.Parameters{ServerMaxWindowBits: 12, ClientMaxWindowBits: wsflate.AnyWindowBits}
	dialer := ws.Dialer{Extensions: []httphead.Option{offer.Option()}}
	_ = dialer

	answers, _ := httphead.ParseOptions([]byte("permessage-deflate; server_max_window_bits=10"), nil)
	agreed, err := offer.Confirm(answers[0]) // one of Handshake.Extensions
	if err != nil {
		log.Fatal(err) // and the caller must close the connection
	}
	fmt.Println(agreed.ServerMaxWindowBits, agreed.ServerNoContextTakeover)
	// Output: 10 false
}

// Both ends of a connection agree on takeover, so that a message refers to
// earlier ones.
func ExampleSender() {
	var agreed wsflate.Parameters
	sender := wsflate.NewSender(agreed, ws.StateServerSide, nil)
	receiver := wsflate.NewReceiver(agreed, ws.StateClientSide)
	for i := range 2 {
		message := fmt.Appendf(nil, `{"trade":{"symbol":"BTC-USD","price":64210.5%d},"quote":{"symbol":"BTC-USD","price":64210.5%d}}`, i, i)
		payload, compressed := sender.AppendMessage(nil, message)
		if !compressed {
			continue // message itself is sent, without RSV1
		}
		got, err := receiver.Append(nil, payload, true, 1<<20)
		if err != nil {
			log.Fatal(err)
		}
		fmt.Println(len(message), len(payload) < 20, bytes.Equal(message, got))
	}
	// Output:
	// 93 false true
	// 93 true true
}

// A message is compressed in a single frame, and decompressed.
func ExampleCompressFrame() {
	f := ws.NewTextFrame(bytes.Repeat([]byte("Hello "), 20))
	c, err := wsflate.CompressFrame(f)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(c.Header.Rsv1(), c.Header.Length < f.Header.Length)
	p, err := wsflate.DecompressFrame(c)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(p.Header.Rsv1(), p.Header.Length)
	// Output:
	// true true
	// false 120
}

// A compressed message is streamed through the Writer and the Reader of wsutil.
func ExampleMessageState() {
	var conn bytes.Buffer
	var sending, receiving wsflate.MessageState

	w := wsutil.NewWriter(&conn, ws.StateServerSide, ws.OpText)
	w.SetExtensions(&sending)
	sending.SetCompressed(true)
	fw := wsflate.NewWriter(w, nil)
	fmt.Fprint(fw, "Hello, Hello, Hello!")
	if err := fw.Close(); err != nil {
		log.Fatal(err)
	}
	if err := w.Flush(); err != nil {
		log.Fatal(err)
	}

	r := wsutil.NewReader(&conn, ws.StateClientSide|ws.StateRSV1)
	r.Extensions = []wsutil.RecvExtension{&receiving}
	if _, err := r.NextFrame(); err != nil {
		log.Fatal(err)
	}
	var src io.Reader = r
	if receiving.IsCompressed() {
		src = wsflate.NewReader(r, nil)
	}
	p, err := io.ReadAll(src)
	fmt.Printf("%t %s %v\n", receiving.IsCompressed(), p, err)
	// Output: true Hello, Hello, Hello! <nil>
}

// A broadcast is compressed once for all connections that have agreed on the
// same parameters.
func ExampleProfile() {
	message, err := wsutil.NewPreparedMessage(ws.OpText, bytes.Repeat([]byte(`{"price":64210.55}`), 10))
	if err != nil {
		log.Fatal(err)
	}
	var conns [3]bytes.Buffer
	for i := range conns {
		sender := wsflate.NewSender(wsflate.Parameters{}, ws.StateServerSide, nil) // of the connection
		profile := sender.Profile(len(message.Payload()))
		frame, err := message.Encode(profile, profile.Frame)
		if err != nil {
			log.Fatal(err)
		}
		if h, _, _ := ws.ParseHeader(frame); h.Rsv1() {
			sender.SentPrepared(message.Payload())
		}
		conns[i].Write(frame)
	}
	fmt.Println(bytes.Equal(conns[0].Bytes(), conns[2].Bytes()), conns[0].Len() < 60)
	// Output: true true
}

// A server and a client exchange compressed messages without I/O.
func Example_protocol() {
	var agreed wsflate.Parameters // from the handshake
	connect := func(side ws.State) *wsutil.Protocol {
		return wsutil.NewProtocol(&wsutil.Config{
			State:    side,
			Inflater: wsflate.NewReceiver(agreed, side),
			Deflater: wsflate.NewSender(agreed, side, nil),
		})
	}
	server, client := connect(ws.StateServerSide), connect(ws.StateClientSide)

	// The server sends: short messages are not compressed.
	var toClient []byte
	for _, text := range []string{"short", strings.Repeat("Hello, ", 20), strings.Repeat("Hello, ", 20), strings.Repeat("\xff", 100)} {
		var err error
		if toClient, err = server.AppendMessage(toClient, ws.OpText, []byte(text)); err != nil {
			log.Fatal(err)
		}
	}

	// The client receives until an error ends the connection, and sends a close
	// frame with the reason.
	var toServer []byte
	for {
		ev, n, err := client.NextMessage(toClient)
		if err == io.ErrUnexpectedEOF {
			return // receive more
		}
		if err != nil {
			fmt.Println(err)
			toServer = client.AppendCloseFor(toServer, err)
			break
		}
		toClient = toClient[n:]
		fmt.Println(ev.Compressed(), len(ev.Payload), n < 20)
	}

	// The server receives the close frame and answers it.
	ev, _, err := server.NextMessage(toServer)
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println(len(server.AppendReply(nil, ev)) > 0, server.Transport(false, true) == wsutil.Shut)
	fmt.Println(server.Err())
	// Output:
	// false 5 true
	// true 140 true
	// true 140 true
	// ws: protocol error: text is not valid UTF-8 (RFC 6455, section 8.1)
	// true true
	// wsutil: connection closed: 1007 (invalid frame payload data): "text is not valid UTF-8"
}

// Messages are streamed with context takeover: each refers to earlier ones.
func ExampleSender_Writer() {
	var agreed wsflate.Parameters // takeover in both directions
	var conn bytes.Buffer
	var sending, receiving wsflate.MessageState

	w := wsutil.NewWriter(&conn, ws.StateServerSide, ws.OpText)
	w.SetExtensions(&sending)
	sending.SetCompressed(true)
	fw := wsflate.NewSender(agreed, ws.StateServerSide, nil).Writer(nil)

	r := wsutil.NewReader(&conn, ws.StateClientSide|ws.StateRSV1)
	r.Extensions = []wsutil.RecvExtension{&receiving}
	fr := wsflate.NewReceiver(agreed, ws.StateClientSide).Reader(nil)
	text := wsutil.NewUTF8Reader(nil) // r would validate the compressed bytes

	for range 2 {
		fw.Reset(w)
		for i := range 50 {
			fmt.Fprintf(fw, "%d Mississippi, ", i)
		}
		if err := fw.Close(); err != nil {
			log.Fatal(err)
		}
		if err := w.Flush(); err != nil {
			log.Fatal(err)
		}
		fmt.Print(conn.Len() < 50, " ")

		if _, err := r.NextFrame(); err != nil {
			log.Fatal(err)
		}
		var src io.Reader = r
		if receiving.IsCompressed() {
			fr.Reset(r)
			src = fr
		}
		text.Reset(src)
		p, err := io.ReadAll(text)
		fmt.Println(len(p), text.Valid(), err)
	}
	// Output:
	// false 790 true <nil>
	// true 790 true <nil>
}
