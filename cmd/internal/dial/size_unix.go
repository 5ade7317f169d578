//go:build unix

package dial

import (
	"os"
	"os/signal"
	"syscall"

	"golang.org/x/term"
)

// followSize keeps the size of t up to date until stop is called.
func followSize(t *term.Terminal, f *os.File) (stop func()) {
	changes := make(chan os.Signal, 1)
	signal.Notify(changes, syscall.SIGWINCH)
	changes <- syscall.SIGWINCH
	go func() {
		for range changes {
			if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
				t.SetSize(width, height)
			}
		}
	}()
	return func() {
		signal.Stop(changes)
		close(changes)
	}
}
