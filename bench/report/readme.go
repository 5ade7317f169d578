package main

import (
	"fmt"
	"slices"
	"strings"
)

// part is the name of the table in a README.
const part = "bench"

// A line is a row in the README with its title. conn is our adapter to show, if
// not the fastest.
type line struct{ row, title, conn string }

// connection is the adapter of package websocket, which is comparable to the
// connections of others.
const connection = ours + "-websocket"

// selected are the lines of a README.
var selected = []line{
	{"HeaderParse/length=64/masked=true", "Parse a frame header", ""},
	{"HeaderAppend/length=64/masked=true", "Append a frame header", ""},
	{"Mask/size=125/offset=0", "Mask 125 B", ""},
	{"Mask/size=16384/offset=0", "Mask 16 KiB", ""},
	{"Valid/text=ascii/size=1024", "Validate 1 KiB of ASCII", ""},
	{"Valid/text=mixed/size=1024", "Validate 1 KiB of Latin and CJK", ""},
	{"UnmaskText/text=mixed/size=1024", "Unmask and validate 1 KiB of it", ""},
	{"HandshakeServer/over=bufio", "Server handshake", ""},
	{"HandshakeHTTP/deadline=0s", "Server handshake under net/http, no deadline", ""},
	{"HandshakeClient", "Client handshake", ""},
	{"MessageRead/side=server/type=text/arrival=alone/size=125", "Read a text of 125 B", ""},
	{"MessageRead/side=server/type=binary/arrival=alone/size=125", "Read 125 B", ""},
	{"MessageRead/side=server/type=binary/arrival=pipelined/size=125", "Read 125 B, pipelined", ""},
	{"MessageRead/side=server/type=binary/arrival=alone/size=16384", "Read 16 KiB", ""},
	{"MessageRead/side=server/type=binary/arrival=alone/size=1048576", "Read 1 MiB", ""},
	{"MessageWrite/side=server/type=binary/size=125", "Write 125 B", ""},
	{"MessageWrite/side=server/type=binary/size=16384", "Write 16 KiB", ""},
	{"MessageWrite/side=client/type=binary/size=125", "Write 125 B as a client", ""},
	{"MessageWrite/side=client/type=binary/size=16384", "Write 16 KiB as a client", ""},
	{"MessageRead/side=server/type=binary/arrival=alone/size=125", "Read 125 B, Conn", connection},
	{"MessageRead/side=server/type=binary/arrival=alone/size=16384", "Read 16 KiB, Conn", connection},
	{"MessageWrite/side=server/type=binary/size=125", "Write 125 B, Conn", connection},
	{"MessageWrite/side=server/type=binary/size=16384", "Write 16 KiB, Conn", connection},
	{"MessageWrite/side=client/type=binary/size=16384", "Write 16 KiB as a client, Conn", connection},
	{"FlateCompress/content=json/size=512/takeover=false", "Compress 512 B of JSON", ""},
	{"FlateCompress/content=json/size=512/takeover=true", "Compress it, with takeover", ""},
	{"FlateCompress/content=json/size=4096/takeover=false", "Compress 4 KiB of JSON", ""},
	{"FlateDecompress/content=json/size=512/takeover=true", "Inflate 512 B of JSON, with takeover", ""},
	{"FlateDecompress/content=json/size=4096/takeover=false", "Inflate 4 KiB of JSON", ""},
}

// markdown returns the table of the selected rows, with the best adapter of
// each project.
func markdown(rep *report) string {
	var projects []string
	for _, lib := range rep.Libraries {
		if p := project(lib); p != limit && !slices.Contains(projects, p) {
			projects = append(projects, p)
		}
	}
	var b strings.Builder
	fmt.Fprintf(&b, "| work | %s | ratio |\n", strings.Join(projects, " | "))
	fmt.Fprintf(&b, "|---|%s---:|\n", strings.Repeat("---:|", len(projects)))
	for _, s := range selected {
		i := slices.IndexFunc(rep.Rows, func(r row) bool { return r.Name == s.row })
		if i < 0 {
			continue
		}
		r := rep.Rows[i]
		fmt.Fprintf(&b, "| %s |", s.title)
		var mine, theirs float64
		for _, p := range projects {
			ns := r.best(p)
			switch {
			case p != ours:
				theirs = better(theirs, ns)
			case s.conn != "":
				ns = r.By[s.conn].time()
				fallthrough
			default:
				mine = ns
			}
			fmt.Fprintf(&b, " %s |", dash(ns > 0, duration(ns)))
		}
		q := quotient(mine, theirs)
		fmt.Fprintf(&b, " %s |\n", dash(q > 0, ratio(q)))
	}
	fmt.Fprintf(&b, "\nMedian time of an operation by the best way through each library (Conn: by package websocket), and the ratio of %s to the best of the others, "+
		"in memory without system calls; %s, %s, %s/%s, %s. To repeat it: `cd bench && %s`\n",
		ours, rep.Date, rep.CPU, rep.GOOS, rep.GOARCH, rep.Go, rep.Command)
	return b.String()
}

// dash returns text, or a dash if it is not known.
func dash(known bool, text string) string {
	if !known {
		return "–"
	}
	return text
}

// best returns the time of the best adapter of a project, or 0 if there is
// none.
func (r *row) best(name string) (ns float64) {
	for lib, c := range r.By {
		if project(lib) == name {
			ns = better(ns, c.Nanoseconds)
		}
	}
	return ns
}
