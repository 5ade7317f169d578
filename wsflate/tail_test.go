package wsflate

import (
	"bytes"
	"errors"
	"io"
	"testing"
	"testing/iotest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// However the last four bytes are cut, they are held back, and nothing else.
func TestTailWriter(t *testing.T) {
	const p = "0123456789"
	for n := range len(p) + 1 {
		for a := range n + 1 {
			for b := a; b <= n; b++ {
				var out bytes.Buffer
				w := tailWriter{dest: &out}
				for _, piece := range []string{p[:a], p[a:b], p[b:n]} {
					k, err := w.Write([]byte(piece))
					require.NoError(t, err)
					require.Equal(t, len(piece), k)
				}
				require.Equal(t, p[:max(n-4, 0)], out.String())
				require.Equal(t, p[max(n-4, 0):n], string(w.held[:w.n]))
				require.False(t, w.atTail())
				_, err := w.Write([]byte("\x00\x00"))
				require.NoError(t, err)
				require.False(t, w.atTail())
				_, err = w.Write([]byte("\xff\xff"))
				require.NoError(t, err)
				require.True(t, w.atTail())
				require.Equal(t, p[:n], out.String())
			}
		}
	}
}

func TestTailReader(t *testing.T) {
	for n := range 20 {
		payload := bytes.Repeat([]byte("x"), n)
		for _, src := range []io.Reader{bytes.NewReader(payload), iotest.OneByteReader(bytes.NewReader(payload)), iotest.DataErrReader(bytes.NewReader(payload))} {
			r := &tailReader{src: src, tail: readTail}
			var got []byte
			for i := 0; ; i++ {
				p := make([]byte, i%3)
				var k int
				var err error
				if i%2 == 0 {
					p = make([]byte, 1)
					p[0], err = r.ReadByte()
					k = 1
				} else {
					k, err = r.Read(p)
				}
				if err == io.EOF {
					break
				}
				require.NoError(t, err)
				got = append(got, p[:k]...)
			}
			require.Equal(t, string(payload)+"\x00\x00\xff\xff\x01\x00\x00\xff\xff", string(got))
			require.True(t, r.exhausted())
			require.EqualValues(t, len(got), r.taken)
			r.release()
		}
	}
	boom := errors.New("boom")
	r := &tailReader{src: io.MultiReader(bytes.NewReader([]byte("a")), iotest.ErrReader(boom)), tail: readTail}
	got, err := io.ReadAll(r)
	require.ErrorIs(t, err, boom)
	require.Equal(t, "a", string(got), "no tail behind what was cut off")
	require.False(t, (&tailReader{src: nothing{}}).fill(), "a source that yields nothing for ever")
}

type nothing struct{}

func (nothing) Read([]byte) (int, error) { return 0, nil }

// A payload that stalls holds about as much as has arrived, not the largest
// buffer.
func TestTailReaderRoomFollowsInput(t *testing.T) {
	src := &scriptedReader{sizes: []int{1, 700, firstRead, 1, 4 * firstRead, 100, 100 << 10, 1}}
	for i, wantSize := range []int{1 << 10, 1 << 10, 1 << 10, 4 << 10, 4 << 10, 16 << 10, 16 << 10, 16 << 10} {
		require.True(t, src.t.take(src), "read %d", i)
		require.Equal(t, wantSize, src.t.size, "read %d", i)
		require.LessOrEqual(t, cap(src.t.room.B), 5*wantSize/4, "read %d", i)
	}
}

// scriptedReader yields as many bytes at once as sizes says, if there is room.
type scriptedReader struct {
	t     tailReader
	sizes []int
}

func (s *scriptedReader) Read(p []byte) (int, error) {
	n := min(s.sizes[0], len(p))
	s.sizes = s.sizes[1:]
	return n, nil
}

// take reads once from src and takes what has come.
func (t *tailReader) take(src io.Reader) bool {
	t.src = src
	ok := t.fill()
	t.p = nil
	return ok
}

// The header room of the shared pool fits the frames of package ws.
func TestHeaderRoom(t *testing.T) { require.Equal(t, ws.MaxHeaderSize, bufpool.HeaderRoom) }
