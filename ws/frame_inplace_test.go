package ws

import (
	"bytes"
	"fmt"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

// A frame in place is the frame that AppendFrame makes of the same payload.
func TestFrameInPlace_RFC6455_5_2(t *testing.T) {
	for _, size := range []int{0, 1, 125, 126, 65535, 65536} {
		for _, masked := range []bool{false, true} {
			t.Run(fmt.Sprintf("%d, masked %t", size, masked), func(t *testing.T) {
				payload := bytes.Repeat([]byte("payload "), size/8+1)[:size]
				f := NewBinaryFrame(payload)
				f.Header.Rsv = 4
				if masked {
					f = MaskFrameWith(f, [4]byte{1, 2, 3, 4})
				}
				h := f.Header
				h.Length = 77 // does not count
				buf := append(make([]byte, MaxHeaderSize), payload...)
				got, err := FrameInPlace(buf, h)
				require.NoError(t, err)
				require.True(t, bytes.Equal(AppendFrame(nil, f), got))
				require.Same(t, &buf[len(buf)-1:][0], &got[len(got)-1:][0], "a view")
			})
		}
	}
}

func TestFrameInPlaceWithoutRoom(t *testing.T) {
	for _, buf := range [][]byte{nil, []byte("abc"), []byte("thirteen bytes"[:13])} {
		before := bytes.Clone(buf)
		got, err := FrameInPlace(buf, Header{Fin: true, OpCode: OpText, Masked: true, Mask: [4]byte{1}})
		require.ErrorIs(t, err, ErrNoHeaderRoom)
		require.Nil(t, got)
		require.Equal(t, before, buf)
	}
}

func TestFrameInPlaceAllocatesNothing(t *testing.T) {
	if race.Enabled {
		t.Skip("the race detector allocates")
	}
	buf := make([]byte, 1000)
	require.Zero(t, testing.AllocsPerRun(100, func() {
		if _, err := FrameInPlace(buf, Header{Fin: true, OpCode: OpText, Masked: true, Mask: NewMask()}); err != nil {
			t.Fatal(err)
		}
	}))
}
