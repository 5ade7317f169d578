package hub

// Serve makes h the handler of b.
func Serve(b *Memory, h Handler) { b.serve(h) }

// MaxSenders is the maximum number of goroutines that send leaves.
const MaxSenders = leavers

// SetMaxLeaves sets how many leaves may wait for the broker.
func SetMaxLeaves(h *Hub, n int) { h.leaves.max = n }
