package wsutil

import (
	"bytes"
	"encoding/binary"
	"strings"
	"testing"
	"unicode/utf8"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// closeBody returns the payload of a close frame, checking nothing.
func closeBody(code ws.StatusCode, reason string) string {
	return string(binary.BigEndian.AppendUint16(nil, uint16(code))) + reason
}

// The peer closes first: its code and reason are reported, then echoed, and that is all.
func TestPeerClosesFirst_RFC6455_5_5_1(t *testing.T) {
	for _, tt := range []struct {
		name, body string
		want       ClosedError
		echo       string
	}{
		{"no code", "", ClosedError{Code: ws.StatusNoStatusRcvd}, ""},
		{"code", closeBody(1000, ""), ClosedError{Code: 1000}, closeBody(1000, "")},
		{"code and reason", closeBody(4999, "bye ü"), ClosedError{4999, "bye ü"}, closeBody(4999, "bye ü")},
		{"longest reason", closeBody(3000, strings.Repeat("r", 123)), ClosedError{3000, strings.Repeat("r", 123)}, closeBody(3000, strings.Repeat("r", 123))},
	} {
		t.Run(tt.name, func(t *testing.T) {
			for _, fn := range nexts {
				in := toServer(fin(ws.OpClose), tt.body)
				behind := append(in, toServer(fin(ws.OpText), "\xff ignored")...)
				for _, cuts := range [][]int{nil, everyByte(behind)} {
					c := NewProtocol(nil)
					events, err := fn.feed(t, c, behind, cuts...)
					require.Equal(t, tt.want, err)
					require.Equal(t, []got{message(ws.OpClose, tt.body)}, events)
					require.Equal(t, Closing{Received: tt.want.Code, PeerFirst: true}, c.Closing())
					require.False(t, c.Closing().Done())

					_, err = c.AppendMessage(nil, ws.OpText, nil)
					require.Equal(t, ErrClosing, err)
					require.Empty(t, c.AppendReply(nil, Event{OpCode: ws.OpPing}), "5.5.2: no pong after a close frame")

					out := c.AppendReply(nil, Event{OpCode: ws.OpClose, Payload: []byte(tt.body)})
					require.Equal(t, []sent{{fin(ws.OpClose), tt.echo}}, wire(t, false, out))
					require.Equal(t, Closing{Sent: tt.want.Code, Received: tt.want.Code, PeerFirst: true}, c.Closing())
					require.True(t, c.Closing().Done())
					_, err = c.AppendClose(nil, CloseCode(tt.want), "")
					require.Equal(t, ErrClosing, err, "once")
				}
			}
		})
	}
}

// The echo may also come from CloseCode: the loop that answers every error of Next
// needs no case for close frames.
func TestErrorAnswersClose(t *testing.T) {
	c := NewProtocol(nil)
	_, err := next.feed((*Protocol).Next, t, c, toServer(fin(ws.OpClose), closeBody(1001, "")))
	out, err := c.AppendClose(nil, CloseCode(err), "")
	require.NoError(t, err)
	require.Equal(t, []sent{{fin(ws.OpClose), closeBody(1001, "")}}, wire(t, false, out))
}

// We close first: nothing more is sent, and what the peer sends until its own
// close frame is still returned.
func TestWeCloseFirst_RFC6455_7_1_2(t *testing.T) {
	c := NewProtocol(client)
	out, err := c.AppendClose(nil, ws.StatusGoingAway, "leaving")
	require.NoError(t, err)
	require.Equal(t, []sent{{fin(ws.OpClose), closeBody(1001, "leaving")}}, withoutMasks(wire(t, true, out)))
	require.Equal(t, Closing{Sent: 1001}, c.Closing())

	events, err := next.feed((*Protocol).Next, t, c, join(toClient(fin(ws.OpText), "late"), toClient(fin(ws.OpPing), "late")))
	require.NoError(t, err)
	require.Equal(t, []got{message(ws.OpText, "late"), message(ws.OpPing, "late")}, events)
	require.Empty(t, c.AppendReply(nil, Event{OpCode: ws.OpPing, part: whole}), "5.5.1: no frame follows the close frame")
	for _, send := range []func() ([]byte, error){
		func() ([]byte, error) { return c.AppendMessage(nil, ws.OpText, nil) },
		func() ([]byte, error) { return c.AppendFragment(nil, open(ws.OpText), nil) },
		func() ([]byte, error) { return c.AppendPing(nil, nil) },
		func() ([]byte, error) { return c.AppendPong(nil, nil) },
		func() ([]byte, error) { return c.AppendClose(nil, 1000, "") },
	} {
		out, err := send()
		require.Equal(t, ErrClosing, err)
		require.Empty(t, out)
	}

	_, err = next.feed((*Protocol).Next, t, c, toClient(fin(ws.OpClose), closeBody(1001, "")))
	require.Equal(t, ClosedError{Code: 1001}, err)
	require.Equal(t, Closing{Sent: 1001, Received: 1001}, c.Closing())
	require.Empty(t, c.AppendReply(nil, Event{OpCode: ws.OpClose, part: whole}), "an echo is not echoed")
}

// Both close at once, with different codes: each gets the other's.
func TestBothCloseAtOnce_RFC6455_7_1_5(t *testing.T) {
	a, b := NewProtocol(server), NewProtocol(client)
	fromA, err := a.AppendClose(nil, 4001, "a")
	require.NoError(t, err)
	fromB, err := b.AppendClose(nil, 4002, "b")
	require.NoError(t, err)

	_, err = next.feed((*Protocol).Next, t, a, fromB)
	require.Equal(t, ClosedError{4002, "b"}, err)
	require.Equal(t, Closing{Sent: 4001, Received: 4002}, a.Closing())
	_, err = next.feed((*Protocol).Next, t, b, fromA)
	require.Equal(t, ClosedError{4001, "a"}, err)
	require.Equal(t, Closing{Sent: 4002, Received: 4001}, b.Closing())
}

// Section 5.5.1: the message that is being sent may be ended before the answer.
func TestMessageIsEndedBeforeTheEcho_RFC6455_5_5_1(t *testing.T) {
	c := NewProtocol(nil)
	out, err := c.AppendFragment(nil, open(ws.OpText), []byte("a"))
	require.NoError(t, err)
	_, closed := next.feed((*Protocol).Next, t, c, toServer(fin(ws.OpClose), ""))
	require.Equal(t, ClosedError{Code: ws.StatusNoStatusRcvd}, closed)

	_, err = c.AppendPing(nil, nil)
	require.Equal(t, ErrClosing, err)
	out, err = c.AppendFragment(out, fin(ws.OpText), []byte("b"))
	require.NoError(t, err)
	_, err = c.AppendMessage(nil, ws.OpText, nil)
	require.Equal(t, ErrClosing, err, "but no other one")
	out, err = c.AppendClose(out, CloseCode(closed), "")
	require.NoError(t, err)
	require.Equal(t, []sent{{open(ws.OpText), "a"}, {fin(0), "b"}, {fin(ws.OpClose), ""}}, wire(t, false, out))

	// After a fault of the peer's, the message is not ended.
	c.Reset(nil)
	_, err = c.AppendFragment(nil, open(ws.OpText), nil)
	require.NoError(t, err)
	next.feed((*Protocol).Next, t, c, toClient(fin(ws.OpText), ""))
	_, err = c.AppendFragment(nil, fin(ws.OpText), nil)
	require.Equal(t, ErrClosing, err)
}

// Section 7.4: the whole table of codes, both ways.
func TestCloseCodes_RFC6455_7_4(t *testing.T) {
	for code := range ws.StatusCode(5001) {
		c := NewProtocol(nil)
		_, err := next.feed((*Protocol).Next, t, c, toServer(fin(ws.OpClose), closeBody(code, "")))
		if code.MayBeReceived() {
			require.Equal(t, ClosedError{Code: code}, err)
		} else {
			require.Equal(t, ws.StatusProtocolError, CloseCode(err), "%d", code)
			require.Zero(t, c.Closing().Received)
		}

		c = NewProtocol(nil)
		out, err := c.AppendClose(nil, code, "")
		switch {
		case code == 0 || code == ws.StatusNoStatusRcvd:
			require.NoError(t, err)
			require.Equal(t, []byte{0x88, 0}, out)
			require.Equal(t, ws.StatusNoStatusRcvd, c.Closing().Sent)
		case code.MayBeSent():
			require.NoError(t, err)
			require.Equal(t, closeBody(code, ""), string(out[2:]))
		default:
			require.Equal(t, ErrNotSendableCode, err, "%d", code)
			require.Zero(t, c.Closing().Sent)
		}
	}
}

// A reason that cannot be sent as it is does not keep the code from the peer.
func TestCloseReasonIsMended(t *testing.T) {
	for _, reason := range []string{strings.Repeat("r", 124), strings.Repeat("€", 1000), "bad \xff", strings.Repeat("\xff", 200)} {
		out, err := NewProtocol(nil).AppendClose(nil, 1000, reason)
		require.NoError(t, err)
		f, err := ws.ReadFrame(bytes.NewReader(out))
		require.NoError(t, err)
		code, cut, err := ws.ParseCloseBody(f.Payload)
		require.NoError(t, err)
		require.Equal(t, ws.StatusNormalClosure, code)
		require.True(t, utf8.ValidString(cut))
		require.NotEmpty(t, cut)
	}
}
