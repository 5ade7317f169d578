package wstest

import (
	"context"
	"fmt"
	"strings"

	"github.com/wskit/wskit/ws"
)

const protocolError = ws.StatusProtocolError

// sample returns n bytes of ASCII without a short period.
func sample(n int) []byte {
	p := make([]byte, n)
	x := uint32(2463534242)
	for i := range p {
		x ^= x << 13
		x ^= x >> 17
		x ^= x << 5
		p[i] = 'a' + byte(x%26)
	}
	return p
}

func dataFrame(op ws.OpCode, p []byte) frame { return frame{op: op, payload: p} }

var dataOps = []ws.OpCode{ws.OpText, ws.OpBinary}

// echoing returns a script that sends one message and expects it back.
func echoing(chop int, frames ...frame) script {
	return func(_ context.Context, p *peer) error {
		if err := p.echo(chop, frames...); err != nil {
			return err
		}
		return p.finish()
	}
}

// faulty returns a script that sends frames for which the peer must fail the
// connection.
func faulty(code ws.StatusCode, frames ...frame) script {
	return func(_ context.Context, p *peer) error {
		p.send(frames...)
		return p.wantFailure(code)
	}
}

// lengthCases are the payload lengths of RFC 6455, section 5.2.
func lengthCases(l *list) {
	r := rule{
		section: "5.2", needs: needEcho,
		must:  "The length is in 7 bits up to 125, in 16 up to 65,535, in 64 beyond, in network byte order.",
		fault: "a boundary of the three length encodings is wrong, in received or in sent frames",
	}
	for _, n := range []int{0, 1, 2, 63, 64, 124, 125, 126, 127, 128, 129, 255, 256, 257, 4095, 4096, 4097,
		32767, 32768, 65534, 65535, 65536, 65537, 131072} {
		for _, op := range dataOps {
			l.add(r, fmt.Sprintf("length/%s/%d", op.String(), n), int64(n), echoing(0, dataFrame(op, sample(n))))
		}
	}
	r.fault = "a header or a payload that arrives in pieces is not put together"
	for _, c := range []struct{ n, chop int }{
		{0, 1}, {1, 1}, {125, 1}, {126, 1}, {127, 1}, {1000, 1}, {1000, 2}, {1000, 3}, {1000, 7}, {65535, 997}, {65536, 997}, {65536, 4093},
	} {
		l.add(r, fmt.Sprintf("length/pieces/%d-by-%d", c.n, c.chop), int64(c.n), echoing(c.chop, dataFrame(ws.OpText, sample(c.n))))
	}
	r.fault = "frames that arrive together are lost or mixed up"
	for _, n := range []int{2, 10, 100, 1000} {
		l.add(r, fmt.Sprintf("length/burst/%d", n), 64, burst(n))
	}
	notMinimalCases(l)
	topBitCases(l)
	declaredCases(l)
}

// burst sends many messages in one write.
func burst(n int) script {
	return func(_ context.Context, p *peer) error {
		var frames []frame
		for i := range n {
			frames = append(frames, text(fmt.Sprintf("message %d", i)))
		}
		p.send(frames...)
		for i := range n {
			if err := p.wantMessage(ws.OpText, fmt.Appendf(nil, "message %d", i)); err != nil {
				return err
			}
		}
		return p.finish()
	}
}

func notMinimalCases(l *list) {
	r := rule{
		section: "5.2",
		must:    "The sender must use the minimal number of bytes to encode the length. A receiver enforces that.",
		fault:   "accepts a length that is not in its shortest form",
	}
	forms := map[lengthForm]string{sixteen: "16", sixtyfour: "64"}
	for _, c := range []struct {
		form lengthForm
		n    int
	}{{sixteen, 0}, {sixteen, 1}, {sixteen, 125}, {sixtyfour, 0}, {sixtyfour, 1}, {sixtyfour, 125}, {sixtyfour, 126}, {sixtyfour, 65535}} {
		for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary, ws.OpPing, ws.OpPong, ws.OpClose} {
			if op.IsControl() && (c.n > 125 || c.n == 1) {
				continue
			}
			f := frame{op: op, payload: sample(c.n), form: c.form}
			if op == ws.OpClose && c.n > 1 {
				f.payload = closeBody(1000, string(sample(c.n-2)))
			}
			l.add(r, fmt.Sprintf("length/not-minimal/%s-%d-in-%s", op.String(), c.n, forms[c.form]), int64(c.n), faulty(protocolError, f))
		}
	}
}

func topBitCases(l *list) {
	r := rule{
		section: "5.2",
		must:    "The most significant bit of a 64-bit length must be 0.",
		fault:   "accepts a length with the top bit set, and reads it as a negative or truncated number",
	}
	for _, n := range []uint64{1 << 63, 1<<63 | 1, 1<<63 | 5, 1<<63 | 1<<32, 1<<64 - 1} {
		for _, op := range dataOps {
			l.add(r, fmt.Sprintf("length/top-bit/%s-%x", op.String(), n), 0, declaring(protocolError,
				frame{op: op, declared: n, lies: true, form: sixtyfour, payload: []byte("hello")}))
		}
	}
	l.add(r, "length/top-bit/continuation", 5, declaring(protocolError, text("hello").unfinished(),
		frame{declared: 1<<64 - 5, lies: true, form: sixtyfour, payload: []byte("hello")}))
}

// declaring sends frames, the last of which is incomplete.
func declaring(code ws.StatusCode, frames ...frame) script {
	return func(_ context.Context, p *peer) error {
		p.send(frames...)
		return p.wantFailureInside(code)
	}
}

func declaredCases(l *list) {
	r := rule{
		section: "10.4",
		must:    "A receiver protects itself against frames and messages that are too big.",
		fault:   "trusts a declared length: allocates memory for it, or adds lengths beyond 63 bits",
	}
	for _, n := range []uint64{1<<31 - 1, 1 << 31, 1 << 32, 1<<32 + 5, 1 << 40, 1 << 62, 1<<63 - 1} {
		for _, op := range dataOps {
			l.add(r, fmt.Sprintf("length/declared/%s-%x", op.String(), n), 0,
				waiting(frame{op: op, declared: n, lies: true, payload: []byte("hello")}))
		}
		l.add(r, fmt.Sprintf("length/declared/continuation-%x", n), 10,
			waiting(binaryOf([]byte("0123456789")).unfinished(), frame{declared: n, lies: true, payload: []byte("hello")}))
	}
}

// waiting sends the beginning of a frame that is too large for every peer.
func waiting(frames ...frame) script {
	return func(_ context.Context, p *peer) error {
		p.send(frames...)
		if !p.reaction() {
			return tolerated("the peer waits for a payload of that length")
		}
		return p.wantFailureInside(ws.StatusMessageTooBig, protocolError)
	}
}

// maskCases are RFC 6455, section 5.1 and 5.3.
func maskCases(l *list) {
	wrong := []struct {
		name   string
		frames []frame
	}{
		{"text", []frame{text("hello")}},
		{"text-empty", []frame{text("")}},
		{"text-126", []frame{text(strings.Repeat("x", 126))}},
		{"text-65536", []frame{text(strings.Repeat("x", 65536))}},
		{"binary", []frame{binaryOf([]byte("hello"))}},
		{"binary-empty", []frame{binaryOf(nil)}},
		{"ping", []frame{ping("hello")}},
		{"ping-empty", []frame{ping("")}},
		{"pong", []frame{pong("hello")}},
		{"pong-empty", []frame{pong("")}},
		{"close", []frame{closing(1000, "")}},
		{"close-empty", []frame{{op: ws.OpClose}}},
		{"continuation", []frame{text("hel").unfinished(), cont("lo")}},
		{"ping-in-message", []frame{text("hel").unfinished(), ping("x")}},
	}
	for _, d := range []struct {
		dir               Direction
		name, must, fault string
	}{
		{Server, "unmasked", "A server must close the connection on a frame that is not masked.", "accepts frames of a client without a mask"},
		{Client, "masked", "A client must close the connection if it detects a masked frame.", "accepts masked frames of a server"},
	} {
		for _, w := range wrong {
			frames := append([]frame(nil), w.frames...)
			frames[len(frames)-1].wrongWay = true
			r := rule{dir: d.dir, section: "5.1", must: d.must, fault: d.fault}
			l.add(r, "mask/"+d.name+"/"+w.name, 0, faulty(protocolError, frames...))
		}
	}
	r := rule{
		dir: Server, section: "5.3", needs: needEcho,
		must:  "Byte i of the payload is XORed with byte i modulo 4 of the key.",
		fault: "unmasks with the wrong byte of the key, or treats some keys as no mask",
	}
	for _, key := range [][4]byte{{}, {0xff, 0xff, 0xff, 0xff}, {1, 2, 3, 4}, {0, 0, 0, 0x80}, {0x20, 0, 0, 0}} {
		for _, n := range []int{1, 3, 4, 5, 8, 13, 31, 64, 67, 1000} {
			f := binaryOf(sample(n))
			f.key = &key
			l.add(r, fmt.Sprintf("mask/key/%x-%d", key, n), int64(n), echoing(n/2, f))
		}
	}
	l.add(rule{
		dir: Client, section: "5.3", needs: needEcho,
		must:  "The masking key is new for each frame and cannot be predicted.",
		fault: "reuses a masking key",
	}, "mask/client-keys", 64, freshKeys)
}

func freshKeys(_ context.Context, p *peer) error {
	const n = 20
	for i := range n {
		if err := p.echo(0, text(fmt.Sprintf("message %d", i))); err != nil {
			return err
		}
	}
	if len(p.masks) < n-1 {
		return failed("%d frames came with %d masking keys", n, len(p.masks))
	}
	return p.finish()
}
