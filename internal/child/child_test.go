package child

import (
	"fmt"
	"net"
	"os"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
)

// The test binary also runs as the process.
func TestMain(m *testing.M) {
	switch {
	case len(os.Args) == 2 && os.Args[1] == "mute":
		return
	case len(os.Args) != 3 || os.Args[1] != "serve":
		os.Exit(m.Run())
	}
	name := os.Args[2] + os.Getenv("CHILD_TEST")
	err := Serve(&net.TCPAddr{Port: 80}, os.Stdin, os.Stdout, func(command string) []any { return []any{name, command, len(command)} })
	if err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

// allowed returns a CPU that this process may use, or -1 if it is unknown.
func allowed() int {
	status, _ := os.ReadFile("/proc/self/status") // exists on Linux
	_, list, _ := strings.Cut(string(status), "\nCpus_allowed_list:")
	cpu := -1
	fmt.Sscan(list, &cpu)
	return cpu
}

func TestProcess(t *testing.T) {
	for _, cpu := range []int{-1, allowed()} {
		p, err := Start(cpu, []string{"serve", "one"}, "CHILD_TEST=two")
		require.NoError(t, err)
		require.Equal(t, ":80", p.Addr)
		for _, command := range []string{"usage", "x"} {
			var name, back string
			var n int
			require.NoError(t, p.Ask(command, &name, &back, &n))
			require.Equal(t, []any{"onetwo", command, len(command)}, []any{name, back, n})
		}
		require.Positive(t, p.PID())
		p.Stop()
		require.Error(t, p.Ask("x"))
	}
}

// A process that ends before it has an address is reported.
func TestProcessWithoutAddress(t *testing.T) {
	_, err := Start(-1, []string{"mute"})
	require.ErrorContains(t, err, "has not printed an address")
}
