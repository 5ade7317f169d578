package hub

// Serve makes h the handler of b.
func Serve(b *Memory, h Handler) { b.serve(h) }
