package wsutil

import (
	"io"

	"github.com/wskit/wskit/internal/bufpool"
	"github.com/wskit/wskit/ws"
)

// CipherReader masks or unmasks what it reads (RFC 6455, section 5.3). It is not
// for concurrent use.
type CipherReader struct {
	src io.Reader
	key [4]byte
	pos int // of the next byte, in the key
}

// NewCipherReader returns a CipherReader that reads from r; the first byte meets
// key[0].
func NewCipherReader(r io.Reader, key [4]byte) *CipherReader {
	return &CipherReader{src: r, key: key}
}

// Reset makes c what [NewCipherReader] returns.
func (c *CipherReader) Reset(r io.Reader, key [4]byte) {
	*c = CipherReader{src: r, key: key}
}

// Read reads from the source into p and masks what came. Its errors are those of
// the source.
func (c *CipherReader) Read(p []byte) (n int, err error) {
	if c.src == nil {
		return 0, errNilSource
	}
	n, err = c.src.Read(p)
	ws.Cipher(p[:n], c.key, c.pos)
	c.pos = (c.pos + n) & 3
	return n, err
}

// CipherWriter masks or unmasks what is written to it (RFC 6455, section 5.3). It
// is not for concurrent use.
type CipherWriter struct {
	dst io.Writer
	key [4]byte
	pos int // of the next byte, in the key
}

// NewCipherWriter returns a CipherWriter that writes to w; the first byte meets
// key[0].
func NewCipherWriter(w io.Writer, key [4]byte) *CipherWriter {
	return &CipherWriter{dst: w, key: key}
}

// Reset makes c what [NewCipherWriter] returns.
func (c *CipherWriter) Reset(w io.Writer, key [4]byte) {
	*c = CipherWriter{dst: w, key: key}
}

// Write writes p, masked, and leaves p as it is: the masking happens in a pooled
// buffer, which for more than 1 MiB is written several times. Its errors are those
// of the destination.
func (c *CipherWriter) Write(p []byte) (n int, err error) {
	if c.dst == nil {
		return 0, errNilDestination
	}
	b := bufpool.Get(min(len(p), mostMasked))
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
