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
	return "", exit.Usagef("--plot %q: the name has to end in .html or .svg", name)
}

func drawFile(name string, r *Result) error {
	kind, err := plotter(name)
	if err != nil {
		return err
	}
	var b bytes.Buffer
	if err := draw(&b, kind, r); err != nil {
		return err
	}
	return os.WriteFile(name, b.Bytes(), 0o666)
}

// draw draws up to three charts: messages/s and latency over time, and latency by percentile.
func draw(w io.Writer, kind string, r *Result) error {
	percentiles, err := r.Latency.byPercentile()
	if err != nil {
		return err
	}
	perSecond, latency := r.overTime()
	var charts []chart
	for _, c := range []chart{perSecond, latency, percentiles} {
		if c.Top = firstTop + len(charts)*chartHeight; c.layOut() {
			charts = append(charts, c)
		}
	}
	var table bytes.Buffer
	if err := r.table(&table); err != nil {
		return err
	}
	return plots.ExecuteTemplate(w, kind, map[string]any{
		"R": r, "Charts": charts, "Height": firstTop + len(charts)*chartHeight - 10, "Table": table.String(),
	})
}

// overTime draws the timeline.
func (r *Result) overTime() (perSecond, latency chart) {
	var rate, p50, p99 []dot
	for _, p := range r.Timeline {
		rate = append(rate, dot{p.At, p.PerSecond})
		if p.P50 > 0 {
			p50, p99 = append(p50, dot{p.At, p.P50}), append(p99, dot{p.At, p.P99})
		}
	}
	return chart{Title: "messages/s", format: number[float64], lines: [][]dot{rate}},
		chart{Title: "latency over time: p50 and p99", format: duration, log: true, lines: [][]dot{p50, p99}}
}

// byPercentile draws a distribution, as far as there are values.
func (l Latency) byPercentile() (chart, error) {
	c := chart{Title: "latency by percentile", log: true, format: duration, byPercentile: true}
	h, err := l.distribution()
	if err != nil {
		return c, err
	}
	var line []dot
	for nines := 0.0; nines <= 5.001 && h.TotalCount() > 0; nines += 0.02 {
		q := 1 - math.Pow(10, -nines)
		if float64(h.TotalCount())*(1-q) < 0.5 {
			break
		}
		line = append(line, dot{nines, micros(h.ValueAtQuantile(100 * q))})
	}
	c.lines = [][]dot{line}
	return c, nil
}

// dot is a point of a line, in units of the chart.
type dot struct{ x, y float64 }

// chart is lines in a box, with what the templates need of it.
type chart struct {
	Title string
	Top   int
	Paths []string
	Ticks []tick // left of the box
	Marks []tick // below it

	lines             [][]dot
	log, byPercentile bool
	format            func(float64) string
}

// tick is a label and where it stands.
type tick struct {
	Text string
	At   float64
}

// The box of a chart.
const (
	boxLeft, boxWidth = 90.0, 680.0
	boxHeight         = 150.0
)

// The charts stand below each other.
const (
	firstTop    = 40
	chartHeight = 220 // with title and labels
)

// layOut computes paths and labels, and reports whether there is anything to draw.
func (c *chart) layOut() bool {
	var right, low, high float64
	low = math.Inf(1)
	for _, line := range c.lines {
		for _, d := range line {
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
		var path strings.Builder
		for i, d := range line {
			fmt.Fprintf(&path, "%c%.1f %.1f", "ML"[min(i, 1)], x(d.x), float64(c.Top)+y(d.y))
		}
		c.Paths = append(c.Paths, path.String())
	}
	c.label(low, high, right, x, y)
	return true
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
	for i := range 5 {
		v := right * float64(i) / 4
		c.Marks = append(c.Marks, tick{fmt.Sprintf("%.3g s", math.Round(100*v)/100), x(v)})
	}
}

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
