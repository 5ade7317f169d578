package bench

import (
	"bufio"
	"bytes"
	"fmt"
	"io"
	"net/http"
	"slices"
	"strings"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

// sizes of payloads, in bytes.
var sizes = []int{16, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20}

// maskSizes and textSizes are the sizes for masking and for validating.
var (
	maskSizes = []int{8, 20, 64, 125, 1 << 10, 16 << 10, 64 << 10, 1 << 20}
	textSizes = []int{16, 63, 1 << 10, 64 << 10}
)

// readBuffer is the size of the read buffer of all libraries. It is the default
// of net/http and of most libraries.
const readBuffer = 4 << 10

// mask is the key of all masked data.
var mask = [4]byte{0x37, 0xfa, 0x21, 0x3d}

// headers are frame headers of the three encodings of a length.
var headers = []ws.Header{
	{Fin: true, OpCode: ws.OpText, Length: 64},
	{Fin: true, OpCode: ws.OpText, Length: 64, Masked: true, Mask: mask},
	{Fin: true, OpCode: ws.OpBinary, Length: 1 << 10, Masked: true, Mask: mask},
	{Fin: true, OpCode: ws.OpBinary, Length: 1 << 20, Masked: true, Mask: mask},
}

func headerName(h ws.Header) string {
	return fmt.Sprintf("length=%d/masked=%t", h.Length, h.Masked)
}

// A traffic is a kind of message, as seen from the side of the library.
type traffic struct {
	side Side
	op   ws.OpCode
}

var traffics = []traffic{{Server, ws.OpText}, {Server, ws.OpBinary}, {Client, ws.OpBinary}}

func (t traffic) String() string {
	if t.op == ws.OpText {
		return fmt.Sprintf("side=%s/type=text", t.side)
	}
	return fmt.Sprintf("side=%s/type=binary", t.side)
}

// payload returns size bytes of ASCII, for text and binary alike.
func payload(size int) []byte {
	line := scripts[0].unit
	return bytes.Repeat([]byte(line), size/len(line)+1)[:size]
}

// aligned returns size bytes of ASCII that begin offset bytes after the start
// of a cache line. Slices larger than a page always begin at the start of one.
func aligned(size, offset int) []byte {
	return payload(4096 + offset + size)[offset:][:size]
}

// A script is a unit of text that is repeated.
type script struct{ name, unit string }

var scripts = []script{
	{"ascii", "The quick brown fox jumps over the lazy dog, 0123456789 times.\r\n"},
	{"mixed", "Zürich, São Paulo, 東京都, Łódź, 北京市, Köln, "},
	{"cjk", "人人生而自由在尊嚴和權利上一律平等"},
}

// text returns as many whole characters as fit in size bytes.
func (s script) text(size int) []byte {
	p := append(aligned(size, 0)[:0], strings.Repeat(s.unit, size/len(s.unit)+1)[:size]...)
	for !utf8.Valid(p) {
		p = p[:len(p)-1]
	}
	return p
}

// halves returns the two halves of text, cut inside a character if possible.
func halves(text []byte) [][]byte {
	cut := len(text) / 2
	if i := slices.IndexFunc(text[cut:], func(b byte) bool { return !utf8.RuneStart(b) }); i >= 0 {
		cut += i
	}
	return [][]byte{text[:cut], text[cut:]}
}

// received returns the frame with payload p that this side receives.
func (t traffic) received(p []byte) []byte {
	f := ws.NewFrame(t.op, true, p)
	if t.side == Server {
		f = ws.MaskFrameWith(f, mask)
	}
	return ws.AppendFrame(nil, f)
}

// The key of request and the accept value for it (RFC 6455, section 1.3).
const (
	requestKey    = "dGhlIHNhbXBsZSBub25jZQ=="
	requestAccept = "s3pPLMBiTxaQ9kYGzzhZRbK+xOo="
)

// request is a request of Chrome: 14 fields, with a cookie and an offer of
// compression.
var request = []byte(strings.ReplaceAll(`GET /chat?room=42 HTTP/1.1
Host: chat.example.com
Connection: Upgrade
Pragma: no-cache
Cache-Control: no-cache
User-Agent: Mozilla/5.0 (X11; Linux x86_64) AppleWebKit/537.36 (KHTML, like Gecko) Chrome/140.0.0.0 Safari/537.36
Upgrade: websocket
Origin: https://chat.example.com
Sec-WebSocket-Version: 13
Accept-Encoding: gzip, deflate, br, zstd
Accept-Language: en-GB,en-US;q=0.9,en;q=0.8
DNT: 1
Cookie: session=9f3b6d2c81e04a57b6c2d4f19e7a8053; theme=dark; _ga=GA1.1.1234567890.1700000000
Sec-WebSocket-Key: `+requestKey+`
Sec-WebSocket-Extensions: permessage-deflate; client_max_window_bits

`, "\n", "\r\n"))

// arriving makes conn replay request after each rewind. rw is conn, or has
// buffers around it that rewind flushes and empties.
func arriving(conn *Conn, buffered bool) (rw io.ReadWriter, rewind func()) {
	conn.Replay(request, 1, false)
	if !buffered {
		return conn, func() { conn.Rewind(len(request)) }
	}
	brw := bufio.NewReadWriter(bufio.NewReader(conn), bufio.NewWriter(conn))
	return brw, func() {
		brw.Flush()
		brw.Reader.Reset(conn)
		conn.Rewind(len(request))
	}
}

// httpRequest returns request as net/http passes it to a handler.
func httpRequest() (*http.Request, error) {
	return http.ReadRequest(bufio.NewReader(bytes.NewReader(request)))
}

// dialURL is the URL of clients.
const dialURL = "ws://chat.example.com/chat?room=42"

// buffer returns a buffer for a message of size bytes, with some more room, so
// that a reader can return io.EOF.
func buffer(size int) []byte { return payload(size + 512)[:0] }

// readAll reads r to its end into buf, which grows if necessary, like a caller
// with a buffer.
func readAll(r io.Reader, buf []byte) ([]byte, error) {
	buf = buf[:0]
	for {
		if len(buf) == cap(buf) {
			buf = slices.Grow(buf, 512)
		}
		n, err := r.Read(buf[len(buf):cap(buf)])
		buf = buf[:len(buf)+n]
		if err == io.EOF {
			return buf, nil
		}
		if err != nil {
			return buf, err
		}
	}
}
