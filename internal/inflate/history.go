package inflate

import "github.com/wskit/wskit/internal/bufpool"

// minHistory is the minimum allocation of a history.
const minHistory = 256

// history holds the last bytes of the output, at most size of them. It grows up
// to size bytes, and is then a ring.
type history struct {
	buf  []byte
	next int // index of the oldest byte, which is overwritten next; 0 while buf grows
	size int

	borrows bool            // buf comes from the shared pool, for one message
	lent    *bufpool.Buffer // the owner of buf, or nil
}

// release returns the borrowed memory of h.
func (h *history) release() {
	h.lent.Free()
	*h = history{}
}

// enter adds p, the newest bytes of the output. It does not retain p.
func (h *history) enter(p []byte) {
	if len(p) > h.size {
		p = p[len(p)-h.size:]
	}
	k := min(len(p), h.size-len(h.buf))
	h.grow(len(h.buf) + k)
	h.buf = append(h.buf, p[:k]...)
	for p = p[k:]; len(p) > 0; p = p[k:] {
		k = copy(h.buf[h.next:], p)
		if h.next += k; h.next == h.size {
			h.next = 0
		}
	}
}

// grow makes room for n bytes, which are at most size.
func (h *history) grow(n int) {
	if n <= cap(h.buf) {
		return
	}
	room := min(h.size, max(n, 2*cap(h.buf), minHistory))
	if h.borrows {
		larger := bufpool.Get(room)
		h.buf = append(larger.B, h.buf...)
		h.lent.Free()
		h.lent = larger
		return
	}
	h.buf = append(make([]byte, 0, room), h.buf...)
}

// back returns contiguous bytes that begin d bytes before the end. d is from 1
// to len(h.buf).
func (h *history) back(d int) []byte {
	p := h.next - d
	if p >= 0 {
		return h.buf[p:h.next]
	}
	return h.buf[p+len(h.buf):]
}
