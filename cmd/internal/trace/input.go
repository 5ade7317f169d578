package trace

import (
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
)

// The formats of the input.
const (
	formatAuto = "auto"
	formatHex  = "hex"
	formatRaw  = "raw"
	formatPcap = "pcap"
)

// read returns all of the named file, or of stdin if there is no name or "-".
func read(ctx context.Context, stdin io.Reader, names []string) ([]byte, error) {
	if len(names) == 0 || names[0] == "-" {
		return ui.ReadAll(ctx, stdin)
	}
	return os.ReadFile(names[0])
}

// decode emits all frames of the input.
func (o options) decode(data []byte, emit func(frame)) error {
	format := o.format
	if format == formatAuto {
		format = guess(data)
	}
	switch format {
	case formatPcap:
		return o.decodeCapture(data, emit)
	case formatHex:
		var err error
		if data, err = parseHex(data); err != nil {
			return err
		}
	}
	if len(data) == 0 {
		return errors.New("the input is empty: give a file, or bytes on stdin")
	}
	s := o.stream(o.direction, emit)
	s.feed(time.Time{}, data)
	s.end(time.Time{})
	return nil
}

func guess(data []byte) string {
	switch {
	case looksCaptured(data):
		return formatPcap
	case looksText(data):
		return formatHex
	}
	return formatRaw
}

// decodeCapture emits the frames of one TCP stream of a capture file.
func (o options) decodeCapture(data []byte, emit func(frame)) error {
	all, err := streams(data)
	if err != nil {
		return err
	}
	chosen, err := o.choose(all)
	if err != nil {
		return err
	}
	c := newConnection(o, emit)
	var last time.Time
	for _, p := range chosen.pieces {
		s := c.client
		if p.from == fromServer {
			s = c.server
		}
		if p.lost > 0 {
			s.gap(p.at, p.lost)
		}
		s.feed(p.at, p.data)
		last = p.at
	}
	c.client.end(last)
	c.server.end(last)
	return nil
}

// choose returns the stream that was asked for, or the only one that can be meant.
func (o options) choose(all []*tcpStream) (*tcpStream, error) {
	if o.tcpStream > 0 {
		if o.tcpStream > len(all) {
			return nil, exit.Usagef("--stream %d: the capture has %d TCP streams", o.tcpStream, len(all))
		}
		return all[o.tcpStream-1], nil
	}
	var candidates []int
	for i, s := range all {
		if s.webSocket() {
			candidates = append(candidates, i)
		}
	}
	if len(candidates) == 0 && len(all) == 1 {
		candidates = []int{0}
	}
	switch {
	case len(candidates) == 1:
		return all[candidates[0]], nil
	case len(all) == 0:
		return nil, errors.New("the capture has no TCP stream with data")
	}
	return nil, exit.Usagef("choose a TCP stream with --stream N: %s", list(all))
}

// list names the streams for a message.
func list(all []*tcpStream) string {
	var names []string
	for i, s := range all {
		name := fmt.Sprintf("%d is %s", i+1, s.name)
		if s.webSocket() {
			name += " (WebSocket)"
		}
		names = append(names, name)
	}
	return strings.Join(names, ", ")
}
