// Package ui adapts output to its destination: colors and progress bars only on
// a terminal.
package ui

import (
	"io"
	"os"

	"github.com/fatih/color"
	"golang.org/x/term"
)

// IsTerminal reports whether v, a reader or writer, is a terminal.
func IsTerminal(v any) bool {
	f, ok := v.(*os.File)
	return ok && term.IsTerminal(int(f.Fd()))
}

// Palette colors text for one writer. Without colors it returns text unchanged.
type Palette struct{ on bool }

// For returns the palette of w. A terminal has colors unless NO_COLOR is set,
// or TERM is "dumb".
func For(w io.Writer) Palette {
	return Palette{IsTerminal(w) && os.Getenv("NO_COLOR") == "" && os.Getenv("TERM") != "dumb"}
}

// On reports whether there are colors.
func (p Palette) On() bool { return p.on }

func (p Palette) Bold(s string) string   { return p.paint(s, color.Bold) }
func (p Palette) Faint(s string) string  { return p.paint(s, color.Faint) }
func (p Palette) Red(s string) string    { return p.paint(s, color.FgRed) }
func (p Palette) Green(s string) string  { return p.paint(s, color.FgGreen) }
func (p Palette) Yellow(s string) string { return p.paint(s, color.FgYellow) }
func (p Palette) Blue(s string) string   { return p.paint(s, color.FgCyan) }

func (p Palette) paint(s string, attribute color.Attribute) string {
	if !p.on {
		return s
	}
	c := color.New(attribute)
	c.EnableColor()
	return c.Sprint(s)
}
