package bench

import (
	"bytes"
	_ "embed"
	"fmt"
	"html/template"
	"io"
	"math"
	"os"
	"path/filepath"
	"slices"
	"strconv"
	"strings"

	"github.com/wskit/wskit/cmd/internal/exit"
)

//go:embed plot.svg.tmpl
var svgText string

//go:embed plot.html.tmpl
var htmlText string

var plots = template.Must(template.Must(template.New("svg").Parse(svgText)).New("html").Parse(htmlText))

// plotter returns the name of the template for a file.
func plotter(name string) (string, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".svg":
		return "svg", nil
	case ".html", ".htm":
		return "html", nil
	}
	return "", exit.Usagef("--plot %q: the name must end in .html or .svg", name)
}

// drawFile plots a result to a file, or two results in the same charts, the old
// one first.
func drawFile(name string, results ...*Result) error {
	kind, err := plotter(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := draw(&b, kind, results...); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o666)
}

// draw plots up to three charts: messages/s and latency over time, and latency
// by percentile.
func draw(w io.Writer, kind string, results ...*Result) error {
	all := []chart{
		{Title: "messages/s", format: number[float64]},
		{Title: "latency over time", format: duration, log: true},
		{Title: "latency by percentile", format: duration, log: true, byPercentile: true},
	}
	for i, r := range results {
		run := ""
		if len(results) > 1 {
			run = runNames[i]
		}
		if err := r.addTo(all, run); err != nil {
			return err
		}
	}
	var charts []chart
	for _, c := range all {
		if c.Top = firstTop + len(charts)*chartHeight; c.layOut() {
			charts = append(charts, c)
		}
	}
	text, err := printed(results)
	if err != nil {
		return err
	}
	last := results[len(results)-1]
	return plots.ExecuteTemplate(w, kind, map[string]any{
		"R": last, "Heading": headings(results), "Charts": charts, "Height": firstTop + len(charts)*chartHeight - 10, "Table": text,
	})
}

// runNames are the names of two runs in a plot.
var runNames = []string{"old", "new"}

// printed returns the output of the command for one result, or for a comparison
// of two.
func printed(results []*Result) (string, error) {
	var b bytes.Buffer
	if len(results) > 1 {
		err := printComparison(&b, results[0], results[1], false)
		return b.String(), err
	}
	err := results[0].table(&b)
	return b.String(), err
}

// addTo adds the lines of a result to the charts. The lines of a named run
// share a color, and its p50 is dashed.
func (r *Result) addTo(charts []chart, run string) error {
	rate, p50, p99 := r.overTime()
	percentiles, err := r.Latency.byPercentile()
	if err != nil {
		return err
	}
	lines := []line{{name: "p50", dots: p50}, {name: "p99", dots: p99, color: 1}}
	color := 0
	if run != "" {
		if run != runNames[0] {
			color = 1
		}
		lines = []line{{name: run + " p50", dots: p50, color: color, dashed: true}, {name: run + " p99", dots: p99, color: color}}
	}
	charts[0].lines = append(charts[0].lines, line{name: run, dots: rate, color: color})
	charts[1].lines = append(charts[1].lines, lines...)
	charts[2].lines = append(charts[2].lines, line{name: run, dots: percentiles, color: color})
	return nil
}

// overTime returns the timeline.
func (r *Result) overTime() (rate, p50, p99 []dot) {
	for _, p := range r.Timeline {
		rate = append(rate, dot{p.At, p.PerSecond})
		if p.P50 > 0 {
			p50, p99 = append(p50, dot{p.At, p.P50}), append(p99, dot{p.At, p.P99})
		}
	}
	return rate, p50, p99
}

// byPercentile returns the distribution by percentile.
func (l Latency) byPercentile() (dots []dot, err error) {
	h, err := l.distribution()
	if err != nil {
		return nil, err
	}
	for nines := 0.0; nines <= 5.001 && h.TotalCount() > 0; nines += 0.02 {
		q := 1 - math.Pow(10, -nines)
		if float64(h.TotalCount())*(1-q) < 0.5 {
			break
		}
		dots = append(dots, dot{nines, micros(h.ValueAtQuantile(100 * q))})
	}
	return dots, nil
}

// dot is a point of a line, in units of the chart.
type dot struct{ x, y float64 }

// line is a sequence of dots, with a name if the chart has several lines.
type line struct {
	name   string
	dots   []dot
	color  int
	dashed bool
}

// chart is a box with lines, and the values that the templates need.
type chart struct {
	Title string
	Top   int
	Paths []path
	Names []name // of the lines, above the box
	Ticks []tick // left of the box
	Marks []tick // below it

	lines             []line
	log, byPercentile bool
	format            func(float64) string
}

// tick is a label and its position.
type tick struct {
	Text string
	At   float64
}

// path is a line in the form that the template draws.
type path struct {
	D      string
	Color  int
	Dashed bool
}

// name is the name of a line and the position of its end.
type name struct {
	tick
	Color  int
	Dashed bool
}

// The box of a chart.
const (
	boxLeft, boxWidth = 90.0, 680.0
	boxHeight         = 150.0
)

// Layout of the charts, one below the other.
const (
	firstTop    = 60
	chartHeight = 220 // with title and labels
)

// layOut computes paths and labels, and reports whether there is anything to
// draw.
func (c *chart) layOut() bool {
	var right, low, high float64
	low = math.Inf(1)
	for _, line := range c.lines {
		for _, d := range line.dots {
			right, high = max(right, d.x), max(high, d.y)
			low = min(low, d.y)
		}
	}
	if high == 0 {
		return false
	}
	if c.log {
		low, high = math.Pow(10, math.Floor(math.Log10(low))), math.Pow(10, math.Ceil(math.Log10(high*1.0001)))
	} else {
		low, high = 0, nice(high)
	}
	y := func(v float64) float64 { return boxHeight * (1 - (v-low)/(high-low)) }
	if c.log {
		y = func(v float64) float64 {
			return boxHeight * (1 - math.Log10(v/low)/math.Log10(high/low))
		}
	}
	x := func(v float64) float64 { return boxLeft + boxWidth*v/max(right, 1e-9) }
	for _, line := range c.lines {
		var d strings.Builder
		for i, dot := range line.dots {
			fmt.Fprintf(&d, "%c%.1f %.1f", "ML"[min(i, 1)], x(dot.x), float64(c.Top)+y(dot.y))
		}
		c.Paths = append(c.Paths, path{d.String(), line.color, line.dashed})
	}
	c.name()
	c.label(low, high, right, x, y)
	return true
}

// name positions the names of the lines, from the right end of the box.
func (c *chart) name() {
	right := boxLeft + boxWidth
	for _, line := range slices.Backward(c.lines) {
		if line.name != "" {
			c.Names = append(c.Names, name{tick{line.name, right}, line.color, line.dashed})
			right -= 30 + 7*float64(len(line.name)) // with its dash
		}
	}
	slices.Reverse(c.Names)
}

func (c *chart) label(low, high, right float64, x, y func(float64) float64) {
	if c.log {
		for v := low; v <= high*1.0001; v *= 10 {
			c.Ticks = append(c.Ticks, tick{c.format(v), float64(c.Top) + y(v)})
		}
	} else {
		for i := range 5 {
			v := high * float64(i) / 4
			c.Ticks = append(c.Ticks, tick{c.format(v), float64(c.Top) + y(v)})
		}
	}
	if c.byPercentile {
		for i, name := range []string{"0", "90 %", "99 %", "99.9 %", "99.99 %", "99.999 %"} {
			if float64(i) <= right+0.01 {
				c.Marks = append(c.Marks, tick{name, x(float64(i))})
			}
		}
		return
	}
	for i, step := 0, round(right/5); float64(i)*step <= right; i++ {
		v := float64(i) * step
		c.Marks = append(c.Marks, tick{strconv.FormatFloat(v, 'g', 6, 64) + " s", x(v)})
	}
}

// round rounds up to 1, 2 or 5 times a power of ten.
func round(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 2, 5} {
		if v <= step*unit*1.0001 {
			return step * unit
		}
	}
	return 10 * unit
}

// headings returns the lines above the charts, cut to the width.
func headings(results []*Result) []string {
	lines := []string{results[0].URL, results[0].Settings.String()}
	if len(results) > 1 {
		for i, r := range results {
			lines[i] = runNames[i] + ": " + r.URL + ", " + r.Settings.String()
		}
	}
	for i, s := range lines {
		if runes := []rune(s); len(runes) > headingWidth {
			lines[i] = string(runes[:headingWidth-1]) + "…"
		}
	}
	return lines
}

// headingWidth is how many characters of the heading fit at its size.
const headingWidth = 110

// nice rounds up to a number that divides well.
func nice(v float64) float64 {
	unit := math.Pow(10, math.Floor(math.Log10(v)))
	for _, step := range []float64{1, 1.2, 1.6, 2, 2.4, 3.2, 4, 6, 8, 10} {
		if v <= step*unit {
			return step * unit
		}
	}
	return 10 * unit
}
