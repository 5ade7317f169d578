package wsutil

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// How a connection ends, in all situations and on both sides: what it says of itself,
// and what a driver does with its transport, by unread input and by whether it can
// half-close.
func TestEnds(t *testing.T) {
	boom := errors.New("boom")
	fault := ws.ErrProtocolOpCodeReserved
	wrapped := fmt.Errorf("read: %w", ErrMessageTooLarge)
	const (
		p = Proceed
		h = HalfClose
		d = DropInput
		s = Shut
	)
	type actions [4]Action // nothing unread; unread; and both where the transport cannot half-close
	all := func(a Action) actions { return actions{a, a, a, a} }
	for name, tt := range map[string]struct {
		do       string // a word for each step
		phase    Phase
		err      error
		replyDue bool
		server   actions
		client   actions
	}{
		"open":                                     {"", PhaseOpen, nil, false, all(p), all(p)},
		"7.1.2 our close frame":                    {"close", PhaseClosing, nil, false, all(p), all(p)},
		"5.5.1 the peer's, reply due":              {"peer", PhaseClosing, ClosedError{1000, "bye"}, true, all(p), all(p)},
		"7.1.1 the peer's and the reply":           {"peer reply", PhaseOver, ClosedError{1000, "bye"}, false, actions{s, h, s, d}, all(d)},
		"7.1.1 ours and the peer's":                {"close peer", PhaseOver, ClosedError{1000, "bye"}, false, actions{s, h, s, d}, all(d)},
		"7.1.7 fault, reply due":                   {"fault", PhaseClosing, fault, true, all(p), all(p)},
		"7.1.7 fault and the reply":                {"fault reply", PhaseOver, fault, false, actions{h, h, d, d}, actions{h, h, d, d}},
		"7.1.7 our close frame, then a fault":      {"close fault", PhaseOver, fault, false, actions{h, h, d, d}, actions{h, h, d, d}},
		"7.1.7 fault that the driver has found":    {"failfault", PhaseClosing, wrapped, true, all(p), all(p)},
		"7.1.7 and the reply":                      {"failfault reply", PhaseOver, wrapped, false, actions{h, h, d, d}, actions{h, h, d, d}},
		"7.1.5 end of the input":                   {"eof", PhaseOver, ClosedError{Code: 1006}, false, all(s), all(s)},
		"7.1.5 end of the input inside a message":  {"cut eof", PhaseOver, io.ErrUnexpectedEOF, false, all(s), all(s)},
		"7.1.5 our close frame and the end":        {"close eof", PhaseOver, ClosedError{Code: 1006}, false, all(s), all(s)},
		"the transport fails":                      {"fail", PhaseOver, boom, false, all(s), all(s)},
		"fails, then ends":                         {"fail eof", PhaseOver, boom, false, all(s), all(s)},
		"fails after our close frame":              {"close fail", PhaseOver, boom, false, all(s), all(s)},
		"fails after the peer's close frame":       {"peer fail", PhaseClosing, ClosedError{1000, "bye"}, true, all(p), all(p)},
		"fails, then the peer's close frame":       {"fail peer", PhaseClosing, boom, true, all(p), all(p)},
		"fails, the peer's close frame, the reply": {"fail peer reply", PhaseOver, boom, false, actions{s, h, s, d}, all(d)},
		"fails, then a fault":                      {"fail fault", PhaseOver, boom, false, all(s), all(s)},
		"the first error counts":                   {"fail failfault", PhaseOver, boom, false, all(s), all(s)},
	} {
		t.Run(name, func(t *testing.T) {
			for _, side := range both {
				cfg := Config{State: side.state}
				c := NewProtocol(&cfg)
				for _, step := range bytes.Fields([]byte(tt.do)) {
					switch string(step) {
					case "close":
						_, err := c.AppendClose(nil, ws.StatusGoingAway, "")
						require.NoError(t, err)
					case "peer":
						ev, _, err := c.Next(fromPeer(&cfg, sent{fin(ws.OpClose), "\x03\xe8bye"}))
						require.NoError(t, err)
						require.Equal(t, ws.OpClose, ev.OpCode)
					case "fault":
						_, _, err := c.Next(fromPeer(&cfg, sent{fin(3), ""}))
						require.Error(t, err)
					case "cut":
						c.Next(fromPeer(&cfg, sent{open(ws.OpText), ""}))
					case "reply":
						require.True(t, c.ReplyDue())
						require.NotEmpty(t, c.AppendCloseFor(nil, c.Err()))
					case "eof":
						require.Equal(t, c.EOF(), c.Err())
					case "fail":
						require.Equal(t, c.Fail(boom), c.Err())
					case "failfault":
						require.Equal(t, c.Fail(wrapped), c.Err())
					default:
						t.Fatal(string(step))
					}
				}
				require.ErrorIs(t, c.Err(), tt.err)
				status := c.Status()
				require.Equal(t, Status{Closing: c.Closing(), Phase: tt.phase, Err: c.Err()}, status)
				require.Equal(t, tt.replyDue, c.ReplyDue())
				want := tt.server
				if side.state.ClientSide() {
					want = tt.client
				}
				for i, action := range want {
					require.Equal(t, action, c.Transport(i&1 != 0, i < 2), "%s, unread %t, half-closes %t", side.name, i&1 != 0, i < 2)
				}
				require.Equal(t, LingerTime, c.Linger(true))
				if c.Closing().Done() {
					require.Equal(t, LingerTime, c.Linger(false))
				} else {
					require.Equal(t, LingerTime/10, c.Linger(false))
				}
				before := c.Err()
				require.Equal(t, tt.replyDue, len(c.AppendCloseFor(nil, before)) > 0 && before != nil && tt.phase == PhaseClosing)
			}
		})
	}
}

// All calls report the error of Fail.
func TestFailAtOnce(t *testing.T) {
	for i := range 50 {
		cfg := withToy(Config{State: ws.StateClientSide})
		c := NewProtocol(cfg)
		in := toClient(packed(ws.OpText, false), squeeze("aaaa"))
		ends := [][]byte{toClient(fin(ws.OpClose), "\x03\xe8"), toClient(fin(3), ""), nil}[i%3]
		errs := make([]error, 6)
		var wg sync.WaitGroup
		for k := range 2 {
			wg.Go(func() { errs[k] = c.Fail(fmt.Errorf("failure %d", k)) })
		}
		wg.Go(func() {
			collect((*Protocol).Next)(c, [][]byte{bytes.Clone(in), bytes.Clone(ends)})
			errs[2] = c.EOF()
		})
		wg.Go(func() {
			var dst []byte
			for range 10 {
				dst, _ = c.AppendMessage(dst[:0], ws.OpText, []byte("aaaaaaaa"))
			}
			c.AppendCloseFor(dst, c.Err())
			c.Release()
			errs[3] = c.Fail(io.ErrClosedPipe)
		})
		wg.Go(func() {
			for range 20 {
				status := c.Status()
				if status.Received != 0 && status.Sent == 0 && status.Phase != PhaseClosing {
					t.Errorf("a reply is due: %+v", status)
				}
				c.ReplyDue()
				c.Transport(true, true)
				c.SetMaxMessage(5)
			}
			errs[4] = c.Fail(io.ErrNoProgress)
		})
		wg.Wait()
		errs[5] = c.Err()
		require.Error(t, errs[5])
		for _, err := range errs {
			require.Equal(t, errs[5], err)
		}
	}
}

// Whoever answers, the same bytes go to the peer (RFC 6455, sections 5.5.1, 5.5.2 and
// 7.1.7): Protocol by AppendReply or AppendCloseFor, ControlHandler,
// HandleControlMessage, and the functions that read whole messages.
func TestRepliesAreTheSame(t *testing.T) {
	inputs := map[string]sent{
		"ping": {fin(ws.OpPing), "ping"}, "empty ping": {fin(ws.OpPing), ""}, "pong": {fin(ws.OpPong), "pong"},
		"empty close": {fin(ws.OpClose), ""}, "close of one byte": {fin(ws.OpClose), "x"}, "reason": {fin(ws.OpClose), closeBody(4000, "a reason")},
		"reason that is not text": {fin(ws.OpClose), closeBody(1000, "\xff")},
		"longest reason":          {fin(ws.OpClose), closeBody(1000, string(bytes.Repeat([]byte("r"), 123)))},
	}
	for _, code := range []ws.StatusCode{0, 999, 1000, 1001, 1002, 1003, 1004, 1005, 1006, 1007, 1010, 1011, 1014, 1015, 1016, 2999, 3000, 4999, 5000} {
		inputs[fmt.Sprint("code ", code)] = sent{fin(ws.OpClose), closeBody(code, "")}
	}
	for name, in := range inputs {
		for _, side := range both {
			cfg := &Config{State: side.state}
			received := func() []byte { return fromPeer(cfg, in) }
			body := []byte(in.payload)
			replies := map[string]func() []byte{
				"AppendReply or AppendCloseFor": func() []byte {
					c := NewProtocol(cfg)
					ev, _, err := c.Next(received())
					if err != nil {
						return c.AppendCloseFor(nil, err)
					}
					return c.AppendReply(nil, ev)
				},
				"AppendCloseFor of what Next ends with": func() []byte {
					c := NewProtocol(cfg)
					ev, _, err := c.Next(received())
					if err == nil && ev.OpCode != ws.OpClose {
						return c.AppendReply(nil, ev)
					}
					_, _, err = c.Next(nil)
					return c.AppendCloseFor(nil, err)
				},
				"ControlHandler": func() []byte {
					var out bytes.Buffer
					h := in.h
					h.Length = int64(len(body))
					ControlHandler{Src: bytes.NewReader(body), Dst: &out, State: side.state}.Handle(h)
					return out.Bytes()
				},
				"HandleControlMessage": func() []byte {
					var out bytes.Buffer
					HandleControlMessage(&out, side.state, Message{in.h.OpCode, body})
					return out.Bytes()
				},
				"ReadData": func() []byte {
					pipe := newPipe(received())
					ReadData(pipe, side.state)
					return pipe.out.Bytes()
				},
			}
			var want []sent
			for how, reply := range replies {
				frames := withoutMasks(wire(t, side.state.ClientSide(), reply()))
				if want == nil {
					want = append([]sent{}, frames...)
				}
				require.Equal(t, want, append([]sent{}, frames...), "%s: %s, %s", name, how, side.name)
			}
		}
	}
}

// Faults of data frames: the functions that read whole messages and a Protocol say the
// same.
func TestFaultRepliesAreTheSame_RFC6455_7_1_7(t *testing.T) {
	for name, frames := range map[string][]sent{
		"text":         {{fin(ws.OpText), "\xff"}},
		"opcode":       {{fin(3), ""}},
		"bit":          {{packed(ws.OpText, true), ""}},
		"continuation": {{fin(0), ""}},
		"message":      {{open(ws.OpText), ""}, {fin(ws.OpText), ""}},
		"long ping":    {{fin(ws.OpPing), string(make([]byte, 126))}},
	} {
		for _, side := range both {
			cfg := &Config{State: side.state}
			in := fromPeer(cfg, frames...)
			c := NewProtocol(cfg)
			_, err := collect((*Protocol).NextMessage)(c, [][]byte{in})
			want := withoutMasks(wire(t, side.state.ClientSide(), c.AppendCloseFor(nil, err)))
			require.Len(t, want, 1)
			pipe := newPipe(in)
			_, _, err = ReadData(pipe, side.state)
			require.Error(t, err)
			require.Equal(t, want, withoutMasks(wire(t, side.state.ClientSide(), pipe.out.Bytes())), name)
		}
	}
}

// CloseReply is the one table of what the peer is told.
func TestCloseReply(t *testing.T) {
	wrap := func(err error) error { return fmt.Errorf("secret: %w", err) }
	for _, tt := range []struct {
		err    error
		code   ws.StatusCode
		reason string
	}{
		{nil, ws.StatusNormalClosure, ""},
		{ClosedError{4000, "bye"}, 4000, "bye"},
		{wrap(ClosedError{4000, "bye"}), 4000, "bye"},
		{ClosedError{Code: ws.StatusNoStatusRcvd}, ws.StatusNoStatusRcvd, ""},
		{ClosedError{Code: ws.StatusAbnormalClosure}, ws.StatusNoStatusRcvd, ""},
		{ClosedError{ws.StatusTLSHandshake, "x"}, ws.StatusNoStatusRcvd, ""},
		{ErrInvalidUTF8, ws.StatusInvalidFramePayloadData, "text is not valid UTF-8"},
		{wrap(ErrTooManyFragments), ws.StatusMessageTooBig, "message has more fragments than the limit"},
		{ErrReadIdle, ws.StatusPolicyViolation, "the peer was silent for longer than ReadIdleTimeout"},
		{io.ErrUnexpectedEOF, ws.StatusInternalServerError, ""},
		{errTruncated, ws.StatusInternalServerError, ""},
		{ErrClosing, ws.StatusInternalServerError, ""},
	} {
		code, reason := CloseReply(tt.err)
		require.Equal(t, tt.code, code, "%v", tt.err)
		require.Equal(t, tt.reason, reason, "%v", tt.err)
		require.Equal(t, tt.code, CloseCode(tt.err))
	}
}

// Between the peer's close frame and the error that it sets, the connection is closing:
// another goroutine may look at that moment.
func TestStatusBetweenCloseFrameAndError(t *testing.T) {
	c := NewProtocol(nil)
	c.closing.receive(ws.StatusGoingAway)
	require.Equal(t, Status{Closing: Closing{Received: ws.StatusGoingAway, PeerFirst: true}, Phase: PhaseClosing}, c.Status())
	require.True(t, c.ReplyDue())
	require.Equal(t, Proceed, c.Transport(false, true))
}
