package main

import (
	"context"
	"os"
	"os/exec"
	"regexp"
	"strconv"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

const conns = 300

// The test is also the process of the clients.
func TestMain(m *testing.M) {
	if addr := os.Getenv(clientsOf); addr != "" {
		if err := clients(context.Background(), addr, conns, os.Stdin); err != nil {
			os.Exit(1)
		}
		return
	}
	os.Exit(m.Run())
}

func TestIdle(t *testing.T) {
	var out strings.Builder
	require.NoError(t, run(t.Context(), &out, conns, again))
	t.Log(out.String())
	require.Contains(t, out.String(), "connections  300\n")
	for _, name := range []string{"heap", "stacks"} {
		m := regexp.MustCompile(name + ` +(-?\d+) bytes each`).FindStringSubmatch(out.String())
		require.NotNil(t, m)
		n, err := strconv.Atoi(m[1])
		require.NoError(t, err)
		if !race.Enabled {
			require.Less(t, n, 16<<10, "%s of a connection that waits", name)
		}
	}
}

func TestClientsThatCannotConnect(t *testing.T) {
	var out strings.Builder
	err := run(t.Context(), &out, conns, func(string, int) *exec.Cmd { return again("127.0.0.1:1", conns) })
	require.ErrorContains(t, err, "clients: exit status 1")
}
