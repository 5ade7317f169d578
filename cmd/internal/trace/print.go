package trace

import (
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strconv"
	"strings"
	"time"
	"unicode/utf8"

	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/ws"
)

// lines prints a frame on a line for humans:
//
//	12:30:00.000125 1 00000081 > text masked 37fa213d 5 "Hello"
//
// The time and the number of the TCP stream are printed for a capture; "1.3" is
// HTTP/2 stream 3 in TCP stream 1.
type lines struct {
	w       io.Writer
	palette ui.Palette
}

func (l lines) print(f frame) error {
	var b strings.Builder
	if !f.time.IsZero() {
		b.WriteString(l.palette.Faint(f.time.Format("15:04:05.000000")) + " ")
	}
	if f.stream > 0 {
		b.WriteString(strconv.Itoa(f.stream))
		if f.http2 > 0 {
			fmt.Fprintf(&b, ".%d", f.http2)
		}
		b.WriteString(" ")
	}
	if f.peers != "" {
		_, err := io.WriteString(l.w, b.String()+"connection "+f.peers+"\n")
		return err
	}
	b.WriteString(l.palette.Faint(fmt.Sprintf("%08x", f.offset)) + " ")
	sign := string(f.from)
	if f.from == fromClient {
		sign = l.palette.Green(sign)
	} else {
		sign = l.palette.Blue(sign)
	}
	b.WriteString(sign + " " + l.what(f))
	for _, fault := range []error{f.fault, f.end} {
		if fault != nil {
			b.WriteString(l.palette.Red("  ! " + why(fault)))
		}
	}
	_, err := io.WriteString(l.w, b.String()+"\n")
	return err
}

// why returns the text of a fault without the words that all faults share.
func why(fault error) string {
	if e, ok := errors.AsType[*ws.ProtocolError](fault); ok {
		return e.Reason + " (RFC 6455, section " + e.Section + ")"
	}
	return fault.Error()
}

// what describes the frame itself.
func (l lines) what(f frame) string {
	switch {
	case f.handshake != "":
		return "handshake " + l.palette.Bold(f.handshake)
	case f.lost:
		return strings.TrimSpace("not a frame " + hex.EncodeToString(f.payload))
	}
	h := f.header
	words := []string{l.palette.Bold(h.OpCode.String())}
	if !h.Fin {
		words = append(words, "more")
	}
	for i := range 3 {
		if h.Rsv>>(2-i)&1 != 0 {
			words = append(words, "rsv"+strconv.Itoa(i+1))
		}
	}
	if h.Masked {
		words = append(words, "masked", hex.EncodeToString(h.Mask[:]))
	}
	size := strconv.FormatInt(h.Length, 10)
	if f.inflated >= 0 {
		size += "=" + strconv.FormatInt(f.inflated, 10)
	}
	words = append(words, size)
	if shown := f.shown(); shown != "" {
		words = append(words, shown)
	}
	return strings.Join(words, " ")
}

// readable reports whether the payload is text in its current form.
func (f frame) readable() bool {
	switch f.header.OpCode {
	case ws.OpClose, ws.OpPing, ws.OpPong:
		return true
	}
	plain := f.header.Rsv == 0 || f.inflated >= 0
	return f.message == ws.OpText && plain
}

// shown returns the payload, quoted if it is text and otherwise in hexadecimal.
func (f frame) shown() string {
	p := f.payload
	if len(p) == 0 {
		return ""
	}
	code := ""
	if f.header.OpCode == ws.OpClose && len(p) > 1 {
		c, _ := ws.ParseCloseFrameData(p)
		code, p = strconv.Itoa(int(c)), p[2:]
		if len(p) == 0 {
			return code
		}
		code += " "
	}
	more := ""
	if f.cut {
		more = "..."
		p = wholeCharacters(p)
	}
	if !f.readable() {
		return hex.EncodeToString(f.payload) + more
	}
	return code + strconv.Quote(string(p)) + more
}

// wholeCharacters returns p without an incomplete character at its end.
func wholeCharacters(p []byte) []byte {
	for i := len(p) - 1; i >= 0 && i >= len(p)-utf8.UTFMax; i-- {
		if utf8.RuneStart(p[i]) {
			if !utf8.FullRune(p[i:]) {
				return p[:i]
			}
			break
		}
	}
	return p
}

// objects prints a frame as a JSON object on a line.
type objects struct{ w io.Writer }

type object struct {
	Time      *time.Time `json:"time,omitempty"`
	Stream    int        `json:"stream,omitempty"`
	HTTP2     uint32     `json:"http2_stream,omitempty"`
	Peers     string     `json:"connection,omitempty"`
	Offset    *int64     `json:"offset,omitempty"`
	From      string     `json:"from,omitempty"`
	Handshake string     `json:"handshake,omitempty"`
	Opcode    string     `json:"opcode,omitempty"`
	Fin       *bool      `json:"fin,omitempty"`
	Rsv       []int      `json:"rsv,omitempty"`
	Mask      string     `json:"mask,omitempty"`
	Length    *int64     `json:"length,omitempty"`
	Inflated  *int64     `json:"inflated,omitempty"`
	Text      *string    `json:"text,omitempty"`
	Hex       string     `json:"hex,omitempty"`
	Cut       bool       `json:"cut,omitempty"`
	Code      int        `json:"code,omitempty"`
	Fault     string     `json:"fault,omitempty"`
	End       string     `json:"end,omitempty"`
}

func (o objects) print(f frame) error {
	v := object{Stream: f.stream, HTTP2: f.http2, Peers: f.peers}
	if !f.time.IsZero() {
		v.Time = &f.time
	}
	if f.peers == "" {
		v.fill(f)
	}
	return json.NewEncoder(o.w).Encode(v)
}

// fill sets the fields that frames and handshakes have.
func (v *object) fill(f frame) {
	v.Offset, v.From, v.Handshake, v.Cut = &f.offset, f.from.name(), f.handshake, f.cut
	if f.fault != nil {
		v.Fault = why(f.fault)
	}
	if f.end != nil {
		v.End = why(f.end)
	}
	if f.handshake == "" {
		v.frame(f)
	}
}

// frame sets the fields that only frames have.
func (v *object) frame(f frame) {
	if f.lost {
		v.Hex = hex.EncodeToString(f.payload)
		return
	}
	h := f.header
	v.Opcode, v.Fin, v.Length = h.OpCode.String(), &h.Fin, &h.Length
	for i := range 3 {
		if h.Rsv>>(2-i)&1 != 0 {
			v.Rsv = append(v.Rsv, i+1)
		}
	}
	if h.Masked {
		v.Mask = hex.EncodeToString(h.Mask[:])
	}
	if f.inflated >= 0 {
		v.Inflated = &f.inflated
	}
	p := f.payload
	if h.OpCode == ws.OpClose && len(p) > 1 {
		code, _ := ws.ParseCloseFrameData(p)
		v.Code, p = int(code), p[2:]
	}
	if f.cut {
		p = wholeCharacters(p)
	}
	if f.readable() && utf8.Valid(p) {
		text := string(p)
		v.Text = &text
		return
	}
	v.Hex = hex.EncodeToString(f.payload)
}
