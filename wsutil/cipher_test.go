package wsutil

import (
	"bytes"
	"io"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"github.com/wskit/wskit/ws"
)

// RFC 6455, section 5.7: the masked "Hello".
func TestCipher(t *testing.T) {
	masked := "\x7f\x9f\x4d\x51\x58"
	for _, source := range sources[:4] {
		r := NewCipherReader(source.of(strings.NewReader(masked)), testKey)
		p, err := io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, "Hello", string(p))
		r.Reset(source.of(strings.NewReader("Hello")), testKey)
		p, err = io.ReadAll(r)
		require.NoError(t, err)
		require.Equal(t, masked, string(p))
	}
	for cut := range 6 {
		var out bytes.Buffer
		w := NewCipherWriter(&out, testKey)
		text := []byte("Hello")
		for _, p := range [][]byte{text[:cut], nil, text[cut:]} {
			n, err := w.Write(p)
			require.NoError(t, err)
			require.Equal(t, len(p), n)
		}
		require.Equal(t, masked, out.String())
		require.Equal(t, "Hello", string(text))
		out.Reset()
		w.Reset(&out, testKey)
		w.Write([]byte(masked))
		require.Equal(t, "Hello", out.String())
	}
}

// More than is masked at once, and a destination that takes less.
func TestCipherWriterLarge(t *testing.T) {
	p := bytes.Repeat([]byte("0123456"), maxMasked/3)
	want := bytes.Clone(p)
	ws.Cipher(want, testKey, 0)
	var out bytes.Buffer
	w := NewCipherWriter(&out, testKey)
	n, err := w.Write(p)
	require.NoError(t, err)
	require.Equal(t, len(p), n)
	require.True(t, bytes.Equal(want, out.Bytes()))

	short := &shortWriter{}
	w.Reset(short, testKey)
	var sent int
	for sent < 10 {
		n, err = w.Write([]byte("Hello, you")[sent:])
		sent += n
	}
	require.NoError(t, err)
	ws.Cipher(short.got, testKey, 0)
	require.Equal(t, "Hello, you", string(short.got))
}

// shortWriter takes three bytes at a time.
type shortWriter struct{ got []byte }

func (s *shortWriter) Write(p []byte) (int, error) {
	n := min(3, len(p))
	s.got = append(s.got, p[:n]...)
	if n < len(p) {
		return n, io.ErrShortWrite
	}
	return n, nil
}
