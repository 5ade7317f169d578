package bench

import (
	"fmt"
	"io"
	"maps"
	"slices"
	"strconv"
	"strings"
	"text/tabwriter"

	"github.com/wskit/wskit/cmd/internal/ui"
)

// table prints a result for people.
func (r *Result) table(w io.Writer) error {
	p := ui.For(w)
	t := tabwriter.NewWriter(w, 0, 0, 2, ' ', 0)
	row := func(name, format string, args ...any) {
		fmt.Fprintf(t, "%s\t%s\n", name, fmt.Sprintf(format, args...))
	}
	h, m, b, l := r.Handshakes, r.Messages, r.Bytes, r.Latency
	row("server", "%s", r.URL)
	row("load", "%s", r.Settings)
	row("handshakes", "%s in all, %s failed: %s/s, p50 %s, p99 %s, max %s", number(h.Opened), number(h.Failed), number(h.PerSecond),
		duration(h.Latency.P50), duration(h.Latency.P99), duration(h.Latency.Max))
	row("messages", "%s in %.2f s: %s/s", r.counted(), r.Seconds, number(m.PerSecond))
	if r.Settings.Script != "" {
		row("scripts", "%s completed: %s/s", number(r.Scripts), number(float64(r.Scripts)/r.Seconds))
	}
	switch {
	case m.Lost+m.Wrong+m.Unsolicited == 0:
	case r.Settings.Mode == sendOnly:
		row("", "%s lost; %s came from the server", number(m.Lost), number(m.Unsolicited))
	default:
		row("", "%s lost, %s with wrong content, %s unexpected", number(m.Lost), number(m.Wrong), number(m.Unsolicited))
	}
	if m.Unsent > 0 {
		row("", "%s were due but not sent, because answers are late: the server does not keep up", number(m.Unsent))
	}
	row("bytes", "%s/s sent, %s/s received", size(b.SentPerSecond), size(b.ReceivedPerSecond))
	if l.Count > 0 {
		row("latency", "min %s, mean %s, deviation %s", duration(l.Min), duration(l.Mean), duration(l.Deviation))
		row("", "p50 %s, p75 %s, p90 %s, p99 %s, p99.9 %s, p99.99 %s, max %s", duration(l.P50), duration(l.P75), duration(l.P90),
			duration(l.P99), duration(l.P999), duration(l.P9999), duration(l.Max))
	}
	switch {
	case r.Settings.Mode == sendOnly:
		row("", "of %s pings sent after messages: their pongs show that the server has received those", number(l.Count))
	case r.Settings.Rate > 0:
		row("", "measured from the scheduled time, which includes waiting for the server; own timer lag: p99 %s", duration(r.Generator.LagP99))
	}
	row("generator", "used %.2f of %d cores%s", r.Generator.CPU, r.Generator.Cores, r.Generator.rest())
	if err := t.Flush(); err != nil {
		return err
	}
	for _, limit := range r.Generator.Limits {
		fmt.Fprintf(w, "warning     %s\n", p.Yellow(limit))
	}
	for _, c := range r.Crossed {
		fmt.Fprintf(w, "failed      %s\n", p.Red(c.String()))
	}
	return r.printErrors(w, p)
}

// counted describes what Messages.PerSecond counts.
func (r *Result) counted() string {
	sent, received := number(r.Messages.Sent), number(r.Messages.Received)
	switch r.Settings.Mode {
	case sendOnly:
		return sent + " sent, " + received + " received by the server"
	case receiveOnly:
		return received + " received"
	}
	return sent + " sent, " + received + " answered"
}

func (r *Result) printErrors(w io.Writer, p ui.Palette) error {
	if len(r.Errors) == 0 {
		_, err := fmt.Fprintf(w, "errors      %s\n", p.Green("none"))
		return err
	}
	label := "errors"
	for _, kind := range slices.Sorted(maps.Keys(r.Errors)) {
		if _, err := fmt.Fprintf(w, "%-10s  %s\n", label, p.Red(number(r.Errors[kind])+" × "+kind)); err != nil {
			return err
		}
		label = ""
	}
	return nil
}

// rest returns how busy the machine was, if that is known.
func (g Generator) rest() string {
	if g.Machine == 0 {
		return ""
	}
	return fmt.Sprintf("; the machine was %.0f %% busy", 100*g.Machine)
}

// String describes the load briefly.
func (s Settings) String() string {
	words := []string{number(int64(s.Connections)) + " connections"}
	if s.Script != "" {
		return words[0] + ", script " + s.Script
	}
	if s.Mode == receiveOnly {
		return words[0] + " that only receive"
	}
	if s.Mode == sendOnly {
		words[0] += " that only send"
	}
	kind := "text"
	if s.Binary {
		kind = "binary"
	}
	words = append(words, kind+" of "+s.Size+" bytes")
	if s.Compression {
		words = append(words, "compressed")
	}
	if s.Pipeline > 1 {
		words = append(words, strconv.Itoa(s.Pipeline)+" in flight each")
	}
	if s.Rate > 0 {
		words = append(words, number(s.Rate)+" messages/s")
	} else {
		words = append(words, "as fast as possible")
	}
	return strings.Join(words, ", ")
}

// number formats n in groups of three digits.
func number[N int64 | float64](n N) string {
	s := strconv.FormatFloat(float64(n), 'f', 0, 64)
	for i := len(s) - 3; i > 0 && s[i-1] != '-'; i -= 3 {
		s = s[:i] + "," + s[i:]
	}
	return s
}

// duration formats microseconds with three significant digits.
func duration(us float64) string {
	switch {
	case us == 0:
		return "0"
	case us < 1000:
		return digits3(us) + " µs"
	case us < 1e6:
		return digits3(us/1e3) + " ms"
	}
	return digits3(us/1e6) + " s"
}

// size formats a number of bytes.
func size(n float64) string {
	units := []string{"B", "KiB", "MiB", "GiB", "TiB"}
	i := 0
	for ; n >= 1024 && i < len(units)-1; i++ {
		n /= 1024
	}
	return digits3(n) + " " + units[i]
}

// digits3 formats a number below 1024 with three digits.
func digits3(x float64) string {
	switch {
	case x < 9.995:
		return strconv.FormatFloat(x, 'f', 2, 64)
	case x < 99.95:
		return strconv.FormatFloat(x, 'f', 1, 64)
	}
	return strconv.FormatFloat(x, 'f', 0, 64)
}
