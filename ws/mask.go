package ws

import (
	crand "crypto/rand"
	"encoding/binary"
	"math/rand/v2"
	"sync"

	"github.com/wskit/wskit/internal/mask"
)

// Cipher masks or unmasks payload in place: byte i is XORed with
// key[(offset+i)%4] (RFC 6455, section 5.3). For a payload in pieces, call it
// for each piece; offset is the number of bytes before the piece.
func Cipher(payload []byte, key [4]byte, offset int) {
	mask.XOR(payload, key, offset)
}

// CipherCopy is [Cipher] into another buffer: it writes the first len(src)
// bytes of dst and does not modify src. The two must not overlap unless they
// start at the same byte. It panics if dst is shorter than src.
func CipherCopy(dst, src []byte, key [4]byte, offset int) {
	mask.Copy(dst, src, key, offset)
}

// keySources holds ChaCha8 generators, seeded by the operating system. One
// goroutine at a time uses a generator. A peer that sees any number of keys
// cannot predict the next one (RFC 6455, section 10.3).
var keySources = sync.Pool{New: func() any { return newKeySource() }}

func newKeySource() *rand.ChaCha8 {
	var seed [32]byte
	crand.Read(seed[:])
	return rand.NewChaCha8(seed)
}

// NewMask returns an unpredictable mask key (RFC 6455, section 5.3). It is safe
// for concurrent use and takes nanoseconds.
func NewMask() (key [4]byte) {
	src := keySources.Get().(*rand.ChaCha8)
	binary.LittleEndian.PutUint32(key[:], uint32(src.Uint64()))
	keySources.Put(src)
	return key
}

// newNonce returns the bytes of a Sec-WebSocket-Key, from the source of the
// mask keys (RFC 6455, section 4.1).
func newNonce() (nonce [16]byte) {
	src := keySources.Get().(*rand.ChaCha8)
	binary.LittleEndian.PutUint64(nonce[:8], src.Uint64())
	binary.LittleEndian.PutUint64(nonce[8:], src.Uint64())
	keySources.Put(src)
	return nonce
}
