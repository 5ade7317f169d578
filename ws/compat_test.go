package ws

import (
	"bytes"
	"io"
	"net/http"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
)

func TestCompiledFrames_RFC6455_5_5(t *testing.T) {
	for name, frame := range map[string]struct {
		got  []byte
		want string
	}{
		"ping":                       {CompiledPing, "\x89\x00"},
		"pong":                       {CompiledPong, "\x8a\x00"},
		"close":                      {CompiledClose, "\x88\x00"},
		"normal closure":             {CompiledCloseNormalClosure, "\x88\x02\x03\xe8"},
		"going away":                 {CompiledCloseGoingAway, "\x88\x02\x03\xe9"},
		"protocol error":             {CompiledCloseProtocolError, "\x88\x02\x03\xea"},
		"unsupported data":           {CompiledCloseUnsupportedData, "\x88\x02\x03\xeb"},
		"no meaning yet":             {CompiledCloseNoMeaningYet, "\x88\x02\x03\xec"},
		"invalid frame payload data": {CompiledCloseInvalidFramePayloadData, "\x88\x02\x03\xef"},
		"policy violation":           {CompiledClosePolicyViolation, "\x88\x02\x03\xf0"},
		"message too big":            {CompiledCloseMessageTooBig, "\x88\x02\x03\xf1"},
		"mandatory extension":        {CompiledCloseMandatoryExt, "\x88\x02\x03\xf2"},
		"internal server error":      {CompiledCloseInternalServerError, "\x88\x02\x03\xf3"},
		"TLS handshake":              {CompiledCloseTLSHandshake, "\x88\x02\x03\xf7"},
	} {
		require.Equal(t, frame.want, string(frame.got), name)
	}
}

func TestMustFunctions(t *testing.T) {
	f := NewTextFrame([]byte("hello"))
	wire := MustCompileFrame(f)
	require.Equal(t, "\x81\x05hello", string(wire))

	var b bytes.Buffer
	MustWriteFrame(&b, f)
	require.Equal(t, wire, b.Bytes())
	require.Equal(t, f, MustReadFrame(&b))

	require.PanicsWithValue(t, io.EOF, func() { MustReadFrame(&b) })
	f.Header.Length++
	require.PanicsWithValue(t, ErrHeaderLengthUnexpected, func() { MustWriteFrame(&b, f) })
}

func TestHeaderBuffers(t *testing.T) {
	h := Header{Fin: true, OpCode: OpBinary, Masked: true, Mask: [4]byte{1, 2, 3, 4}, Length: 1 << 20}
	var b bytes.Buffer
	require.NoError(t, WriteHeaderBuffer(&b, h, make([]byte, MaxHeaderSize)))
	got, err := ReadHeaderBuffer(&b, make([]byte, MaxHeaderSize))
	require.NoError(t, err)
	require.Equal(t, h, got)
}

// The fields Extension accept whole offers, and only if Negotiate is nil.
func TestUpgradeExtensionField_RFC6455_9_1(t *testing.T) {
	in := request(getLine, "Sec-WebSocket-Extensions", "a; x=1, b, c; z=3")
	notB := func(offer httphead.Option) bool { return string(offer.Name) != "b" }
	only := func(name string) func(httphead.Option) (httphead.Option, error) {
		return func(offer httphead.Option) (accepted httphead.Option, err error) {
			if string(offer.Name) == name {
				accepted = offer
			}
			return accepted, nil
		}
	}
	custom := func(_ []byte, accepted []httphead.Option) ([]httphead.Option, bool) {
		return append(accepted, httphead.NewOption("custom", nil)), true
	}
	for name, row := range map[string]struct {
		u    Upgrader
		want string
	}{
		"alone":                {Upgrader{Extension: notB}, "a; x=1, c; z=3"},
		"with Negotiate":       {Upgrader{Extension: notB, Negotiate: only("b")}, "b"},
		"with ExtensionCustom": {Upgrader{Extension: notB, ExtensionCustom: custom}, "custom"},
	} {
		conn := scripted(in)
		_, err := row.u.Upgrade(conn)
		require.NoError(t, err, name)
		resp, _ := answerOf(t, conn.Bytes())
		require.Equal(t, row.want, resp.Header.Get("Sec-WebSocket-Extensions"), name)
	}

	dial := serve(t, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		if conn, _, _, err := (HTTPUpgrader{Extension: notB}).Upgrade(r, w); err == nil {
			conn.Close()
		}
	}))
	resp, _ := answerOf(t, exchange(t, dial(), in))
	require.Equal(t, "a; x=1, c; z=3", resp.Header.Get("Sec-WebSocket-Extensions"))
}
