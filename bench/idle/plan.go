//go:build unix

package main

import (
	"bufio"
	"fmt"
	"os"
	"runtime"
	"strings"
	"time"

	"github.com/wskit/wskit/bench/echoserver"
	"github.com/wskit/wskit/bench/marked"
)

// part is the name of the table in a page.
const part = "memory"

// servers are the lines of the table.
var servers = []struct {
	library string
	pattern echoserver.Pattern
	title   string
}{
	{"wskit-websocket", echoserver.Handler, "`websocket`, the handler reads"},
	{"wskit-websocket", echoserver.Handed, "`websocket`, a goroutine reads and the handler returns"},
	{"wskit-loop", echoserver.Raw, "`wsloop`"},
}

// plan measures our servers and writes the table of their memory into a page.
func plan(page string, conns int, now time.Time) error {
	if err := marked.Check(page, part); err != nil { // check before measuring
		return err
	}
	var b strings.Builder
	b.WriteString("| server | bytes each | 1,000 | 100,000 | 1,000,000 |\n|---|---:|---:|---:|---:|\n")
	var kernel int64
	for _, s := range servers {
		before := slab()
		u, err := measureWith(s.library, s.pattern, conns, "0", func() { kernel = max(kernel, (slab()-before)/int64(2*conns)) })
		if err != nil {
			return fmt.Errorf("%s: %w", s.title, err)
		}
		writeRow(&b, s.title, u.Heap+u.Stack)
	}
	if kernel > 0 {
		writeRow(&b, "the kernel, for each of them", kernel)
	}
	fmt.Fprintf(&b, "\nHeap and stacks after a garbage collection, of %d connections that have each echoed one message and wait; "+
		"the columns multiply. %s, %s/%s, %s. To repeat it: `cd bench && go run ./idle -plan ../docs/guide/limits.md`\n",
		conns, now.Format(time.DateOnly), runtime.GOOS, runtime.GOARCH, runtime.Version())
	return marked.Update(page, part, b.String())
}

func writeRow(b *strings.Builder, title string, each int64) {
	fmt.Fprintf(b, "| %s | %d | %s | %s | %s |\n", title, each, size(1_000*each), size(100_000*each), size(1_000_000*each))
}

// size formats a number of bytes with a suitable unit.
func size(n int64) string {
	switch {
	case n < 1e6:
		return fmt.Sprintf("%.3g kB", float64(n)/1e3)
	case n < 1e9:
		return fmt.Sprintf("%.3g MB", float64(n)/1e6)
	default:
		return fmt.Sprintf("%.3g GB", float64(n)/1e9)
	}
}

// slab returns the size of kernel objects such as sockets in bytes, which
// includes both ends of our connections. It returns 0 on systems that do not
// report it.
func slab() int64 {
	f, err := os.Open("/proc/meminfo")
	if err != nil {
		return 0
	}
	defer f.Close()
	for lines := bufio.NewScanner(f); lines.Scan(); {
		var kib int64
		if n, _ := fmt.Sscanf(lines.Text(), "Slab: %d kB", &kib); n == 1 {
			return kib << 10
		}
	}
	return 0
}
