package check

import (
	"bytes"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/websocket/wstest"
)

// reporter returns the function that writes a report in the format of the file
// name's extension.
func (o *options) reporter(name string) (func(*wstest.Report, io.Writer) error, error) {
	switch strings.ToLower(filepath.Ext(name)) {
	case ".sarif":
		return func(r *wstest.Report, w io.Writer) error { return r.WriteSARIF(w, o.sarifFile) }, nil
	case ".xml":
		return (*wstest.Report).WriteJUnit, nil
	case ".svg":
		return (*wstest.Report).WriteBadge, nil
	case ".json":
		return (*wstest.Report).WriteJSON, nil
	case ".txt":
		return (*wstest.Report).WriteText, nil
	case ".html", ".htm":
		return (*wstest.Report).WriteHTML, nil
	}
	return nil, exit.Usagef("--report %q: the name must end in .json, .html, .txt, .sarif, .xml (JUnit) or .svg (a badge)", name)
}

// publish prints the report and writes the files.
func (o *options) publish(w io.Writer, r *wstest.Report) error {
	for _, name := range o.reports {
		write, err := o.reporter(name)
		if err != nil {
			return err
		}
		var b bytes.Buffer
		if err := write(r, &b); err != nil {
			return err
		}
		if err := os.WriteFile(name, b.Bytes(), 0o666); err != nil {
			return err
		}
	}
	if o.json {
		return r.WriteJSON(w)
	}
	if err := printText(w, r); err != nil {
		return err
	}
	if o.wire {
		return printWire(w, r)
	}
	return nil
}

// printText prints the table and the cases that are not strict, in color if w
// supports that.
func printText(w io.Writer, r *wstest.Report) error {
	var b strings.Builder
	if err := r.WriteText(&b); err != nil {
		return err
	}
	p := ui.For(w)
	for text := range strings.SplitSeq(strings.TrimRight(b.String(), "\n"), "\n") {
		switch {
		case strings.HasPrefix(text, wstest.Failed.String()):
			text = p.Red(text)
		case strings.HasPrefix(text, wstest.Tolerated.String()):
			text = p.Yellow(text)
		}
		if _, err := fmt.Fprintln(w, text); err != nil {
			return err
		}
	}
	return nil
}

// printWire prints the frames of the cases that are not strict.
func printWire(w io.Writer, r *wstest.Report) error {
	p := ui.For(w)
	for _, a := range r.Agents {
		for _, c := range a.Results {
			if c.Verdict != wstest.Failed && c.Verdict != wstest.Tolerated {
				continue
			}
			fmt.Fprintf(w, "%s  %s\n  %s: %s\n", p.Bold(c.ID), c.Verdict, c.Section, c.Requirement)
			for _, e := range c.Wire {
				if _, err := fmt.Fprintf(w, "  %10s  %-5s  %s %s\n", e.At.Round(time.Microsecond), e.From, e.Text, p.Faint(e.Data)); err != nil {
					return err
				}
			}
			fmt.Fprintln(w)
		}
	}
	return nil
}
