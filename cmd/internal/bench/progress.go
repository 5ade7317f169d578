package bench

import (
	"fmt"
	"io"

	"github.com/schollz/progressbar/v3"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// newProgress returns a function that shows the progress of the load, and one
// that removes it. They do nothing if w is not a terminal.
func newProgress(w io.Writer) (tell func(progress), done func()) {
	if !ui.IsTerminal(w) {
		return func(progress) {}, func() {}
	}
	const steps = 1000
	var bar *progressbar.ProgressBar
	var before progress
	tell = func(p progress) {
		if bar == nil {
			most := steps
			if p.share < 0 {
				most = -1
			}
			bar = progressbar.NewOptions(most,
				progressbar.OptionSetWriter(w), progressbar.OptionSetWidth(30), progressbar.OptionClearOnFinish(),
				progressbar.OptionSetPredictTime(false), progressbar.OptionUseANSICodes(true))
		}
		rate := float64(p.received-before.received) / max((p.elapsed-before.elapsed).Seconds(), 1e-9)
		bar.Describe(fmt.Sprintf("%s open, %s messages/s", number(int64(p.open)), number(rate)))
		if p.share >= 0 {
			bar.Set(int(p.share * (steps - 1)))
		} else {
			bar.Add(1)
		}
		before = p
	}
	return tell, func() {
		if bar != nil {
			bar.Clear()
		}
	}
}
