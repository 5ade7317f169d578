package wsutil

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// CipherReader masks or unmasks what it reads (RFC 6455, section 5.3). It is
// not safe for concurrent use.
type CipherReader struct {
	src io.Reader
	key [4]byte
	pos int // of the next byte, in the key
}

// NewCipherReader returns a CipherReader that reads from r. It masks the first
// byte with key[0].
func NewCipherReader(r io.Reader, key [4]byte) *CipherReader {
	return &CipherReader{src: r, key: key}
}

// Reset resets c to the state of [NewCipherReader].
func (c *CipherReader) Reset(r io.Reader, key [4]byte) {
	*c = CipherReader{src: r, key: key}
}

// Read reads from the source into p and masks the bytes read. Its errors are
// those of the source.
func (c *CipherReader) Read(p []byte) (n int, err error) {
	if c.src == nil {
		return 0, errNilSource
	}
	n, err = c.src.Read(p)
	ws.Cipher(p[:n], c.key, c.pos)
	c.pos = (c.pos + n) & 3
	return n, err
}

// CipherWriter masks or unmasks what is written to it (RFC 6455, section 5.3).
// It is not safe for concurrent use.
type CipherWriter struct {
	dst io.Writer
	key [4]byte
	pos int // of the next byte, in the key
}

// NewCipherWriter returns a CipherWriter that writes to w. It masks the first
// byte with key[0].
func NewCipherWriter(w io.Writer, key [4]byte) *CipherWriter {
	return &CipherWriter{dst: w, key: key}
}

// Reset resets c to the state of [NewCipherWriter].
func (c *CipherWriter) Reset(w io.Writer, key [4]byte) {
	*c = CipherWriter{dst: w, key: key}
}

// Write writes p, masked. It masks into a pooled buffer and does not change p.
// It makes one Write for each MiB of p. Its errors are those of the
// destination.
func (c *CipherWriter) Write(p []byte) (n int, err error) {
	if c.dst == nil {
		return 0, errNilDestination
	}
	b := bufpool.Get(min(len(p), maxMasked))
	defer b.Free()
	for {
		out := b.B[:min(len(p)-n, cap(b.B))]
		ws.CipherCopy(out, p[n:n+len(out)], c.key, c.pos)
		written, err := c.dst.Write(out)
		n += written
		c.pos = (c.pos + written) & 3
		if err == nil && written < len(out) {
			err = io.ErrShortWrite
		}
		if err != nil || n == len(p) {
			return n, err
		}
	}
}
