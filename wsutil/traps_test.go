package wsutil

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
)

// A text that was left open inside a character, because a reserved bit came with its
// continuation, says nothing about the next one.
func TestTextAfterALateReservedBit_RFC6455_8_1(t *testing.T) {
	in := []byte("\x01\x02\xe2\x82" + "\xc0\x01x" + "\x01\x01a" + "\x80\x01b")
	c := NewProtocol(&Config{State: ws.StateClientSide | ws.StateExtended})
	var got []string
	for len(in) > 0 {
		ev, n, err := c.NextMessage(in)
		require.NoError(t, err)
		got = append(got, string(ev.Payload))
		in = in[n:]
	}
	require.Equal(t, []string{"\xe2\x82x", "ab"}, got)
}

// What a callback calls the end of its stream is not the end of the message.
func TestReaderCallbackEOF(t *testing.T) {
	in := "\x01\x02ab" + "\x89\x01p" + "\x80\x01c"
	toEnd := func(_ ws.Header, payload io.Reader) error {
		for {
			if _, err := payload.Read(make([]byte, 8)); err != nil {
				return err
			}
		}
	}
	for name, set := range map[string]func(*Reader){
		"OnIntermediate": func(r *Reader) { r.OnIntermediate = toEnd },
		"OnContinuation": func(r *Reader) { r.OnContinuation = toEnd },
	} {
		r := NewClientSideReader(bytes.NewReader([]byte(in)))
		set(r)
		_, err := r.NextFrame()
		require.NoError(t, err)
		_, err = io.ReadAll(r)
		require.ErrorIs(t, err, io.ErrUnexpectedEOF, name)
	}
}

// The error of a callback stays, as every other.
func TestAppendMessageKeepsTheCallbacksError(t *testing.T) {
	boom := errors.New("boom")
	r := NewClientSideReader(bytes.NewReader([]byte("\x89\x00" + "\x81\x01a")))
	r.OnIntermediate = func(ws.Header, io.Reader) error { return boom }
	for range 3 {
		_, _, err := r.AppendMessage(nil)
		require.ErrorIs(t, err, boom)
	}
}

// A peer that sends control frames without end between two fragments does not fill
// the memory.
func TestReadMessageBoundsControlFrames(t *testing.T) {
	in := append([]byte("\x01\x00"), bytes.Repeat([]byte("\x89\x00"), maxControlFrames+10)...)
	m, err := ReadServerMessage(bytes.NewReader(in), nil)
	require.ErrorIs(t, err, ErrTooManyFragments)
	require.Len(t, m, maxControlFrames)
}

// NextMessage begins, Next ends: no buffer is left.
func TestProtocolLetsTheBufferGoWhoeverEnds(t *testing.T) {
	c := NewProtocol(&Config{State: ws.StateClientSide})
	_, _, err := c.NextMessage([]byte("\x01\x02ab"))
	require.Equal(t, io.ErrUnexpectedEOF, err)
	ev, _, err := c.Next([]byte("\x80\x01c"))
	require.NoError(t, err)
	require.True(t, ev.Last())
	_, _, err = c.Next(nil)
	require.Equal(t, io.ErrUnexpectedEOF, err)
	require.Nil(t, c.message)
}

func TestWriterStaysReleased(t *testing.T) {
	w := GetWriter(io.Discard, ws.StateServerSide, ws.OpText, 256)
	PutWriter(w)
	w.ResetOp(ws.OpBinary)
	_, err := w.Write([]byte("a"))
	require.Equal(t, errReleased, err)
	require.Equal(t, errReleased, w.Flush())
}

// panicking is a connection whose Write panics, as a wrapper of the caller's may.
type panicking struct{ io.Reader }

func (panicking) Write([]byte) (int, error) { panic("in Write") }

// A panic of the caller's code reaches the caller, and shared state keeps
// working.
func TestPanicOfTheCallersCode(t *testing.T) {
	bad := func() *bytes.Reader { return bytes.NewReader([]byte("\x81\x01\xff")) }
	ping := func() *bytes.Reader { return bytes.NewReader([]byte("\x89\x00")) }
	for _, in := range []func() *bytes.Reader{bad, ping} {
		require.PanicsWithValue(t, "in Write", func() { ReadServerData(panicking{in()}) })
		var out bytes.Buffer
		_, _, err := ReadServerData(struct {
			io.Reader
			io.Writer
		}{in(), &out})
		require.Error(t, err)
		require.NotZero(t, out.Len(), "answered as ever")
	}
}
