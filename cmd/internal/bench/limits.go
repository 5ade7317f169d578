package bench

import (
	"fmt"
	"os"
	"runtime"
	"strconv"
	"strings"
	"time"
)

// Above these limits the results say more about this side than about the
// server.
const (
	busyGenerator = 0.9  // share of the cores that the generator may use
	busyMachine   = 0.95 // share of all processors
)

// meter measures the load generator and the machine during a load.
type meter struct {
	began   time.Time
	cpu     time.Duration
	machine ticks
}

func newMeter() *meter { return &meter{time.Now(), cpuTime(), readTicks()} }

// fill stores the measurements in g.
func (m *meter) fill(g *Generator) {
	g.CPU = (cpuTime() - m.cpu).Seconds() / max(time.Since(m.began).Seconds(), 1e-9)
	g.Cores = runtime.GOMAXPROCS(0)
	g.Machine = m.machine.busy(readTicks())
	g.Limits = g.limits()
}

// limits returns the limits of this side that the load has reached.
func (g *Generator) limits() (list []string) {
	if g.Cores > 0 && g.CPU > busyGenerator*float64(g.Cores) {
		list = append(list, fmt.Sprintf("the load generator is at its limit: it used %.2f of %d cores", g.CPU, g.Cores))
	}
	if g.Machine > busyMachine {
		list = append(list, fmt.Sprintf("this machine is at its limit: its processors were %.0f %% busy", 100*g.Machine))
	}
	if slack := micros(int64(timerSlack)); g.LagP99 > slack {
		list = append(list, fmt.Sprintf("the timers of the load generator are late, which increases the latencies: p99 %s", duration(g.LagP99)))
	}
	return list
}

// ticks is the working time of all processors of the machine, in units of the
// system.
type ticks struct{ working, total uint64 }

// fewestTicks is the minimum number of ticks for a measurement. A tick is a
// hundredth of a second.
const fewestTicks = 50

// busy returns the share of the time between two readings in which processors
// worked, or 0 if it is unknown.
func (t ticks) busy(later ticks) float64 {
	if later.total < t.total+fewestTicks || later.working < t.working {
		return 0
	}
	return float64(later.working-t.working) / float64(later.total-t.total)
}

// readTicks reads /proc/stat, on systems that have it.
func readTicks() ticks {
	p, err := os.ReadFile("/proc/stat")
	if err != nil {
		return ticks{}
	}
	return parseTicks(string(p))
}

// parseTicks parses the first line of /proc/stat: user, nice, system, idle,
// iowait, irq, softirq and steal. The later fields are already included in
// these.
func parseTicks(s string) (t ticks) {
	line, _, _ := strings.Cut(s, "\n")
	fields := strings.Fields(line)
	if len(fields) < 5 || fields[0] != "cpu" {
		return ticks{}
	}
	for i, f := range fields[1:min(len(fields), 9)] {
		n, err := strconv.ParseUint(f, 10, 64)
		if err != nil {
			return ticks{}
		}
		t.total += n
		if i != 3 && i != 4 { // idle and iowait
			t.working += n
		}
	}
	return t
}
