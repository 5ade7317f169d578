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
