//go:build !unix

package dial

import (
	"os"

	"golang.org/x/term"
)

// followSize sets the size of t once, because changes are not reported on this
// platform.
func followSize(t *term.Terminal, f *os.File) (stop func()) {
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		t.SetSize(width, height)
	}
	return func() {}
}
