package wstest

import (
	"bytes"
	"fmt"
	"strings"

	"github.com/wskit/wskit/ws"
)

// deflateFaultCases are faults that must fail a connection with compression.
func deflateFaultCases(l *list) {
	r := rule{
		section: "RFC 7692, 6.1", needs: needRaw,
		must:  "RSV1 is set on the first frame of a compressed message, and nowhere else.",
		fault: "ignores RSV1 where it must not be, or another reserved bit, once compression is agreed",
	}
	failing := func(frames ...frame) script {
		return compressing(deflateParams{}, func(p *peer) error {
			p.send(frames...)
			return p.wantFailure(protocolError)
		})
	}
	with := func(rsv byte, f frame) frame { f.rsv = rsv; return f }
	hello := frame{op: ws.OpText, rsv: rsv1, payload: []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0}}
	first := func(n int) frame { f := hello.unfinished(); f.payload = f.payload[:n]; return f }
	second := func(n int) frame { return frame{payload: hello.payload[n:]} }
	l.add(r, "deflate/rsv/continuation", 0, failing(first(3), with(rsv1, second(3))))
	l.add(r, "deflate/rsv/empty-continuation", 0, failing(first(7), with(rsv1, cont(""))))
	l.add(r, "deflate/rsv/late", 0, failing(text("Hel").unfinished(), with(rsv1, cont("lo"))))
	for _, f := range []frame{ping(""), ping("hello"), pong(""), pong("hello"), closing(1000, "")} {
		id := fmt.Sprintf("%s-%d", f.op.String(), len(f.payload))
		l.add(r, "deflate/rsv/"+id, 0, failing(with(rsv1, f)))
		l.add(r, "deflate/rsv/"+id+"-in-message", 0, failing(first(3), with(rsv1, f)))
	}
	for _, rsv := range []byte{1, 2, 3, 5, 6, 7} {
		l.add(r, fmt.Sprintf("deflate/rsv/bits-%03b", rsv), 0, failing(with(rsv, hello)))
	}
	l.add(r, "deflate/rsv/no-start", 0, failing(with(rsv1, cont("x"))))
	l.add(r, "deflate/rsv/reserved-opcode", 0, failing(with(rsv1, frame{op: 3, payload: []byte("x")})))
	badDataCases(l)
	compressedTextCases(l)
	bombCases(l)
}

// badDataCases are bytes that are not a DEFLATE stream.
func badDataCases(l *list) {
	r := rule{
		section: "RFC 7692, 6.2", needs: needRaw,
		must:  "Data that cannot be inflated fails the connection.",
		fault: "delivers what it could not inflate",
	}
	for _, c := range []struct {
		name  string
		bytes []byte
	}{
		{"block-type-3", []byte{0x06, 0}},
		{"block-type-3-final", []byte{0x07, 0}},
		{"stored-complement", []byte{0, 5, 0, 0, 0, 'H', 'e', 'l', 'l', 'o', 0}},
		{"stored-short", []byte{0, 0xff, 0, 0, 0xff, 'H', 'e'}},
		{"plain-text", []byte("this is not compressed")},
		{"distance-before-start", made(func(e *deflater) { e.fixed(false); e.literals([]byte("a")); e.match(3, 2); e.symbol(endOfBlock) })},
		{"distance-far", made(func(e *deflater) { e.fixed(false); e.literals([]byte("abc")); e.match(3, 32768); e.symbol(endOfBlock) })},
		{"length-symbol", made(func(e *deflater) { e.fixed(false); e.symbol(286); e.symbol(endOfBlock) })},
		{"distance-symbol", made(func(e *deflater) {
			e.fixed(false)
			e.literals([]byte("abc"))
			e.symbol(257)
			e.bits(31, 5)
			e.symbol(endOfBlock)
		})},
		{"code-lengths", made(func(e *deflater) { e.bits(2<<1, 3); e.bits(0, 5); e.bits(0, 5); e.bits(15, 4); e.bits(0x7fffffff, 57) })},
		{"too-many-codes", made(func(e *deflater) { e.bits(2<<1, 3); e.bits(31, 5); e.bits(31, 5); e.bits(15, 4); e.bits(0x1249, 57) })},
		{"all-ones", bytes.Repeat([]byte{0xff}, 50)},
	} {
		for _, op := range dataOps {
			l.add(r, "deflate/data/"+c.name+"/"+op.String(), 0, compressing(deflateParams{}, func(p *peer) error {
				p.send(frame{op: op, rsv: rsv1, payload: c.bytes})
				return p.wantFailure(protocolError, invalidPayload)
			}))
		}
	}
	r.section, r.must = "RFC 7692, 7.2.2", "Without takeover, each message is inflated with an empty window."
	r.fault = "keeps a window that must be discarded"
	l.add(r, "deflate/data/no-takeover", 0, compressing(deflateParams{serverNoTakeover: true, clientNoTakeover: true}, func(p *peer) error {
		if p.flate.out.takeover {
			return skipped("the server does not agree to client_no_context_takeover")
		}
		p.send(p.squeezed(text(strings.Repeat("window", 20))))
		if !p.opts.NoEcho {
			if err := p.wantMessage(ws.OpText, []byte(strings.Repeat("window", 20))); err != nil {
				return err
			}
		}
		p.send(frame{op: ws.OpText, rsv: rsv1, payload: made(func(e *deflater) { e.fixed(false); e.match(6, 6); e.symbol(endOfBlock) })})
		err := p.wantFailure(protocolError, invalidPayload)
		if v, _ := judge(err); v == Failed {
			return tolerated("the peer inflates with a window that it need not have: %v", err)
		}
		return err
	}))
}

// compressedTextCases test UTF-8 in compressed messages.
func compressedTextCases(l *list) {
	r := rule{
		section: "8.1", needs: needRaw,
		must:  "A text message is UTF-8 once it is inflated.",
		fault: "does not check text that was compressed",
	}
	for _, s := range []sequence{
		{"never", "\xff"}, {"lonely", "\x80"}, {"short", "\xe2\x82"}, {"overlong", "\xc0\xaf"}, {"surrogate", "\xed\xa0\x80"},
		{"beyond", "\xf4\x90\x80\x80"}, {"late", string(sample(5000)) + "\xff"}, {"early", "\xff" + string(sample(5000))},
	} {
		l.add(r, "deflate/text/"+s.name, 0, compressing(deflateParams{}, func(p *peer) error {
			p.send(p.squeezed(text("text: " + s.bytes)))
			return p.wantFailure(invalidPayload)
		}))
		l.add(r, "deflate/text/"+s.name+"-in-fragments", 0, compressing(deflateParams{}, func(p *peer) error {
			b := p.squeezed(text("text: " + s.bytes)).payload
			frames := fragments(ws.OpText, b, 3, len(b)-6)
			frames[0].rsv = rsv1
			p.send(frames...)
			return p.wantFailure(invalidPayload)
		}))
	}
	r.needs |= needEcho
	r.must, r.fault = "A binary message is any bytes.", "looks for UTF-8 in binary messages"
	l.add(r, "deflate/text/binary", 256, compressing(deflateParams{}, func(p *peer) error { return p.exchange(binaryOf(allBytes())) }))
	r.must, r.fault = "A text message is UTF-8 once it is inflated.", "looks for UTF-8 in the compressed bytes"
	for _, s := range validText()[:5] {
		l.add(r, "deflate/text/"+s.name, 0, compressing(deflateParams{}, func(p *peer) error { return p.exchange(text(s.bytes)) }))
	}
}

// bombCases are messages that are small on the wire and large after
// decompression.
func bombCases(l *list) {
	r := rule{
		section: "RFC 7692, 8", needs: needRaw | needLimit,
		must:  "The limit counts the bytes of the inflated message: over it, the connection fails with 1009.",
		fault: "counts compressed bytes, or inflates everything before it checks the limit",
	}
	for _, c := range []struct {
		name  string
		times int
		more  int
	}{{"one-more", 1, 1}, {"10-times", 10, 0}, {"100-times", 100, 0}} {
		l.add(r, "deflate/bomb/"+c.name, 0, compressing(deflateParams{}, func(p *peer) error {
			n := min(int(p.opts.MaxMessage)*c.times, 256*mebi) + c.more
			p.send(frame{op: ws.OpBinary, rsv: rsv1, payload: bomb(n)})
			return p.wantFailure(ws.StatusMessageTooBig)
		}))
	}
	l.add(r, "deflate/bomb/in-fragments", 0, compressing(deflateParams{}, func(p *peer) error {
		b := bomb(min(int(p.opts.MaxMessage)*10, 256*mebi))
		frames := fragments(ws.OpBinary, b, even(10, len(b))...)
		frames[0].rsv = rsv1
		p.send(frames...)
		return p.wantFailure(ws.StatusMessageTooBig)
	}))
	r.needs |= needEcho
	r.must, r.fault = "A message up to the limit is accepted, however small it was on the wire.", "mistakes a good compression ratio for an attack"
	l.add(r, "deflate/bomb/exact", 0, compressing(deflateParams{}, func(p *peer) error {
		return p.exchange(binaryOf(make([]byte, p.opts.MaxMessage)))
	}))
}

// bomb is a message of n zeros.
func bomb(n int) []byte {
	return made(func(e *deflater) {
		e.fixed(false)
		e.symbol(0)
		n--
		for ; n >= 258; n -= 258 {
			e.match(258, 1)
		}
		for ; n > 0; n-- {
			e.symbol(0)
		}
		e.symbol(endOfBlock)
	})
}
