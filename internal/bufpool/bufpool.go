// Package bufpool is a pool of buffers in size classes.
package bufpool

import (
	"math"
	"math/bits"
	"slices"
	"sync"

	"github.com/wskit/wskit/internal/race"
)

// HeaderRoom is the size of the largest frame header (RFC 6455, section 5.2).
// Each size class holds a power of two and a header, so that a frame whose
// payload is a power of two does not take twice the memory.
const HeaderRoom = 14

const (
	minSize    = 128
	numClasses = 16 // the largest class holds 4 MiB
	unpooled   = numClasses
)

var pools [numClasses]sync.Pool

// classSize returns the least capacity of the buffers of a class.
func classSize(class int) int { return minSize<<class + HeaderRoom }

// classFor returns the class for n bytes, or unpooled if n exceeds the largest.
func classFor(n int) int {
	return min(bits.Len(uint(max(n-HeaderRoom, 1)-1)/minSize), unpooled)
}

// Buffer is memory borrowed from the pool. Free returns it.
type Buffer struct {
	B     []byte // empty after Get; the caller may append to it within its capacity
	class uint8
	free  bool // kept only under the race detector
}

// Get returns an empty buffer with room for n bytes. Its capacity is less than
// 4*n, or at most 2 KiB if n is small. Memory above 4 MiB is not pooled.
func Get(n int) *Buffer {
	if class := classFor(n); class < unpooled && !race.Enabled {
		if b, ok := pools[class].Get().(*Buffer); ok {
			return b
		}
	}
	return get(n)
}

// get is Get for a pool that has no buffer, and under the race detector.
func get(n int) *Buffer {
	if b := Idle(n); b != nil {
		return b
	}
	class := classFor(n)
	if class < unpooled {
		n = classSize(class)
	}
	// Grow rounds up to a size class of the allocator.
	return &Buffer{B: slices.Grow([]byte(nil), n), class: uint8(class)}
}

// Idle is Get for callers that must not allocate: it returns nil if the pool
// has no buffer of that size.
func Idle(n int) *Buffer {
	class := classFor(n)
	if class >= unpooled {
		return nil
	}
	b, _ := pools[class].Get().(*Buffer)
	if race.Enabled && b != nil {
		b.free = false
	}
	return b
}

// All returns the whole memory of b.
func (b *Buffer) All() []byte { return b.B[:cap(b.B)] }

// Append returns a buffer that holds the bytes of b followed by p. If b has no
// room for p, or is nil, the result is another buffer, and b is freed.
func (b *Buffer) Append(p []byte) *Buffer {
	if b == nil {
		b = Get(len(p))
	}
	if len(p) > cap(b.B)-len(b.B) {
		n := len(b.B) + len(p)
		if classFor(n) == unpooled {
			n += min(n, math.MaxInt-n) // doubles, like the classes
		}
		larger := Get(n)
		larger.B = append(larger.B, b.B...)
		b.Free()
		b = larger
	}
	b.B = append(b.B, p...)
	return b
}

// Adopt takes over the memory of p, the result of an append to b.B, if that
// append has moved to larger memory. B is then empty. Free makes the memory of
// p available to others.
func (b *Buffer) Adopt(p []byte) {
	if cap(p) <= cap(b.B) {
		return
	}
	b.B = p[:0]
	b.class = unpooled
	if class := bits.Len(uint(cap(p)-HeaderRoom)/minSize) - 1; class < unpooled {
		b.class = uint8(class)
	}
}

// Free returns the memory of b to the pool. The caller must not use b or any
// part of its memory afterwards. b may be nil.
//
// Under the race detector, Free overwrites the memory, and panics if b was
// already freed.
func (b *Buffer) Free() {
	if b == nil || b.class >= unpooled {
		return
	}
	if race.Enabled {
		if b.free {
			panic("bufpool: buffer freed twice")
		}
		b.free = true
		spoil(b.All())
	}
	b.B = b.B[:0]
	pools[b.class].Put(b)
}

// Sizes returns the largest n that Get serves from each class, for tests that
// look into all pools.
func Sizes() []int {
	sizes := make([]int, numClasses)
	for class := range sizes {
		sizes[class] = classSize(class)
	}
	return sizes
}

// Poison overwrites one idle buffer of each class, for tests. A caller that
// still uses a buffer after Free then reads wrong bytes, or the race detector
// reports it.
func Poison() {
	for _, n := range Sizes() {
		if b := Idle(n); b != nil {
			spoil(b.All())
			b.Free()
		}
	}
}

// spoil overwrites p with a byte that begins no valid frame and no valid text.
func spoil(p []byte) {
	const filler = 0xdb
	if len(p) == 0 {
		return
	}
	p[0] = filler
	for k := 1; k < len(p); k *= 2 {
		copy(p[k:], p[:k])
	}
}
