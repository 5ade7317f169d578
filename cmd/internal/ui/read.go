package ui

import (
	"context"
	"io"
)

// Reader returns r as a reader that fails with the error of ctx once that ends. A Read of
// r under way then goes on in a goroutine, until r has something: that is for input which
// lives as long as the program does.
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
