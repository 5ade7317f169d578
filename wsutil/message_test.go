package wsutil

import (
	"bytes"
	"io"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

func TestReadMessage(t *testing.T) {
	for _, side := range both {
		for _, source := range sources {
			for _, tt := range messages {
				src := source.of(bytes.NewReader(peerFrames(side.state, tt.frames...)))
				var got []Message
				var err error
				for err == nil {
					if side.state.ServerSide() {
						got, err = ReadClientMessage(src, got)
					} else {
						got, err = ReadServerMessage(src, got)
					}
				}
				require.Equal(t, io.EOF, err)
				require.Len(t, got, len(tt.want))
				for i, m := range got {
					require.Equal(t, tt.want[i].OpCode, m.OpCode)
					require.Equal(t, string(tt.want[i].Payload), string(m.Payload))
				}
			}
		}
	}
}

func TestReadMessageErrors(t *testing.T) {
	src := bytes.NewReader(peerFrames(ws.StateServerSide, frame(ws.OpText, false, "a"), frame(ws.OpPing, true, "p"), frame(ws.OpContinuation, true, "\xFF")))
	got, err := ReadClientMessage(src, []Message{{OpCode: ws.OpText}})
	require.Equal(t, ErrInvalidUTF8, err)
	require.Equal(t, []Message{{OpCode: ws.OpText}, {ws.OpPing, []byte("p")}}, got)
}

// asked is a source that notes for how much it is asked at once.
type asked struct {
	io.Reader
	most int
}

func (a *asked) Read(p []byte) (int, error) {
	a.most = max(a.most, len(p))
	return a.Reader.Read(p)
}

// A large message is read piece by piece, so that each is still in the cache when it is
// unmasked, and into the memory that the caller has.
func TestLargeMessageIsReadInPieces(t *testing.T) {
	in := peerFrames(ws.StateServerSide, ws.NewBinaryFrame(make([]byte, 1<<20)))
	src := &asked{Reader: bytes.NewReader(in)}
	dst := make([]byte, 0, 1<<20)
	got, _, err := NewServerSideReader(src).AppendMessage(dst)
	require.NoError(t, err)
	require.Same(t, &dst[:1][0], &got[0])
	require.Equal(t, 128<<10, src.most)
}
