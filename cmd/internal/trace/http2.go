package trace

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"time"

	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wskit/wskit/httphead"
)

// http2Connection finds the WebSockets in an HTTP/2 connection without TLS: the
// streams of extended CONNECT (RFC 8441).
type http2Connection struct {
	options
	emit    func(frame)
	begun   func(at time.Time) // called for the first WebSocket
	streams map[uint32]*connection
	ended   map[uint32]bool // one direction has ended
	client  http2Half
	server  http2Half
}

// http2Half is one direction of the connection.
type http2Half struct {
	c       *http2Connection
	from    direction
	held    []byte // an incomplete frame
	skip    int    // bytes of the preface still to come
	fields  *hpack.Decoder
	block   []byte // fragments of a head that continues in CONTINUATION
	ends    bool   // its HEADERS had END_STREAM
	stopped bool
}

// http2Preface is how a client begins an HTTP/2 connection (RFC 9113, section
// 3.4).
var http2Preface = []string{http2.ClientPreface}

func newHTTP2(o options, emit func(frame), begun func(time.Time)) *http2Connection {
	c := &http2Connection{options: o, emit: emit, begun: begun, streams: make(map[uint32]*connection), ended: make(map[uint32]bool)}
	c.client = http2Half{c: c, from: fromClient, skip: len(http2.ClientPreface), fields: hpack.NewDecoder(maxTable, nil)}
	c.server = http2Half{c: c, from: fromServer, fields: hpack.NewDecoder(maxTable, nil)}
	for _, h := range []*http2Half{&c.client, &c.server} {
		h.fields.SetMaxStringLength(maxHead)
	}
	return c
}

const (
	maxTable    = 1 << 16 // maximum size of an HPACK table, whatever SETTINGS say
	frameHead   = 9       // RFC 9113, section 4.1
	maxStreams2 = 10000   // maximum number of open WebSockets of one connection
)

// half returns the direction.
func (c *http2Connection) half(from direction) *http2Half {
	if from == fromClient {
		return &c.client
	}
	return &c.server
}

// feed decodes the next bytes. It modifies p.
func (h *http2Half) feed(at time.Time, p []byte) {
	if h.stopped {
		return
	}
	n := min(h.skip, len(p))
	h.skip -= n
	h.held = append(h.held, p[n:]...)
	for !h.stopped && len(h.held) >= frameHead {
		size := frameHead + int(binary.BigEndian.Uint32(h.held)>>8)
		if len(h.held) < size {
			return
		}
		if err := h.frame(at, h.held[:size]); err != nil {
			h.giveUp(at, err)
			return
		}
		h.held = append(h.held[:0], h.held[size:]...)
	}
}

// giveUp stops decoding, and reports why if there are WebSockets.
func (h *http2Half) giveUp(at time.Time, why error) {
	h.stopped, h.held = true, nil
	for _, ws := range h.c.streams {
		s := ws.side(h.from)
		s.decoder.emit(frame{time: at, offset: s.offset, from: h.from, lost: true, end: why})
	}
	clear(h.c.streams)
}

// gap reports that n bytes are missing from the capture here.
func (h *http2Half) gap(at time.Time, n int) {
	if !h.stopped {
		h.giveUp(at, fmt.Errorf("the capture misses %d bytes here", n))
	}
}

func (h *http2Half) end(at time.Time) {
	for _, ws := range h.c.streams {
		ws.side(h.from).end(at)
	}
}

// frame handles one complete frame.
func (h *http2Half) frame(at time.Time, p []byte) error {
	kind, flags := http2.FrameType(p[3]), http2.Flags(p[4])
	id := binary.BigEndian.Uint32(p[5:]) & (1<<31 - 1)
	payload := p[frameHead:]
	var err error
	switch kind {
	case http2.FrameData:
		if payload, err = unpadded(payload, flags.Has(http2.FlagDataPadded)); err == nil {
			h.data(at, id, payload, flags.Has(http2.FlagDataEndStream))
		}
	case http2.FrameHeaders:
		if payload, err = unpadded(payload, flags.Has(http2.FlagHeadersPadded)); err != nil {
			return err
		}
		if flags.Has(http2.FlagHeadersPriority) {
			if len(payload) < 5 {
				return errHTTP2
			}
			payload = payload[5:]
		}
		h.ends = flags.Has(http2.FlagHeadersEndStream)
		return h.head(at, id, payload, flags.Has(http2.FlagHeadersEndHeaders))
	case http2.FrameContinuation:
		return h.head(at, id, payload, flags.Has(http2.FlagContinuationEndHeaders))
	case http2.FrameRSTStream:
		h.c.close(at, id)
	}
	return err
}

var errHTTP2 = errors.New("the bytes are not HTTP/2")

func unpadded(p []byte, padded bool) ([]byte, error) {
	if !padded {
		return p, nil
	}
	if len(p) == 0 || int(p[0]) >= len(p) {
		return nil, errHTTP2
	}
	return p[1 : len(p)-int(p[0])], nil
}

// data passes bytes of a WebSocket to its decoder.
func (h *http2Half) data(at time.Time, id uint32, p []byte, last bool) {
	c := h.c.streams[id]
	if c == nil {
		return
	}
	s := c.side(h.from)
	s.decoder.feed(at, p)
	switch {
	case !last:
	case h.c.ended[id]:
		h.c.close(at, id)
	default:
		s.end(at)
		h.c.ended[id] = true
	}
}

// close ends both directions of a stream.
func (c *http2Connection) close(at time.Time, id uint32) {
	if ws := c.streams[id]; ws != nil {
		ws.client.end(at)
		ws.server.end(at)
		delete(c.streams, id)
		delete(c.ended, id)
	}
}

// head handles a part of a head, and the head when it is complete.
func (h *http2Half) head(at time.Time, id uint32, p []byte, last bool) error {
	h.block = append(h.block, p...)
	if len(h.block) > maxHead {
		return errHeadLong
	}
	if !last {
		return nil
	}
	fields, err := h.fields.DecodeFull(h.block)
	h.block = h.block[:0]
	if err != nil {
		return fmt.Errorf("%w: %v", errHTTP2, err)
	}
	if h.from == fromClient {
		h.request(at, id, fields)
	} else {
		h.answer(at, id, fields)
	}
	return nil
}

func (h *http2Half) request(at time.Time, id uint32, fields []hpack.HeaderField) {
	if value(fields, ":method") != "CONNECT" || value(fields, ":protocol") != "websocket" || len(h.c.streams) >= maxStreams2 {
		return
	}
	if h.c.begun != nil {
		h.c.begun(at)
		h.c.begun = nil
	}
	c := newConnection(h.c.options, func(f frame) {
		f.http2 = id
		h.c.emit(f)
	})
	c.client.looked, c.server.looked = true, true // there is no HTTP/1.1 handshake
	h.c.streams[id] = c
	c.client.emit(frame{time: at, from: fromClient, handshake: "CONNECT " + value(fields, ":path") + " HTTP/2"})
}

func (h *http2Half) answer(at time.Time, id uint32, fields []hpack.HeaderField) {
	c := h.c.streams[id]
	status := value(fields, ":status")
	if c == nil || status == "" {
		return // trailers
	}
	c.server.emit(frame{time: at, from: fromServer, handshake: "HTTP/2 " + status})
	switch {
	case status[0] == '1':
	case status[0] != '2' || h.ends:
		h.c.close(at, id)
	default:
		c.agree(answerFields(fields))
	}
}

func value(fields []hpack.HeaderField, name string) string {
	for _, f := range fields {
		if f.Name == name {
			return f.Value
		}
	}
	return ""
}

// answerFields returns the fields of a response that show what was negotiated.
func answerFields(fields []hpack.HeaderField) (found httphead.Fields) {
	for _, f := range fields {
		if f.Name[0] != ':' {
			found = append(found, httphead.Field{Name: []byte(f.Name), Value: []byte(f.Value)})
		}
	}
	return found
}

// looksHTTP2 decides whether the stream begins like HTTP/2. The server's
// SETTINGS may arrive before the client's preface.
func (s *tcpStream) looksHTTP2() choice {
	var sides [2][]byte
	for _, p := range s.held {
		i := 0
		if p.from != s.held[0].from {
			i = 1
		}
		sides[i] = append(sides[i], p.data...)
	}
	for _, side := range sides {
		switch {
		case startsWith(side, http2Preface):
			return wanted
		case len(side) > 0 && mayStartWith(side, http2Preface):
			return undecided
		}
	}
	if len(sides[1]) == 0 && isSettings(sides[0]) {
		return undecided
	}
	return unwanted
}

// isSettings decides whether p begins with an HTTP/2 SETTINGS frame.
func isSettings(p []byte) bool {
	if len(p) < frameHead {
		return len(p) < 4 && len(p) > 0 && p[0] == 0 || len(p) >= 4 && p[3] == byte(http2.FrameSettings)
	}
	size := binary.BigEndian.Uint32(p) >> 8
	return p[3] == byte(http2.FrameSettings) && p[4] == 0 && size%6 == 0 && size < 1000 && bytes.Equal(p[5:9], []byte{0, 0, 0, 0})
}
