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
		"R": r, "Heading": r.heading(), "Charts": charts, "Height": firstTop + len(charts)*chartHeight - 10, "Table": table.String(),
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
	return chart{Title: "messages/s", format: number[float64], lines: []line{{dots: rate}}},
		chart{Title: "latency over time", format: duration, log: true, lines: []line{{"p50", p50}, {"p99", p99}}}
}

// byPercentile draws a distribution, as far as there are values.
func (l Latency) byPercentile() (chart, error) {
	c := chart{Title: "latency by percentile", log: true, format: duration, byPercentile: true}
	h, err := l.distribution()
	if err != nil {
		return c, err
	}
	var dots []dot
	for nines := 0.0; nines <= 5.001 && h.TotalCount() > 0; nines += 0.02 {
		q := 1 - math.Pow(10, -nines)
		if float64(h.TotalCount())*(1-q) < 0.5 {
			break
		}
		dots = append(dots, dot{nines, micros(h.ValueAtQuantile(100 * q))})
	}
	c.lines = []line{{dots: dots}}
	return c, nil
}

// dot is a point of a line, in units of the chart.
type dot struct{ x, y float64 }

// line is dots, with a name if the chart has several lines.
type line struct {
	name string
	dots []dot
}

// chart is lines in a box, with what the templates need of it.
type chart struct {
	Title string
	Top   int
	Paths []string
	Names []tick // of the lines, above the box
	Ticks []tick // left of the box
	Marks []tick // below it

	lines             []line
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
	firstTop    = 60
	chartHeight = 220 // with title and labels
)

// layOut computes paths and labels, and reports whether there is anything to draw.
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
	for n, line := range c.lines {
		if line.name != "" {
			c.Names = append(c.Names, tick{line.name, boxLeft + boxWidth - 50*float64(len(c.lines)-1-n)})
		}
		var path strings.Builder
		for i, d := range line.dots {
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

// heading returns the lines above the charts, cut where they would not fit.
func (r *Result) heading() []string {
	lines := []string{r.URL, r.Settings.String()}
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
