package wsutil

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

func TestWriteMessage(t *testing.T) {
	for _, side := range both {
		for _, n := range []int{0, 1, 125, 126, 65522, 65523, 65524, 65535, 65536, 65537, 1 << 20} {
			payload := bytes.Repeat([]byte("x"), n)
			p := newPipe(nil)
			require.NoError(t, WriteMessage(p, side.state, ws.OpBinary, payload))
			require.True(t, bytes.Equal(bytes.Repeat([]byte("x"), n), payload))
			if side.state.ClientSide() || n <= 64<<10 {
				require.Equal(t, 1, p.writes)
			}
			require.Equal(t, side.state.ClientSide(), p.out.Bytes()[1]&0x80 != 0)
			require.Equal(t, []ws.Frame{frame(ws.OpBinary, true, string(payload))}, frameList(t, p.out.Bytes()))
		}
		p := newPipe(nil)
		require.Equal(t, ErrControlOverflow, WriteMessage(p, side.state, ws.OpPing, make([]byte, 126)))
		require.Zero(t, p.writes)
		boom := errors.New("boom")
		require.Equal(t, boom, WriteMessage(&failing{err: boom}, side.state, ws.OpText, []byte("a")))
	}
	// A client's in several Writes.
	boom := errors.New("boom")
	require.Equal(t, boom, WriteClientBinary(&failing{1, boom}, make([]byte, 2*maxMasked)))
}

// stingy breaks the promise of io.Writer: it takes a byte less than it was given, and
// calls that no error.
type stingy struct{}

func (stingy) Write(p []byte) (int, error) { return len(p) - 1, nil }

func TestShortWriteIsAnError(t *testing.T) {
	prepared, err := NewPreparedMessage(ws.OpText, []byte("news"))
	require.NoError(t, err)
	for _, side := range both {
		for name, write := range map[string]func() error{
			"WriteMessage": func() error { return WriteMessage(stingy{}, side.state, ws.OpText, []byte("a")) },
			"large":        func() error { return WriteMessage(stingy{}, side.state, ws.OpText, make([]byte, 2*maxMasked)) },
			"Writer": func() error {
				w := NewWriter(stingy{}, side.state, ws.OpText)
				w.Write([]byte("a"))
				return w.Flush()
			},
			"WriteThrough": func() error {
				_, err := NewWriter(stingy{}, side.state, ws.OpText).WriteThrough([]byte("a"))
				return err
			},
			"control":  func() error { return HandleControlMessage(stingy{}, side.state, Message{OpCode: ws.OpPing}) },
			"prepared": func() error { return prepared.Write(stingy{}, side.state) },
			"cipher": func() error {
				_, err := NewCipherWriter(stingy{}, testKey).Write([]byte("abc"))
				return err
			},
		} {
			require.Equal(t, io.ErrShortWrite, write(), name)
		}
	}
}

func TestWriteMessageForms(t *testing.T) {
	p := newPipe(nil)
	for _, err := range []error{
		WriteServerMessage(p, ws.OpPing, []byte("a")), WriteServerText(p, []byte("b")), WriteServerBinary(p, []byte("c")),
		WriteClientMessage(p, ws.OpPing, []byte("d")), WriteClientText(p, []byte("e")), WriteClientBinary(p, []byte("f")),
	} {
		require.NoError(t, err)
	}
	var got []string
	for range 6 {
		f, err := ws.ReadFrame(&p.out)
		require.NoError(t, err)
		got = append(got, fmt.Sprintln(f.Header.Masked, f.Header.OpCode, string(ws.UnmaskFrameInPlace(f).Payload)))
	}
	require.Equal(t, []string{"false ping a\n", "false text b\n", "false binary c\n", "true ping d\n", "true text e\n", "true binary f\n"}, got)
}

// views is a writer that keeps what it is given, not a copy.
type views [][]byte

func (v *views) Write(p []byte) (int, error) {
	*v = append(*v, p)
	return len(p), nil
}

// What a server's payload has above 64 KiB is written where it lies.
func TestLargeServerPayloadIsNotCopied(t *testing.T) {
	const copied = 64 << 10
	payload := make([]byte, 1<<20)
	for n, want := range map[int]int{copied: 1, copied + 1: 2, 1 << 20: 2} {
		for _, write := range []func(w io.Writer, p []byte) error{
			WriteServerBinary,
			func(w io.Writer, p []byte) error {
				_, err := NewWriter(w, ws.StateServerSide, ws.OpBinary).WriteThrough(p)
				return err
			},
		} {
			var v views
			require.NoError(t, write(&v, payload[:n]))
			require.Len(t, v, want, "%d bytes", n)
			if want == 2 {
				require.Len(t, v[1], n-copied)
				require.Same(t, &payload[copied], &v[1][0])
			}
		}
	}
}
