//go:build unix

package echoserver

import (
	"fmt"
	"io"
	"runtime"
	"runtime/debug"
	"runtime/metrics"
	"time"

	"github.com/wskit/wskit/internal/child"
)

// Child is the first argument of a process that must call [Serve] with the
// others.
const Child = "serve"

// Serve runs the server's process. The arguments are the library, the pattern
// and the options, as passed by [Start]. It prints its address, and then
// answers each line of input with the Usage of the process. It returns at the
// end of the input.
func Serve(args []string, in io.Reader, out io.Writer) error {
	if len(args) != 3 {
		return fmt.Errorf("want 3 arguments, got %d", len(args))
	}
	l, err := find(args[0])
	if err != nil {
		return err
	}
	o, err := parseOptions(args[2])
	if err != nil {
		return err
	}
	inUse.Store(&o)
	ln, err := o.listen()
	if err != nil {
		return err
	}
	go l.serve(ln, Pattern(args[1]))
	return child.Serve(ln.Addr(), in, out, func(command string) []any {
		u := usage(command == "memory")
		return []any{u.Heap, u.Stack, u.CPU, u.GC, u.Cycles, u.Pause}
	})
}

// Usage is the memory of a process in bytes and its CPU time in nanoseconds. GC
// is the CPU time of the garbage collector, Cycles the number of its cycles,
// and Pause the longest pause of the last 256 cycles.
type Usage struct{ Heap, Stack, CPU, GC, Cycles, Pause int64 }

func usage(memory bool) (u Usage) {
	if memory {
		for range 3 { // the second one empties the pools, and the third one frees the rest
			runtime.GC()
		}
		debug.FreeOSMemory()
		var m runtime.MemStats
		runtime.ReadMemStats(&m)
		u.Heap, u.Stack = int64(m.HeapAlloc), int64(m.StackInuse)
	}
	u.CPU = CPU().Nanoseconds()
	gc := []metrics.Sample{{Name: "/cpu/classes/gc/total:cpu-seconds"}, {Name: "/gc/cycles/total:gc-cycles"}}
	metrics.Read(gc)
	u.GC, u.Cycles = int64(gc[0].Value.Float64()*1e9), int64(gc[1].Value.Uint64())
	var stats debug.GCStats
	debug.ReadGCStats(&stats)
	for _, p := range stats.Pause[:min(len(stats.Pause), 256)] {
		u.Pause = max(u.Pause, int64(p))
	}
	return u
}

// CPU returns the CPU time that this process has used.
func CPU() time.Duration { return child.CPU() }

// Process is a server's process.
type Process struct{ *child.Process }

// Start starts this program again, as the server of a library, with env added
// to its environment. If cpu is not negative and taskset is installed, it runs
// only on that CPU.
func Start(library string, pattern Pattern, o Options, cpu int, env ...string) (*Process, error) {
	env = append([]string{"GNET_LOGGING_LEVEL=5"}, env...) // it would log to the output of the process
	p, err := child.Start(cpu, []string{Child, library, string(pattern), o.arg()}, env...)
	if err != nil {
		return nil, fmt.Errorf("server of %s: %w", library, err)
	}
	return &Process{p}, nil
}

// Memory returns the Usage of the server after a garbage collection.
func (p *Process) Memory() (Usage, error) { return p.ask("memory") }

// CPU returns only the CPU time, without a garbage collection.
func (p *Process) CPU() (Usage, error) { return p.ask("cpu") }

func (p *Process) ask(what string) (u Usage, err error) {
	return u, p.Ask(what, &u.Heap, &u.Stack, &u.CPU, &u.GC, &u.Cycles, &u.Pause)
}
