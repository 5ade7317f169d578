package wstest

import (
	"bytes"
	"compress/flate"
	"context"
	"fmt"
	"strings"

	"github.com/wskit/wskit/ws"
)

var rsv1 = ws.Rsv(true, false, false)

// squeezed returns f with its payload compressed.
func (p *peer) squeezed(f frame) frame {
	f.payload, f.rsv = p.flate.send(f.payload), rsv1
	return f
}

// exchange sends messages, compressed if that was negotiated, and expects them
// back.
func (p *peer) exchange(messages ...frame) error {
	for _, m := range messages {
		f := m
		if p.flate != nil {
			f = p.squeezed(m)
		}
		p.send(f)
		if p.opts.NoEcho {
			continue
		}
		if err := p.wantMessage(m.op, m.payload); err != nil {
			return err
		}
	}
	return p.finish()
}

// compressing returns a script on a connection with compression.
func compressing(d deflateParams, s func(p *peer) error) script {
	return func(_ context.Context, p *peer) error {
		if err := p.compress(d); err != nil {
			return err
		}
		return s(p)
	}
}

// sent returns a script that sends compressed bytes and expects the message
// back.
func sent(plain string, compressed []byte) script {
	return compressing(deflateParams{}, func(p *peer) error {
		p.send(frame{op: ws.OpText, rsv: rsv1, payload: compressed})
		if err := p.wantMessage(ws.OpText, []byte(plain)); err != nil {
			return err
		}
		return p.finish()
	})
}

// deflateCases are good compressed messages (RFC 7692, sections 6 and 7.2).
func deflateCases(l *list) {
	r := rule{
		section: "RFC 7692, 7.2", needs: needRaw | needEcho,
		must:  "A compressed message is a DEFLATE stream without the four bytes at the end of its last empty block.",
		fault: "cannot read what a DEFLATE compressor may write",
	}
	for _, n := range []int{0, 1, 2, 3, 10, 64, 125, 126, 127, 300, 1000, 32767, 32768, 32769, 65535, 65536, 100_000} {
		for _, op := range dataOps {
			l.add(r, fmt.Sprintf("deflate/size/%s-%d", op.String(), n), int64(n), compressing(deflateParams{}, func(p *peer) error {
				return p.exchange(dataFrame(op, sample(n)), dataFrame(op, bytes.Repeat([]byte("x"), n)))
			}))
		}
	}
	l.add(r, "deflate/size/4194304", 4*mebi, compressing(deflateParams{}, func(p *peer) error {
		return p.exchange(binaryOf(bytes.Repeat([]byte("wskit "), 4*mebi/6)))
	}))
	blockCases(l, r)
	compressedFragmentCases(l, r)
	plainCases(l, r)
}

// std compresses with package compress/flate.
func std(plain string, level int) []byte {
	var b bytes.Buffer
	w, err := flate.NewWriter(&b, level)
	if err != nil {
		panic(err) // invalid level
	}
	w.Write([]byte(plain))
	w.Flush()
	return b.Bytes()[:b.Len()-4]
}

// made returns the output of f with a deflater.
func made(f func(e *deflater)) []byte {
	e := new(deflater)
	f(e)
	return e.flush()
}

func blockCases(l *list, r rule) {
	words := strings.Repeat("what a DEFLATE compressor may write; ", 30)
	for _, level := range []int{flate.HuffmanOnly, flate.NoCompression, 1, 6, 9} {
		l.add(r, fmt.Sprintf("deflate/block/level-%d", level), 0, sent(words, std(words, level)))
	}
	for _, c := range []struct {
		name, plain string
		bytes       []byte
	}{
		{"empty-one-byte", "", []byte{0}},
		{"empty-fixed", "", []byte{2, 0}},
		{"empty-stored", "", []byte{0, 0, 0, 0xff, 0xff, 0}},
		{"empty-three", "", []byte{0, 0, 0, 0xff, 0xff, 0, 0, 0, 0xff, 0xff, 0}},
		{"stored", "Hello", []byte{0, 5, 0, 0xfa, 0xff, 'H', 'e', 'l', 'l', 'o', 0}},
		{"fixed", "Hello", []byte{0xf2, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0}},
		{"final", "Hello", []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0}},
		{"two-blocks", "Hello", []byte{0xf2, 0x48, 0x05, 0, 0, 0, 0xff, 0xff, 0xca, 0xc9, 0xc9, 0x07, 0}},
		{"stored-65535", strings.Repeat("x", 65535), made(func(e *deflater) { e.stored(bytes.Repeat([]byte("x"), 65535), false) })},
		{"overlapping-match", strings.Repeat("ab", 100), made(func(e *deflater) {
			e.fixed(false)
			e.literals([]byte("ab"))
			e.match(198, 2)
			e.symbol(endOfBlock)
		})},
		{"longest-match", strings.Repeat("z", 259), made(func(e *deflater) {
			e.fixed(false)
			e.literals([]byte("z"))
			e.match(258, 1)
			e.symbol(endOfBlock)
		})},
		{"mixed", "onetwothree", made(func(e *deflater) {
			e.stored([]byte("one"), false)
			e.fixed(false)
			e.literals([]byte("two"))
			e.symbol(endOfBlock)
			e.stored([]byte("three"), false)
		})},
		{"final-stored", "Hello", made(func(e *deflater) { e.stored([]byte("Hello"), true) })},
	} {
		l.add(r, "deflate/block/"+c.name, 65535, sent(c.plain, c.bytes))
	}
	r.fault = "a message whose last block has BFINAL ends the stream for the messages after it"
	l.add(r, "deflate/block/final-then-more", 0, compressing(deflateParams{}, func(p *peer) error {
		for range 3 {
			p.send(frame{op: ws.OpText, rsv: rsv1, payload: []byte{0xf3, 0x48, 0xcd, 0xc9, 0xc9, 0x07, 0, 0}})
			if err := p.wantMessage(ws.OpText, []byte("Hello")); err != nil {
				return err
			}
			p.flate.out.remember([]byte("Hello"))
		}
		return p.finish()
	}))
}

func compressedFragmentCases(l *list, r rule) {
	r.section = "RFC 7692, 6.1"
	r.must = "A compressed message may be cut into fragments anywhere; RSV1 is set only on the first one."
	r.fault = "inflates each fragment separately, or expects RSV1 on later fragments"
	const words = "fragments of a compressed message, fragments of a compressed message"
	whole := deflate(nil, []byte(words), 1<<15)
	cut := func(sizes ...int) script {
		return compressing(deflateParams{}, func(p *peer) error {
			frames := fragments(ws.OpText, whole, sizes...)
			frames[0].rsv = rsv1
			p.send(frames...)
			return worst(p.wantMessage(ws.OpText, []byte(words)), p.finish())
		})
	}
	for at := range min(len(whole)+1, 40) {
		l.add(r, fmt.Sprintf("deflate/fragment/at-%d", at), 0, cut(at))
	}
	l.add(r, "deflate/fragment/bytes", 0, cut(even(len(whole), len(whole))...))
	l.add(r, "deflate/fragment/empty-ones", 0, cut(0, 0, 5, 0, 5, 0, 0))
	l.add(r, "deflate/fragment/pings", 0, compressing(deflateParams{}, func(p *peer) error {
		frames := fragments(ws.OpText, whole, 10, 10)
		frames[0].rsv = rsv1
		for i, f := range frames[:2] {
			p.send(f, ping(fmt.Sprint(i)))
			if err := p.wantPong(fmt.Sprint(i)); err != nil {
				return err
			}
		}
		p.send(frames[2])
		return worst(p.wantMessage(ws.OpText, []byte(words)), p.finish())
	}))
	for at := range 10 {
		text := "é€🙂"
		l.add(r, fmt.Sprintf("deflate/fragment/character-%d", at), 0, compressing(deflateParams{}, func(p *peer) error {
			b := made(func(e *deflater) {
				e.stored([]byte(text)[:min(at, len(text))], false)
				e.stored([]byte(text)[min(at, len(text)):], false)
			})
			frames := fragments(ws.OpText, b, 5+min(at, len(text)))
			frames[0].rsv = rsv1
			p.send(frames...)
			return worst(p.wantMessage(ws.OpText, []byte(text)), p.finish())
		}))
	}
}

func plainCases(l *list, r rule) {
	r.section = "RFC 7692, 6"
	r.must = "A message without RSV1 is not compressed, and does not enter the window."
	r.fault = "inflates what is not compressed, or adds it to the window"
	const words = "neither compressed nor in the window: "
	for _, n := range []int{0, 5, 126, 70_000} {
		l.add(r, fmt.Sprintf("deflate/plain/%d", n), int64(n), compressing(deflateParams{}, func(p *peer) error {
			return worst(p.echo(0, text(string(sample(n)))), p.finish())
		}))
	}
	l.add(r, "deflate/plain/between", 0, compressing(deflateParams{}, func(p *peer) error {
		for i := range 4 {
			p.send(p.squeezed(text(words + fmt.Sprint(i))))
			if err := p.wantMessage(ws.OpText, []byte(words+fmt.Sprint(i))); err != nil {
				return err
			}
			if err := p.echo(0, text("plain text in between, "+fmt.Sprint(i))); err != nil {
				return err
			}
		}
		return p.finish()
	}))
	l.add(r, "deflate/plain/not-in-window", 0, compressing(deflateParams{}, func(p *peer) error {
		first, noise := sample(200), sample(1000)[500:]
		p.send(p.squeezed(binaryOf(first)))
		if err := p.wantMessage(ws.OpBinary, first); err != nil {
			return err
		}
		if err := p.echo(0, binaryOf(noise)); err != nil {
			return err
		}
		if !p.flate.out.takeover {
			return p.finish()
		}
		p.send(frame{op: ws.OpBinary, rsv: rsv1, payload: made(func(e *deflater) {
			e.fixed(false)
			e.match(100, 200)
			e.symbol(endOfBlock)
		})})
		return worst(p.wantMessage(ws.OpBinary, first[:100]), p.finish())
	}))
}
