package ui

import (
	"context"
	"io"
)

// Reader returns a reader of r that fails with the error of ctx when ctx ends.
// A pending Read of r then continues on its goroutine until r returns, so r
// should live as long as the program, as stdin does.
func Reader(ctx context.Context, r io.Reader) io.Reader {
	pr, pw := io.Pipe()
	stop := context.AfterFunc(ctx, func() { pw.CloseWithError(ctx.Err()) })
	go func() {
		defer stop()
		_, err := io.Copy(pw, r)
		pw.CloseWithError(err)
	}()
	return pr
}
