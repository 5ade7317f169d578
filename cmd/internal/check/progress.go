package check

import (
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// newProgress shows how many of the cases are complete. If w is not a terminal,
// its functions do nothing. The caller serializes calls of step.
func newProgress(w io.Writer, cases int) (step, done func()) {
	if !ui.IsTerminal(w) {
		return func() {}, func() {}
	}
	bar := progressbar.NewOptions(cases,
		progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionSetDescription("cases"),
		progressbar.OptionShowCount(), progressbar.OptionClearOnFinish(), progressbar.OptionUseANSICodes(true))
	return func() { bar.Add(1) }, func() { bar.Clear() }
}
