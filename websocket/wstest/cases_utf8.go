package wstest

import (
	"context"
	"fmt"
	"strings"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

const invalidPayload = ws.StatusInvalidFramePayloadData

// sequence is a piece of valid or invalid text.
type sequence struct{ name, bytes string }

// encode returns r in the pattern of n-byte sequences, whether or not UTF-8
// allows it. n is at most 6, as in early UTF-8.
func encode(r uint32, n int) string {
	b := make([]byte, n)
	for i := n - 1; i > 0; i-- {
		b[i] = 0x80 | byte(r&0x3f)
		r >>= 6
	}
	b[0] = byte(0xff<<(8-n)) | byte(r)
	return string(b)
}

// validText must be accepted: the first and last characters of each length, and
// those next to the gaps.
func validText() []sequence {
	list := []sequence{
		{"words", "Grüße, κόσμε, 世界, नमस्ते, שלום, 🙂"},
		{"combining", "e\u0301 a\u0308 \u200d"},
		{"byte-order-mark", "\ufefftext"},
		{"replacement", "\ufffd"},
		{"flags", "🇩🇪🏳️‍🌈"},
	}
	for _, r := range []rune{0, 1, 0x7f, 0x80, 0xff, 0x7ff, 0x800, 0xfff, 0x1000, 0xcfff, 0xd000, 0xd7ff, 0xe000, 0xfdd0, 0xfdef,
		0xfffc, 0xfffe, 0xffff, 0x10000, 0x1ffff, 0x3ffff, 0x40000, 0xfffff, 0x100000, 0x10fffe, 0x10ffff} {
		list = append(list, sequence{fmt.Sprintf("U+%04X", r), string(r)})
	}
	return list
}

// invalidText must be refused. Its groups are those of decoder stress tests:
// lone bytes, truncated sequences, impossible bytes, overlong forms,
// surrogates, and numbers beyond the last character.
func invalidText() []sequence {
	var list []sequence
	add := func(name, bytes string) { list = append(list, sequence{name, bytes}) }
	for _, b := range []byte{0x80, 0x81, 0x9f, 0xa0, 0xbe, 0xbf} {
		add(fmt.Sprintf("lonely/%02x", b), string([]byte{b}))
	}
	for n := 2; n <= 7; n++ {
		add(fmt.Sprintf("lonely/%d-bytes", n), strings.Repeat("\x80\xbf", 4)[:n])
	}
	for _, b := range []byte{0xc2, 0xdf, 0xe0, 0xe1, 0xed, 0xef, 0xf0, 0xf1, 0xf4} {
		add(fmt.Sprintf("start/%02x-space", b), string([]byte{b, ' '}))
		add(fmt.Sprintf("start/%02x-start", b), string([]byte{b, b}))
	}
	for _, b := range []byte{0xc0, 0xc1, 0xf5, 0xf8, 0xfb, 0xfc, 0xfd, 0xfe, 0xff} {
		add(fmt.Sprintf("never/%02x", b), string([]byte{b}))
	}
	add("never/fe-fe-ff-ff", "\xfe\xfe\xff\xff")
	for _, s := range []sequence{{"c3bc", "ü"}, {"e282ac", "€"}, {"efbfbf", "\uffff"}, {"f09f9982", "🙂"}, {"f48fbfbf", "\U0010ffff"}} {
		for n := 1; n < len(s.bytes); n++ {
			add(fmt.Sprintf("short/%s-%d", s.name, n), s.bytes[:n])
			add(fmt.Sprintf("short/%s-%d-more", s.name, n), s.bytes[:n]+"more")
		}
	}
	add("short/all", "\xc3\xe2\x82\xf0\x9f\x99")
	for n := 2; n <= 6; n++ {
		least := uint32(1) << []uint{0, 0, 7, 11, 16, 21, 26}[n]
		add(fmt.Sprintf("overlong/slash-%d", n), encode('/', n))
		add(fmt.Sprintf("overlong/nul-%d", n), encode(0, n))
		add(fmt.Sprintf("overlong/largest-%d", n), encode(least-1, n))
		if n > 4 {
			add(fmt.Sprintf("long/first-%d", n), encode(least, n))
		}
	}
	for _, r := range []uint32{0xd800, 0xdb7f, 0xdb80, 0xdbff, 0xdc00, 0xdf80, 0xdfff} {
		add(fmt.Sprintf("surrogate/%04x", r), encode(r, 3))
	}
	for _, hi := range []uint32{0xd800, 0xdb7f, 0xdb80, 0xdbff} {
		for _, lo := range []uint32{0xdc00, 0xdfff} {
			add(fmt.Sprintf("surrogate/%04x-%04x", hi, lo), encode(hi, 3)+encode(lo, 3))
		}
	}
	for _, r := range []uint32{0x110000, 0x13ffff, 0x140000, 0x1fffff} {
		add(fmt.Sprintf("beyond/%x", r), encode(r, 4))
	}
	return list
}

// split returns a text message in fragments of one byte.
func split(s string) []frame {
	return fragments(ws.OpText, []byte(s), even(len(s), len(s))...)
}

func utf8Cases(l *list) {
	r := rule{
		section: "5.6", needs: needEcho,
		must:  "The payload of a text message is UTF-8.",
		fault: "refuses text that is UTF-8, or changes it",
	}
	for _, s := range validText() {
		l.add(r, "utf8/valid/"+s.name, 0, echoing(0, text(s.bytes)))
		if s.name[0] == 'U' {
			s.bytes = "a" + s.bytes + "z"
		}
		l.add(r, "utf8/valid/"+s.name+"/by-byte", 0, echoing(0, split(s.bytes)...))
	}
	r = rule{
		section: "8.1",
		must:    "Bytes in a text message that are not UTF-8 fail the connection.",
		fault:   "accepts text that is not UTF-8",
	}
	for _, s := range invalidText() {
		l.add(r, "utf8/invalid/"+s.name, 0, faulty(invalidPayload, text("text: "+s.bytes)))
		l.add(r, "utf8/invalid/"+s.name+"/by-byte", 0, faulty(invalidPayload, split("a"+s.bytes)...))
	}
	r.fault = "a fast path for long or for plain text skips the check"
	for _, n := range []int{7, 8, 15, 16, 31, 32, 63, 64, 1000, 65536} {
		l.add(r, fmt.Sprintf("utf8/late/%d", n), int64(n), faulty(invalidPayload, text(string(sample(n))+"\xff")))
		l.add(r, fmt.Sprintf("utf8/early/%d", n), int64(n), faulty(invalidPayload, text("\xff"+string(sample(n)))))
	}
	r = rule{
		section: "5.6", needs: needEcho,
		must:  "The payload of a binary message is any bytes.",
		fault: "looks for UTF-8 in binary messages",
	}
	l.add(r, "utf8/binary/all-bytes", 256, echoing(0, binaryOf(allBytes())))
	l.add(r, "utf8/binary/fragments", 256, echoing(0, fragments(ws.OpBinary, allBytes(), 129, 70)...))
	l.add(r, "utf8/binary/cut", 256, echoing(0, fragments(ws.OpBinary, []byte("\xe2\x82"), 1)...))
}

func allBytes() []byte {
	p := make([]byte, 256)
	for i := range p {
		p[i] = byte(i)
	}
	return p
}

// utf8CutCases are text in pieces, and faults that can be detected early.
func utf8CutCases(l *list) {
	const words = "aé€🙂z"
	good := rule{
		section: "5.6", needs: needEcho,
		must:  "A fragment may end inside a character; the whole message is UTF-8.",
		fault: "checks each fragment of text by itself",
	}
	bad := rule{
		section: "8.1",
		must:    "Bytes in a text message that are not UTF-8 fail the connection.",
		fault:   "misses an invalid character at the border of two fragments",
	}
	for at := range len(words) + 1 {
		parts := fragments(ws.OpText, []byte(words), at)
		l.add(good, fmt.Sprintf("utf8/cut/%d", at), 0, echoing(0, parts...))
		l.add(good, fmt.Sprintf("utf8/cut/%d-ping", at), 0, echoing(0, parts[0], ping("é"), parts[1]))
		if !utf8.RuneStart((words + "a")[at]) {
			l.add(bad, fmt.Sprintf("utf8/cut/%d-then-ascii", at), 0, faulty(invalidPayload, parts[0], cont("x")))
			l.add(bad, fmt.Sprintf("utf8/cut/%d-end", at), 0, faulty(invalidPayload, parts[0], cont("")))
			l.add(bad, fmt.Sprintf("utf8/cut/%d-two-messages", at), 0,
				faulty(invalidPayload, text(words[:at]), text(words[at:])))
		}
	}
	r := rule{
		section: "8.1",
		must:    "Bytes that are not UTF-8 fail the connection when they are found.",
		fault:   "waits for the end of a message that is already invalid",
	}
	for _, s := range []sequence{
		{"never", "\xff"}, {"lonely", "\x80"}, {"overlong", "\xe0\x80"}, {"surrogate", "\xed\xa0"},
		{"beyond", "\xf4\x90"}, {"start-start", "\xc3\xc3"},
	} {
		l.add(r, "utf8/fail-fast/fragment/"+s.name, 0, failFast("good text "+s.bytes))
		l.add(r, "utf8/fail-fast/frame/"+s.name, 1<<10, failFastInside("good text "+s.bytes))
	}
}

// failFast sends an invalid fragment, and the rest of the message only after a
// pong.
func failFast(start string) script {
	return func(_ context.Context, p *peer) error {
		p.send(text(start).unfinished(), ping(probe))
		p.hurry(0)
		ev, err := p.next()
		switch {
		case err != nil:
			return err
		case ev.kind == closeSeen:
			return worst(p.judgeCode([]ws.StatusCode{invalidPayload}), p.wantEnd(false))
		case ev.over():
			return tolerated("the peer drops the connection without a close frame")
		case ev.kind != ponged:
			return failed("the peer goes on after the fault: %v", ev)
		}
		p.send(cont(""))
		return worst(tolerated("the peer fails the connection only at the end of the message"), p.wantFailure(invalidPayload))
	}
}

// failFastInside sends an invalid part of a frame, and the rest of the frame
// later.
func failFastInside(start string) script {
	return func(_ context.Context, p *peer) error {
		rest := string(sample(1000))
		whole := text(start+rest).append(nil, p.client)
		p.log.note("the frame's last %d bytes come later", len(rest))
		p.Write(whole[:len(whole)-len(rest)])
		if p.reaction() {
			return p.wantFailureInside(invalidPayload)
		}
		p.Write(whole[len(whole)-len(rest):])
		return worst(tolerated("the peer fails the connection only at the end of the frame"), p.wantFailure(invalidPayload))
	}
}
