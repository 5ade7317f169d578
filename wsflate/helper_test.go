package wsflate_test

import (
	"bytes"
	"errors"
	"io"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

func helpers() map[string]*wsflate.Helper {
	return map[string]*wsflate.Helper{
		"default": &wsflate.DefaultHelper,
		"std":     {Compressor: stdCompressor(9), Decompressor: stdDecompressor},
		"mixed":   {Decompressor: decompressors["without a Reset"]},
	}
}

func TestHelper(t *testing.T) {
	for name, h := range helpers() {
		t.Run(name, func(t *testing.T) {
			for _, m := range messages() {
				c, err := h.Compress(m)
				require.NoError(t, err)
				require.True(t, bytes.Equal(m, (&oracle{}).inflate(t, c)))
				p, err := h.Decompress(c)
				require.NoError(t, err)
				require.True(t, bytes.Equal(m, p))
				var out bytes.Buffer
				require.NoError(t, h.CompressTo(&out, m))
				require.Equal(t, c, out.Bytes())
				require.ErrorIs(t, h.DecompressTo(&failingWriter{0}, append(c, 0)[:len(c)]), map[bool]error{true: io.ErrClosedPipe}[len(m) > 0])
			}
			_, err := h.Decompress([]byte{7})
			require.ErrorIs(t, err, wsflate.ErrCorrupt)
			require.ErrorIs(t, h.CompressTo(&failingWriter{0}, noise(9000, 1)), io.ErrClosedPipe)
			limited := *h
			limited.MaxMessage = 99
			for n := 98; n <= 100; n++ {
				c, err := h.Compress(make([]byte, n))
				require.NoError(t, err)
				_, err = limited.Decompress(c)
				require.Equal(t, n > 99, errors.Is(err, wsflate.ErrTooLarge))
			}
		})
	}
}

func TestHelperFrames(t *testing.T) {
	for name, h := range helpers() {
		t.Run(name, func(t *testing.T) {
			for _, op := range []ws.OpCode{ws.OpText, ws.OpBinary} {
				in := ws.NewFrame(op, true, bytes.Repeat(tick(1), 5))
				c, err := h.CompressFrame(in)
				require.NoError(t, err)
				require.Equal(t, ws.Header{Fin: true, Rsv: 4, OpCode: op, Length: int64(len(c.Payload))}, c.Header)
				require.Less(t, len(c.Payload), len(in.Payload))
				back, err := h.DecompressFrame(c)
				require.NoError(t, err)
				require.Equal(t, in, back)

				// Into a buffer that already holds other bytes.
				buf := bytes.NewBufferString("before")
				c2, err := h.CompressFrameBuffer(buf, in)
				require.NoError(t, err)
				require.Equal(t, c, c2)
				buf = bytes.NewBufferString("before")
				back, err = h.DecompressFrameBuffer(buf, c2)
				require.NoError(t, err)
				require.Equal(t, in, back)
				require.Equal(t, "before"+string(in.Payload), buf.String())

				_, err = h.CompressFrame(c)
				require.ErrorIs(t, err, wsflate.ErrUnexpectedCompressionBit, "compressed already")
				back, err = h.DecompressFrame(in)
				require.NoError(t, err)
				require.Equal(t, in, back, "plain: as it is")

				// Compressing masked bytes would make them unreadable for the
				// peer.
				_, err = h.CompressFrame(ws.MaskFrame(in))
				require.Error(t, err)
				_, err = h.DecompressFrame(ws.MaskFrame(c))
				require.Error(t, err)

				part := c
				part.Header.Fin = false
				_, err = h.DecompressFrame(part)
				require.Error(t, err)
				part = in
				part.Header.Fin = false
				_, err = h.CompressFrame(part)
				require.Error(t, err)
			}
			next := ws.NewFrame(ws.OpContinuation, true, []byte("a"))
			_, err := h.CompressFrame(next)
			require.Error(t, err)
			_, err = h.DecompressFrame(next)
			require.Error(t, err)
			next.Header.Rsv = 4
			_, err = h.DecompressFrame(next)
			require.ErrorIs(t, err, wsflate.ErrUnexpectedCompressionBit)

			// Control frames are never compressed (RFC 7692, section 5).
			ping := ws.NewPingFrame([]byte("ping"))
			c, err := h.CompressFrame(ping)
			require.NoError(t, err)
			require.Equal(t, ping, c)
			c, err = h.DecompressFrame(ping)
			require.NoError(t, err)
			require.Equal(t, ping, c)
			ping.Header.Rsv = 4
			_, err = h.DecompressFrame(ping)
			require.ErrorIs(t, err, wsflate.ErrUnexpectedCompressionBit)
			bad := ws.NewTextFrame([]byte{7})
			bad.Header.Rsv = 4
			_, err = h.DecompressFrame(bad)
			require.ErrorIs(t, err, wsflate.ErrCorrupt)
		})
	}
	c, err := wsflate.CompressFrame(ws.NewTextFrame(bytes.Repeat(tick(1), 3)))
	require.NoError(t, err)
	p, err := wsflate.DecompressFrame(c)
	require.NoError(t, err)
	require.Equal(t, bytes.Repeat(tick(1), 3), p.Payload)
	c, err = wsflate.CompressFrameBuffer(new(bytes.Buffer), p)
	require.NoError(t, err)
	_, err = wsflate.DecompressFrameBuffer(new(bytes.Buffer), c)
	require.NoError(t, err)
}
