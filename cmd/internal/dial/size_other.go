//go:build !unix

package dial

import (
	"os"

	"golang.org/x/term"
)

// followSize tells t the size of the terminal once: nothing tells of changes here.
func followSize(t *term.Terminal, f *os.File) (stop func()) {
	if width, height, err := term.GetSize(int(f.Fd())); err == nil && width > 0 {
		t.SetSize(width, height)
	}
	return func() {}
}
