package ws

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/wskit/wskit/internal/mask"
)

// Cipher masks or unmasks payload in place: byte i is XORed with
// key[(offset+i)%4] (RFC 6455, section 5.3). A payload that arrives in pieces
// is unmasked piece by piece, offset counting the bytes before the piece.
func Cipher(payload []byte, key [4]byte, offset int) {
	mask.XOR(payload, key, offset)
}

// CipherCopy is [Cipher] into another buffer: it writes the first len(src)
// bytes of dst and leaves src as it is. The two must not overlap, unless they
// start at the same byte. It panics if dst is shorter than src.
func CipherCopy(dst, src []byte, key [4]byte, offset int) {
	mask.Copy(dst, src, key, offset)
}

// keySources holds ChaCha8 generators, each used by one goroutine at a time
// and seeded by the operating system: a peer that sees any number of keys
// cannot tell the next (RFC 6455, section 10.3).
var keySources = sync.Pool{New: func() any { return newKeySource() }}

func newKeySource() *rand.ChaCha8 {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.NewChaCha8(seed)
}

// NewMask returns a mask key that cannot be foretold (RFC 6455, section 5.3).
// It may be called by any number of goroutines at once and costs nanoseconds.
func NewMask() (key [4]byte) {
	src := keySources.Get().(*rand.ChaCha8)
	binary.LittleEndian.PutUint32(key[:], uint32(src.Uint64()))
	keySources.Put(src)
	return key
}

// newNonce returns the bytes of a Sec-WebSocket-Key, from the source of the mask keys
// (RFC 6455, section 4.1).
func newNonce() (nonce [16]byte) {
	src := keySources.Get().(*rand.ChaCha8)
	binary.LittleEndian.PutUint64(nonce[:8], src.Uint64())
	binary.LittleEndian.PutUint64(nonce[8:], src.Uint64())
	keySources.Put(src)
	return nonce
}
