package fuzz

import (
	"bytes"
	"errors"
	"io"
	"testing"

	gobwas "github.com/gobwas/ws"
	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// FuzzHeader holds the header parser against gobwas/ws. We refuse two forms
// that it accepts: a length in more bytes than it needs, and one with the
// highest bit set, both by RFC 6455, section 5.2. ParseHeaderNonMinimal accepts
// the first of them, so that it is the twin.
func FuzzHeader(f *testing.F) {
	for _, h := range []ws.Header{
		{},
		{Fin: true, OpCode: ws.OpText, Length: 125},
		{Fin: true, Rsv: 7, OpCode: ws.OpPing, Length: 126, Masked: true, Mask: [4]byte{1, 2, 3, 4}},
		{OpCode: ws.OpContinuation, Length: 65535},
		{OpCode: ws.OpContinuation, Length: 65536, Masked: true},
		{OpCode: ws.OpBinary, Length: 1<<63 - 1},
	} {
		f.Add(ws.AppendHeader(nil, h))
	}
	f.Fuzz(func(t *testing.T, in []byte) {
		src := bytes.NewReader(in)
		want, wantErr := gobwas.ReadHeader(src)
		got, n, err := ws.ParseHeaderNonMinimal(in)
		switch {
		case wantErr == nil:
			require.NoError(t, err)
			require.Equal(t, want, gobwas.Header{
				Fin: got.Fin, Rsv: got.Rsv, OpCode: gobwas.OpCode(got.OpCode), Masked: got.Masked, Mask: got.Mask, Length: got.Length,
			})
			require.Equal(t, len(in)-src.Len(), n)
		case errors.Is(wantErr, io.EOF) || errors.Is(wantErr, io.ErrUnexpectedEOF):
			require.Error(t, err)
		default:
			require.Error(t, err, "gobwas says %v", wantErr)
			require.NotErrorIs(t, err, io.ErrUnexpectedEOF)
		}
	})
}
