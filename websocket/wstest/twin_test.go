package wstest

import (
	"bufio"
	"bytes"
	"encoding/binary"
	"errors"
	"io"
	"net"
	"slices"
	"time"
	"unicode"
	"unicode/utf8"

	"github.com/wskit/wskit/ws"
)

// twin is an echo peer that is made to be broken: without a fault it is strict,
// and every fault is one place where it goes wrong.
type twin struct {
	fault  string
	client bool
	limit  int
	conn   net.Conn
	r      *bufio.Reader

	flate    *flateState
	op       ws.OpCode // of the open message, or 0
	rsv1     bool
	buf      []byte
	good     int // bytes of buf that are known to be UTF-8
	late     []string
	sent     int
	echo     []frame // held back
	total    int     // bytes of all messages
	parts    int     // frames of the open message
	skip     bool    // the next message is lost
	sticky   bool    // a message was compressed
	stale    []byte  // the last ping
	calm     bool    // a control frame was in the open message
	beats    int     // chances of a heartbeat
	messages int     // messages so far
	first    ws.OpCode
	tail     []byte // of the last message, if a character is cut there

	inControl bool // a fragmented control frame has begun
}

// fault of the peer, to be answered with a close frame.
type twinFault struct{ code ws.StatusCode }

func (twinFault) Error() string { return "fault" }

var errTwinDone = errors.New("done")

func (t *twin) is(fault string) bool { return t.fault == fault }

// serve speaks WebSocket until the connection ends.
func (t *twin) serve() {
	err := t.loop()
	var fault twinFault
	if errors.As(err, &fault) && !t.is("drops-silently") {
		t.write(closing(fault.code, ""))
	}
	if err == io.EOF || err == io.ErrUnexpectedEOF {
		t.hold()
		return
	}
	if t.is("keeps-open") { // only in a bubble
		t.conn.SetReadDeadline(time.Now().Add(time.Hour))
		io.Copy(io.Discard, t.r)
		time.Sleep(time.Hour)
		return
	}
	t.linger()
}

// hold keeps a connection whose other half has ended, only in a bubble.
func (t *twin) hold() {
	if t.is("keeps-half-open") {
		time.Sleep(time.Hour)
	}
}

// linger ends the twin's half of the connection, and reads until the suite ends
// the other.
func (t *twin) linger() {
	if c, ok := t.conn.(interface{ CloseWrite() error }); ok {
		c.CloseWrite()
		t.conn.SetReadDeadline(time.Now().Add(2 * time.Second))
		io.Copy(io.Discard, t.r)
	}
}

func (t *twin) loop() error {
	for {
		t.beat()
		h, err := t.header()
		if err != nil {
			return err
		}
		t.beat()
		if t.skips(h) {
			if _, err := io.CopyN(io.Discard, t.r, h.Length); err != nil {
				return err
			}
			continue
		}
		if err := t.allowed(h); err != nil {
			return err
		}
		if h.OpCode.IsControl() {
			err = t.control(h)
		} else {
			err = t.data(h)
		}
		if err != nil {
			return err
		}
	}
}

// skips reports whether a frame is passed over that should have been refused.
func (t *twin) skips(h ws.Header) bool {
	reserved := h.OpCode > 2 && h.OpCode < 8 || h.OpCode > 10
	switch {
	case t.is("skips-reserved"):
		return reserved
	case t.is("continues-control") && h.OpCode.IsControl() && !h.Fin:
		t.inControl = true
		return true
	case t.inControl && h.OpCode == ws.OpContinuation:
		t.inControl = !h.Fin
		return true
	}
	return false
}

// inOneRead reports whether a whole frame is in the buffer, or as much of it as
// fits.
func (t *twin) inOneRead() bool {
	t.r.Peek(1)
	b, _ := t.r.Peek(t.r.Buffered())
	if len(b) < 2 {
		return false
	}
	size, n := 2, int(b[1]&0x7f)
	switch {
	case n == 126 && len(b) >= 4:
		size, n = 4, int(binary.BigEndian.Uint16(b[2:]))
	case n == 126:
		return false
	case n == 127 && len(b) >= 10:
		size, n = 10, int(binary.BigEndian.Uint64(b[2:]))
	case n == 127:
		return false
	}
	if b[1]&0x80 != 0 {
		size += 4
	}
	return len(b) == t.r.Size() || len(b) >= size+n
}

// beat sends a pong that nobody has asked for, now and then.
func (t *twin) beat() {
	if t.beats++; t.is("heartbeat") && t.beats%3 == 1 {
		t.write(pong([]string{"", "heartbeat"}[t.beats%2]))
	}
}

// header reads a frame header.
func (t *twin) header() (h ws.Header, err error) {
	var b [8]byte
	if t.is("frame-in-one-read") && !t.inOneRead() {
		return h, twinFault{1002}
	}
	if _, err := io.ReadFull(t.r, b[:2]); err != nil {
		return h, err
	}
	h = ws.Header{Fin: b[0]&0x80 != 0, Rsv: b[0] >> 4 & 7, OpCode: ws.OpCode(b[0] & 15), Masked: b[1]&0x80 != 0}
	n := uint64(b[1] & 0x7f)
	least := uint64(0)
	if n > 125 && t.r.Buffered() == 0 && t.is("header-in-one-read") {
		return h, twinFault{1002}
	}
	switch n {
	case 126:
		_, err = io.ReadFull(t.r, b[:2])
		n, least = uint64(binary.BigEndian.Uint16(b[:])), 126
		if t.is("little-endian") {
			n = uint64(binary.LittleEndian.Uint16(b[:]))
		}
	case 127:
		_, err = io.ReadFull(t.r, b[:8])
		n, least = binary.BigEndian.Uint64(b[:]), 65536
	}
	switch {
	case err != nil:
		return h, err
	case t.is("truncates-length"):
		n &= 0xffffffff
	case n < least && !t.is("takes-not-minimal"):
		return h, twinFault{1002}
	case n>>63 != 0 && t.is("ignores-top-bit"):
		n &^= 1 << 63
	case n>>63 != 0:
		return h, twinFault{1002}
	}
	h.Length = int64(n)
	if h.Masked {
		_, err = io.ReadFull(t.r, h.Mask[:])
		if t.is("mask-begins-with-0") && h.Mask[0] == 0 {
			return h, twinFault{1002}
		}
	}
	return h, err
}

// allowed says whether a header may be where it is.
func (t *twin) allowed(h ws.Header) error {
	control := h.OpCode.IsControl()
	rsv := h.Rsv
	for i, name := range []string{"ignores-rsv3", "ignores-rsv2", "ignores-rsv1"} {
		if t.is(name) {
			rsv &^= 1 << i
		}
	}
	if t.is("ignores-all-rsv") && (t.flate == nil || control || h.OpCode == 0) {
		rsv = 0
	} else if t.is("ignores-all-rsv") {
		rsv &= 4
	}
	if control && t.is("ignores-rsv-of-control") || h.OpCode == 0 && t.is("ignores-rsv-of-continuation") {
		rsv = 0
	}
	if t.flate != nil && !control && h.OpCode != 0 {
		rsv &^= 4
	}
	reserved := h.OpCode > 2 && h.OpCode < 8 && !t.is("takes-reserved-data") || h.OpCode > 10 && !t.is("takes-reserved-control")
	switch {
	case h.Masked == t.client && !t.is("ignores-mask") && (h.Length > 0 || !t.is("ignores-mask-of-empty")),
		rsv != 0, reserved,
		control && !h.Fin && !t.is("takes-fragmented-control"),
		control && h.Length > 125 && !t.is("takes-long-control"),
		h.OpCode == 0 && t.op == 0 && !t.is("takes-orphan"),
		!control && h.OpCode != 0 && t.op != 0 && !t.is("takes-nested") && !(t.calm && t.is("takes-nested-after-control")):
		return twinFault{1002}
	}
	limit := int64(t.limit)
	if !t.is("limits-frames") {
		limit -= int64(len(t.buf))
	}
	if t.is("limits-connection") {
		limit -= int64(t.total)
	}
	if t.is("limits-text") && (h.OpCode == ws.OpBinary || h.OpCode == 0 && t.op == ws.OpBinary) {
		limit = maxReceived
	}
	if t.is("limit-off-by-one") {
		limit--
	}
	if !control && h.Length > limit && !t.is("no-limit") && !t.is("limit-at-end") {
		return twinFault{1009}
	}
	return nil
}

// payload reads and unmasks n bytes, and calls check on all that is there after
// each piece.
func (t *twin) payload(dst []byte, h ws.Header, check func([]byte) error) ([]byte, error) {
	start := len(dst)
	for rest := h.Length; rest > 0; {
		chunk := make([]byte, min(rest, 64<<10))
		n, err := t.r.Read(chunk)
		for i, b := range chunk[:n] {
			k := len(dst) - start + i
			if t.is("mask-goes-on") {
				k += start
			}
			if t.is("mask-by-words") && h.Length > 64 {
				k = (k &^ 3) | 3 - k&3
			}
			if h.Masked && !t.is("forgets-to-unmask") {
				b ^= h.Mask[k&3]
			}
			chunk[i] = b
		}
		dst = append(dst, chunk[:n]...)
		rest -= int64(n)
		if err != nil {
			return dst, io.ErrUnexpectedEOF
		}
		if err := check(dst); err != nil {
			return dst, err
		}
	}
	return dst, nil
}

func (t *twin) control(h ws.Header) error {
	p, err := t.payload(nil, h, func([]byte) error { return nil })
	if err != nil {
		return err
	}
	if t.op != 0 && t.is("control-breaks-message") {
		t.buf, t.good = nil, 0
	}
	if t.op != 0 && t.is("control-restarts-text") {
		t.good = len(t.buf)
	}
	t.calm = t.op != 0
	if h.OpCode != ws.OpClose && t.is("control-must-be-text") && !utf8.Valid(p) {
		return twinFault{1007}
	}
	switch h.OpCode {
	case ws.OpPing:
		return t.pong(p)
	case ws.OpPong:
		if t.is("answers-pongs") {
			return t.write(pong(string(p)))
		}
	case ws.OpClose:
		if t.op != 0 && (t.is("close-in-message-ignored") || t.rsv1 && t.is("close-in-compressed-ignored")) {
			return nil
		}
		return t.close(p)
	}
	return nil
}

func (t *twin) pong(p []byte) error {
	t.sent++
	switch {
	case t.is("no-pong"), t.is("loses-pongs") && t.sent%7 == 6, t.is("tires-of-pings") && t.sent > 500:
		return nil
	case t.is("answers-the-last-ping") && t.r.Buffered() > 0:
		return nil
	case t.is("pong-ends-at-0"):
		p, _, _ = bytes.Cut(p, []byte{0})
	case t.is("empty-pong"):
		p = nil
	case t.is("cuts-pong") && len(p) > 124:
		p = p[:124]
	case t.is("stale-pong"):
		p = append(p, t.stale[min(len(p), len(t.stale)):]...)
		t.stale = p
	case t.is("pong-after-message") && t.op != 0:
		t.late = append(t.late, string(p))
		return nil
	case t.is("pong-as-text"):
		return t.write(text(string(p)))
	}
	return t.write(pong(string(p)))
}

// close answers a close frame.
func (t *twin) close(p []byte) error {
	if t.is("no-close-answer") {
		return nil
	}
	if len(p) == 1 && !t.is("takes-one-byte-close") {
		return twinFault{1002}
	}
	if len(p) == 0 && t.is("refuses-empty-close") {
		return twinFault{1002}
	}
	if len(p) >= 2 {
		code := int(binary.BigEndian.Uint16(p))
		if !t.codeAllowed(code) {
			return twinFault{1002}
		}
		if !utf8.Valid(p[2:]) && !t.is("takes-bad-reason") {
			return twinFault{1007}
		}
		if t.is("always-closes-with-1000") {
			p = closeBody(1000, "")
		}
		if t.is("swaps-code") {
			p[0], p[1] = p[1], p[0]
		}
		if t.is("no-reasons") && len(p) > 120 {
			return twinFault{1002}
		}
	}
	if t.is("close-overtakes") {
		t.echo = nil
	}
	if t.is("bare-close") {
		t.write(frame{op: ws.OpClose, payload: []byte{3}})
		return errTwinDone
	}
	t.write(frame{op: ws.OpClose, payload: p})
	if t.is("echoes-after-close") {
		for _, f := range t.echo {
			t.write(t.squeezed(f))
		}
	}
	if t.is("processes-after-close") {
		return nil
	}
	return errTwinDone
}

func (t *twin) codeAllowed(code int) bool {
	switch {
	case code >= 5000 && t.is("takes-codes-over-4999"), code < 1000 && t.is("takes-codes-under-1000"),
		(code == 1005 || code == 1006 || code == 1015) && t.is("takes-unsendable-codes"),
		code > 1015 && code < 3000 && t.is("takes-undefined-codes"), code == 1004 && t.is("takes-1004"):
		return true
	case code >= 1012 && code <= 1014 && t.is("refuses-new-codes"), code >= 3000 && code < 4000 && t.is("refuses-3xxx"),
		code == 4999 && t.is("refuses-4999"):
		return false
	}
	return code >= 1000 && code <= 1014 && code != 1004 && code != 1005 && code != 1006 || code >= 3000 && code <= 4999
}

// data adds a frame to the message and echoes the message when it is whole.
func (t *twin) data(h ws.Header) error {
	if h.OpCode != 0 {
		t.op, t.rsv1, t.buf, t.parts, t.calm = h.OpCode, h.Rsv1(), nil, 0, false
		if !t.is("stale-text-check") {
			t.good = 0
		}
	}
	if h.OpCode == 0 && t.is("rsv1-of-the-last-frame") {
		t.rsv1 = false
	}
	if t.parts++; t.parts > mostFrames && t.is("bounds-fragments") {
		return twinFault{1008}
	}
	if t.op == 0 {
		t.op = ws.OpText
	}
	before := len(t.buf)
	var err error
	t.buf, err = t.payload(t.buf, h, t.checkText)
	if err != nil {
		return err
	}
	switch {
	case t.is("utf8-per-fragment") && t.op == ws.OpText && !utf8.Valid(t.buf[before:]):
		return twinFault{1007}
	case t.is("echoes-fragments"):
		return t.write(frame{op: t.op, payload: t.buf[before:]})
	case !h.Fin && h.Length == 0 && t.is("empty-fragment-ends"):
	case h.OpCode == 0 && h.Length == 0 && t.is("ignores-empty-end"):
		return nil
	case !h.Fin:
		return nil
	}
	return t.whole()
}

func (t *twin) whole() error {
	p, op := t.buf, t.op
	t.buf, t.op = nil, 0
	if t.is("rsv1-stays") {
		t.sticky = t.sticky || t.rsv1
		t.rsv1 = t.sticky
	}
	t.total += len(p)
	t.messages++
	if t.first == 0 {
		t.first = op
	}
	switch {
	case t.is("limit-at-end") && len(p) > t.limit:
		return twinFault{1009}
	case t.is("tires-of-messages") && t.messages > 40:
		return nil
	case t.is("utf8-of-compressed") && op == ws.OpText && !utf8.Valid(p):
		return twinFault{1007}
	}
	if t.is("loses-the-second-of-a-read") {
		if t.skip = !t.skip && t.r.Buffered() > 0; !t.skip && t.r.Buffered() > 0 {
			return nil
		}
	}
	if (t.rsv1 || t.is("inflates-all")) && t.flate != nil {
		var err error
		if p, err = t.inflate(p); err != nil {
			return err
		}
	} else if t.flate != nil && t.is("plain-enters-window") {
		t.flate.in.remember(p)
	}
	if op == ws.OpText && !t.validText(p) || op == ws.OpBinary && t.is("utf8-in-binary") && !utf8.Valid(p) {
		return twinFault{1007}
	}
	t.tail = cutRune(p)
	switch {
	case t.is("cuts-large") && len(p) > 65536:
		p = p[:65536]
	case t.is("cuts-at-32k") && len(p) > 32<<10:
		p = p[:32<<10]
	case t.is("type-stays"):
		op = t.first
	case t.is("swaps-types"):
		op = 3 - op
	case t.is("trims-text") && op == ws.OpText:
		p = bytes.TrimRight(p, "\x00 ")
	case t.is("close-overtakes"), t.is("echoes-after-close"), t.is("shares-buffer"):
		return t.holdBack(frame{op: op, payload: p})
	}
	for _, s := range t.late {
		t.write(pong(s))
	}
	t.late = nil
	return t.write(t.squeezed(frame{op: op, payload: p}))
}

// holdBack sends messages only when nothing more is there to be read.
func (t *twin) holdBack(f frame) error {
	t.echo = append(t.echo, f)
	if t.r.Buffered() > 0 {
		return nil
	}
	for _, f := range t.echo {
		if t.is("shares-buffer") {
			copy(f.payload, t.echo[len(t.echo)-1].payload)
		}
		if err := t.write(t.squeezed(f)); err != nil {
			return err
		}
	}
	t.echo = nil
	return nil
}

// checkText looks at the text so far.
func (t *twin) checkText(p []byte) error {
	if t.op != ws.OpText || t.rsv1 && t.flate != nil || t.is("utf8-only-at-end") {
		return nil
	}
	for t.good < len(p) {
		r, n := utf8.DecodeRune(p[t.good:])
		if r == utf8.RuneError && n == 1 {
			if !utf8.FullRune(p[t.good:]) || t.lenientText() {
				return nil
			}
			return twinFault{1007}
		}
		t.good += n
	}
	return nil
}

func (t *twin) lenientText() bool {
	switch t.fault {
	case "takes-all-text", "takes-surrogates", "takes-overlong", "takes-cut-text", "takes-beyond":
		return true
	}
	return false
}

func (t *twin) validText(p []byte) bool {
	switch t.fault {
	case "takes-all-text":
		return true
	case "stale-text-check":
		return utf8.Valid(p[min(len(p), t.good):])
	case "no-look-at-inflated-text":
		return utf8.Valid(p) || t.rsv1 && t.flate != nil
	case "takes-surrogates":
		p = bytes.ReplaceAll(p, []byte("\xed\xa0"), []byte("\xed\x80"))
	case "takes-overlong":
		p = bytes.ReplaceAll(p, []byte("\xc0\xaf"), []byte("/"))
	case "takes-beyond":
		p = bytes.ReplaceAll(p, []byte("\xf4\x90"), []byte("\xf4\x80"))
	case "takes-cut-text":
		for n := 0; n < 4 && len(p) > 0 && !utf8.Valid(p) && !utf8.FullRune(lastStart(p)); n++ {
			p = p[:len(p)-1]
		}
	case "utf8-state-stays":
		return utf8.Valid(append(slices.Clone(t.tail), p...))
	case "ascii-only":
		return !bytes.ContainsFunc(p, func(r rune) bool { return r > 0x7f })
	case "refuses-controls":
		return utf8.Valid(p) && !bytes.ContainsFunc(p, unicode.IsControl)
	case "refuses-noncharacters":
		return utf8.Valid(p) && !bytes.Contains(p, []byte("\uffff")) && !bytes.Contains(p, []byte("\ufffe"))
	case "looks-at-first-kilobyte":
		return utf8.Valid(p[:min(len(p), 1000)])
	}
	return utf8.Valid(p)
}

// cutRune returns the start of a character at the end of p that is not whole.
func cutRune(p []byte) []byte {
	if last := lastStart(p); len(last) < 4 && !utf8.FullRune(last) {
		return slices.Clone(last)
	}
	return nil
}

func lastStart(p []byte) []byte {
	for i := len(p) - 1; i >= 0 && i > len(p)-4; i-- {
		if utf8.RuneStart(p[i]) {
			return p[i:]
		}
	}
	return p
}

// write sends one frame.
func (t *twin) write(f frame) error {
	switch {
	case t.is("wrong-mask-side"):
		f.wrongWay = true
	case t.is("sends-not-minimal") && len(f.payload) == 125:
		f.form = sixteen
	case t.is("sends-rsv2") && f.op == ws.OpText:
		f.rsv |= 2
	case t.is("same-mask"):
		f.key = &[4]byte{1, 2, 3, 4}
	}
	b := f.append(nil, t.client)
	_, err := t.conn.Write(b)
	return err
}
