package check

import (
	"context"
	"io"
	"net"
	"sync"

	"github.com/schollz/progressbar/v3"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// newProgress shows how many of the cases have been begun. On anything but a terminal
// its functions do nothing.
func newProgress(w io.Writer, cases int) (step, done func()) {
	if !ui.IsTerminal(w) {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(cases,
		progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionSetDescription("cases"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true))
	var mu sync.Mutex
	begun := 0
	return func() {
			mu.Lock()
			defer mu.Unlock()
			if begun++; begun < cases { // some cases open more than one connection
				bar.Set(begun)
			}
		}, func() {
			bar.Clear()
		}
}

// countDials makes a step of each connection that is opened.
func countDials(step func()) func(context.Context, string, string) (net.Conn, error) {
	var dialer net.Dialer
	return func(ctx context.Context, network, addr string) (net.Conn, error) {
		step()
		return dialer.DialContext(ctx, network, addr)
	}
}
