package wstest

import (
	"context"
	"fmt"

	"github.com/wskit/wskit/ws"
)

// rsvCases are the reserved bits without an extension.
func rsvCases(l *list) {
	r := rule{
		section: "5.2",
		must:    "A reserved bit that no extension has defined fails the connection.",
		fault:   "ignores a reserved bit",
	}
	for rsv := byte(1); rsv < 8; rsv++ {
		for _, f := range []frame{text("hello"), text(""), binaryOf([]byte("hello")), ping("hello"), ping(""), pong("hello"), closing(1000, "")} {
			f.rsv = rsv
			id := fmt.Sprintf("rsv/%03b/%s-%d", rsv, f.op.String(), len(f.payload))
			l.add(r, id, 0, faulty(protocolError, f))
		}
		c := cont("lo")
		c.rsv = rsv
		l.add(r, fmt.Sprintf("rsv/%03b/continuation", rsv), 0, faulty(protocolError, text("hel").unfinished(), c))
	}
	r.needs = needEcho
	r.fault = "ignores a reserved bit once the connection is in use"
	for _, rsv := range []byte{1, 2, 4} {
		f := text("hello")
		f.rsv = rsv
		l.add(r, fmt.Sprintf("rsv/%03b/second-message", rsv), 0, afterEcho(f))
	}
}

// afterEcho sends a valid message, and then frames for which the peer must fail
// the connection.
func afterEcho(frames ...frame) script {
	return func(_ context.Context, p *peer) error {
		if err := p.echo(0, text("first")); err != nil {
			return err
		}
		p.send(frames...)
		return p.wantFailure(protocolError)
	}
}

// opcodeCases are the reserved opcodes.
func opcodeCases(l *list) {
	r := rule{
		section: "5.2",
		must:    "An unknown opcode fails the connection.",
		fault:   "treats a reserved opcode as another one, or skips the frame",
	}
	for op := ws.OpCode(3); op < 16; op++ {
		if op >= 8 && op <= 10 {
			continue
		}
		f := frame{op: op, payload: []byte("hello")}
		id := fmt.Sprintf("opcode/%X/", byte(op))
		l.add(r, id+"empty", 0, faulty(protocolError, frame{op: op}))
		l.add(r, id+"payload", 0, faulty(protocolError, f))
		l.add(r, id+"not-final", 0, faulty(protocolError, f.unfinished()))
		l.add(r, id+"in-message", 0, faulty(protocolError, text("hel").unfinished(), f))
		l.add(r, id+"126", 0, faulty(protocolError, frame{op: op, payload: sample(126)}))
		after := r
		after.needs = needEcho
		l.add(after, id+"second", 0, afterEcho(f))
	}
}
