package wsflate_test

import (
	"bytes"
	"compress/flate"
	"errors"
	"fmt"
	"io"
	"log"
	"strings"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// Both ends of a connection compress. The program sees messages as they were sent.
func Example() {
	agreed := wsflate.SmallWindow() // from the handshake: see Extension and Parameters.Confirm
	connect := func(side ws.State) *wsutil.Protocol {
		return wsutil.NewProtocol(&wsutil.Config{
			State:    side,
			Inflater: wsflate.NewReceiver(agreed, side),
			Deflater: wsflate.NewSender(agreed, side, nil),
		})
	}
	server, client := connect(ws.StateServerSide), connect(ws.StateClientSide)

	wire, err := server.AppendMessage(nil, ws.OpText, []byte(strings.Repeat("Hello, ", 20)))
	if err != nil {
		log.Fatal(err)
	}
	fmt.Println("less than 20 bytes sent:", len(wire) < 20)
	ev, _, err := client.NextMessage(wire)
	fmt.Println(len(ev.Payload), ev.Compressed(), err)
	// Output:
	// less than 20 bytes sent: true
	// 140 true <nil>
}

// A message that inflates to more than the limit is refused.
func ExampleHelper() {
	h := wsflate.Helper{MaxMessage: 1000}
	p, err := h.Compress([]byte(strings.Repeat("a", 1000)))
	if err != nil {
		log.Fatal(err)
	}
	message, err := h.Decompress(p)
	fmt.Println(len(p) < 20, len(message), err)

	p, _ = h.Compress([]byte(strings.Repeat("a", 1001)))
	_, err = h.Decompress(p)
	fmt.Println(errors.Is(err, wsflate.ErrTooLarge))
	// Output:
	// true 1000 <nil>
	// true
}

// The payload of a message may be cut anywhere.
func ExampleReceiver() {
	var agreed wsflate.Parameters
	sender := wsflate.NewSender(agreed, ws.StateClientSide, nil)
	payload, compressed := sender.AppendMessage(nil, []byte(strings.Repeat("Hello, ", 20)))
	if !compressed {
		return
	}

	receiver := wsflate.NewReceiver(agreed, ws.StateServerSide)
	var message []byte
	for len(payload) > 0 {
		n := min(4, len(payload)) // what has arrived
		var err error
		if message, err = receiver.Append(message, payload[:n], n == len(payload), 1<<20); err != nil {
			log.Fatal(err)
		}
		payload = payload[n:]
	}
	fmt.Println(len(message))
	// Output: 140
}

// A Writer and a Reader may use another implementation of DEFLATE.
func ExampleWriter() {
	var payload bytes.Buffer
	w := wsflate.NewWriter(&payload, func(dest io.Writer) wsflate.Compressor {
		best, _ := flate.NewWriter(dest, flate.BestCompression)
		return best
	})
	fmt.Fprint(w, strings.Repeat("Hello, ", 20))
	if err := w.Close(); err != nil { // and flush the wsutil.Writer below, if any
		log.Fatal(err)
	}
	fmt.Println(payload.Len() < 20)

	r := wsflate.NewReader(&payload, nil)
	message, err := io.ReadAll(r)
	fmt.Println(len(message), err)
	// Output:
	// true
	// 140 <nil>
}

// A Reader refuses a payload that is not valid DEFLATE data.
func ExampleReader() {
	r := wsflate.NewReader(strings.NewReader("\xff\xff\xff"), nil)
	r.SetLimit(1 << 20)
	_, err := io.ReadAll(r)
	fault, ok := errors.AsType[*ws.ProtocolError](err)
	fmt.Println(errors.Is(err, wsflate.ErrCorrupt), ok && fault.Code == ws.StatusInvalidFramePayloadData)
	// Output: true true
}
