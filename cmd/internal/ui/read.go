package ui

import (
	"context"
	"io"
)

// ReadAll is io.ReadAll that ctx ends. The Read under way then goes on in a goroutine,
// until r has something: that is for input which lives as long as the program does.
func ReadAll(ctx context.Context, r io.Reader) ([]byte, error) {
	type result struct {
		p   []byte
		err error
	}
	done := make(chan result, 1)
	go func() {
		p, err := io.ReadAll(r)
		done <- result{p, err}
	}()
	select {
	case <-ctx.Done():
		return nil, ctx.Err()
	case r := <-done:
		return r.p, r.err
	}
}
