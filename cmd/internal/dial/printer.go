package dial

import (
	"bytes"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"io"
	"strings"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/ws"
)

// printer prints messages and events. It is safe for concurrent use.
type printer struct {
	*options
	out, log            io.Writer
	palette, logPalette ui.Palette
	terminal            bool // the program is used interactively
	screen              bool // out is a terminal

	mu sync.Mutex // one line at a time
}

func (p *printer) write(w io.Writer, text []byte) error {
	p.mu.Lock()
	defer p.mu.Unlock()
	_, err := w.Write(text)
	return err
}

// message prints a received message.
func (p *printer) message(typ websocket.MessageType, data []byte) error {
	switch {
	case p.json:
		return p.event(p.messageEvent(typ, data))
	case p.raw, typ == websocket.MessageBinary && !p.encodes():
		return p.write(p.out, data)
	}
	var text string
	if typ == websocket.MessageBinary {
		text = p.encode(data)
	} else {
		text = string(data)
	}
	if p.terminal {
		text = p.forPerson(typ, data, text)
	}
	return p.write(p.out, []byte(text+"\n"))
}

// encodes reports whether a binary message is printed as text. A terminal must
// not receive arbitrary bytes; a pipe or a file gets them unchanged.
func (p *printer) encodes() bool { return p.screen || p.hex || p.base64 }

// encode encodes a binary message as text.
func (p *printer) encode(data []byte) string {
	if p.base64 {
		return base64.StdEncoding.EncodeToString(data)
	}
	return hex.EncodeToString(data)
}

// forPerson adds a sign before the text, indents JSON, and escapes control
// characters.
func (p *printer) forPerson(typ websocket.MessageType, data []byte, text string) string {
	sign := p.palette.Blue("<") + " "
	if typ == websocket.MessageBinary {
		return sign + p.palette.Faint(fmt.Sprintf("binary %d ", len(data))) + text
	}
	if !p.compact {
		if start := bytes.TrimSpace(data); len(start) > 0 && (start[0] == '{' || start[0] == '[') {
			var indented bytes.Buffer
			if json.Indent(&indented, start, "  ", "  ") == nil {
				text = indented.String()
			}
		}
	}
	return sign + harmless(text)
}

// harmless escapes control characters, which could move the cursor or worse.
func harmless(text string) string {
	return strings.Map(func(r rune) rune {
		if r < ' ' && r != '\n' && r != '\t' || r >= 0x7f && r < 0xa0 {
			return '\ufffd'
		}
		return r
	}, text)
}

// happening is a JSON object of --json.
type happening struct {
	Time   time.Time `json:"time"`
	Event  string    `json:"event"` // open, message, pong, close, status
	Type   string    `json:"type,omitempty"`
	Text   *string   `json:"text,omitempty"`
	Binary string    `json:"base64,omitempty"`
	Size   *int      `json:"size,omitempty"`
	Code   int       `json:"code,omitempty"`
	Reason string    `json:"reason,omitempty"`
	Millis float64   `json:"ms,omitempty"`

	Subprotocol string `json:"subprotocol,omitempty"`
	Extensions  string `json:"extensions,omitempty"`
}

func (p *printer) event(h happening) error {
	h.Time = time.Now()
	line, err := json.Marshal(h)
	if err != nil {
		return err
	}
	return p.write(p.out, append(line, '\n'))
}

func (p *printer) messageEvent(typ websocket.MessageType, data []byte) happening {
	size := len(data)
	h := happening{Event: "message", Type: "text", Size: &size}
	if typ == websocket.MessageBinary {
		h.Type, h.Binary = "binary", base64.StdEncoding.EncodeToString(data)
		return h
	}
	text := string(data)
	h.Text = &text
	return h
}

// connected reports that the connection is open, and what was negotiated.
func (p *printer) connected(name string, hs ws.Handshake) {
	extensions, _ := httphead.AppendOptions(nil, hs.Extensions)
	switch {
	case p.json:
		p.event(happening{Event: "open", Subprotocol: hs.Protocol, Extensions: string(extensions)})
	case p.terminal:
		text := "connected to " + name
		if hs.Protocol != "" {
			text += ", subprotocol " + hs.Protocol
		}
		if len(extensions) > 0 {
			text += ", " + string(extensions)
		}
		p.status(text + " (/help lists commands)")
	}
}

// closed reports how the server has closed the connection.
func (p *printer) closed(e websocket.CloseError) {
	switch {
	case p.json:
		p.event(happening{Event: "close", Code: int(e.Code), Reason: e.Reason})
	case p.terminal:
		p.status("closed: " + closeText(e))
	}
}

// pong reports the round-trip time of a ping.
func (p *printer) pong(roundTrip time.Duration) {
	if p.json {
		p.event(happening{Event: "pong", Millis: float64(roundTrip.Microseconds()) / 1000})
		return
	}
	p.status(fmt.Sprintf("pong after %v", roundTrip.Round(time.Microsecond)))
}

// status reports an event to an interactive user.
func (p *printer) status(text string) {
	p.write(p.log, []byte(p.logPalette.Faint(text)+"\n"))
}

// problem reports an error in a line that was entered.
func (p *printer) problem(text string) {
	p.write(p.log, []byte(p.logPalette.Red(text)+"\n"))
}

// head prints the head of a handshake, for --trace.
func (p *printer) head(sign byte, head []byte) {
	var b strings.Builder
	for line := range strings.SplitSeq(strings.TrimRight(string(head), "\r\n"), "\r\n") {
		fmt.Fprintf(&b, "%c %s\n", sign, harmless(line))
	}
	p.write(p.log, []byte(p.logPalette.Faint(strings.TrimSuffix(b.String(), "\n"))+"\n"))
}

// tracer returns the writer for traced frames.
func (p *printer) tracer() io.Writer { return traceWriter{p} }

type traceWriter struct{ *printer }

func (t traceWriter) Write(line []byte) (int, error) {
	text := strings.TrimSuffix(string(line), "\n")
	return len(line), t.write(t.log, []byte(t.logPalette.Yellow(text)+"\n"))
}
