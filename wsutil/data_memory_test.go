package wsutil

import (
	"bufio"
	"io"
	"math"
	"runtime"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// heap returns how many bytes f allocates.
func heap(f func()) uint64 {
	var before, after runtime.MemStats
	runtime.ReadMemStats(&before)
	f()
	runtime.ReadMemStats(&after)
	return after.TotalAlloc - before.TotalAlloc
}

// Memory follows what arrives and not what is declared.
func TestReadDataDeclaredLength(t *testing.T) {
	const arrived = 100 << 10
	for _, declared := range []int64{1 << 30, math.MaxInt} {
		for _, wrap := range wraps {
			header := ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: declared})
			for _, sent := range []int{0, 1, arrived} {
				used := heap(func() {
					rw := wrap.of(newPipe(append(header, make([]byte, sent)...)))
					_, _, err := AppendDataLimit(nil, rw, ws.StateServerSide, -1)
					require.Equal(t, io.ErrUnexpectedEOF, err)
				})
				require.Less(t, used, uint64(10*sent+128<<10))
			}
		}
	}
}

// A thousand connections that declare 16 MiB each and stall hold little.
func TestReadDataManyStalled(t *testing.T) {
	header := ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 16 << 20})
	used := heap(func() {
		for range 1000 {
			ReadClientData(newPipe(append(header, "some"...)))
		}
	})
	require.Less(t, used, uint64(32<<20))
}

// A message that grows past its buffer is not copied over and over.
func TestReadDataGrowth(t *testing.T) {
	const n = 4 << 20
	p := peerFrames(ws.StateServerSide, ws.NewBinaryFrame(make([]byte, n)))
	used := heap(func() {
		_, _, err := ReadClientData(newPipe(p))
		require.NoError(t, err)
	})
	require.Less(t, used, uint64(2*n))
}

// The buffer of the caller is used as far as it goes.
func TestAppendDataKeepsBuffer(t *testing.T) {
	buf := make([]byte, 3, 20)
	p := newPipe(peerFrames(ws.StateServerSide, frame(ws.OpText, false, strings.Repeat("a", 10)), frame(ws.OpContinuation, true, strings.Repeat("b", 7))))
	got, _, err := AppendClientData(buf, p)
	require.NoError(t, err)
	require.Same(t, &buf[0], &got[0])
	require.Len(t, got, 20)
}

// How many Reads and Writes a message takes.
func TestReadDataCalls(t *testing.T) {
	for _, tt := range []struct {
		side        ws.State
		size, reads int
	}{
		{ws.StateServerSide, 0, 1},
		{ws.StateServerSide, 125, 2},
		{ws.StateServerSide, 126, 3},
		{ws.StateServerSide, 65536, 3},
		{ws.StateClientSide, 0, 1},
		{ws.StateClientSide, 125, 2},
		{ws.StateClientSide, 126, 3},
		{ws.StateClientSide, 65536, 3},
	} {
		wire := peerFrames(tt.side, ws.NewBinaryFrame(make([]byte, tt.size)))
		p := newPipe(wire)
		_, _, err := AppendData(make([]byte, 0, tt.size), p, tt.side)
		require.NoError(t, err)
		require.LessOrEqual(t, p.reads, tt.reads, "%d bytes", tt.size)
		if tt.size <= 2000 {
			p = newPipe(wire)
			rw := bufio.NewReadWriter(bufio.NewReader(p), bufio.NewWriter(p))
			_, _, err = AppendData(make([]byte, 0, tt.size), rw, tt.side)
			require.NoError(t, err)
			require.Equal(t, 1, p.reads, "%d bytes, buffered", tt.size)
		}
	}
}

// Messages that are gathered in one slice are not copied for each of them.
func TestAppendedMessagesAreNotCopiedEachTime(t *testing.T) {
	const n = 5000
	in := strings.Repeat(string(peerFrames(ws.StateServerSide, frame(ws.OpBinary, true, strings.Repeat("a", 100)))), n)
	for name, read := range map[string]func(rw io.ReadWriter) func(dst []byte) ([]byte, ws.OpCode, error){
		"AppendClientData": func(rw io.ReadWriter) func([]byte) ([]byte, ws.OpCode, error) {
			return func(dst []byte) ([]byte, ws.OpCode, error) { return AppendClientData(dst, rw) }
		},
		"Reader": func(rw io.ReadWriter) func([]byte) ([]byte, ws.OpCode, error) {
			return NewServerSideReader(rw).AppendMessage
		},
	} {
		for _, wrap := range wraps {
			next := read(wrap.of(newPipe([]byte(in))))
			var dst []byte
			moved := 0
			for range n {
				room := cap(dst)
				var err error
				dst, _, err = next(dst)
				require.NoError(t, err)
				if cap(dst) != room {
					moved++
				}
			}
			require.Len(t, dst, 100*n)
			require.Less(t, moved, 50, "%s, %s", name, wrap.name)
			require.Less(t, cap(dst), 150*n, "%s, %s", name, wrap.name)
		}
	}
}

// What is in dst makes it grow by a share of that, and not by what a header declares.
func TestAppendedMessageGrowsByWhatIsThere(t *testing.T) {
	const had = 1 << 20
	header := ws.AppendHeader(nil, ws.Header{Fin: true, OpCode: ws.OpBinary, Masked: true, Length: 1 << 30})
	dst := make([]byte, had)
	used := heap(func() {
		_, _, err := AppendDataLimit(dst, newPipe(header), ws.StateServerSide, -1)
		require.Equal(t, io.ErrUnexpectedEOF, err)
	})
	require.Less(t, used, uint64(had+had/2))
}
