package main

import (
	"context"
	"io"
	"os"
	"sync"
	"testing"

	"github.com/stretchr/testify/assert"
	"github.com/stretchr/testify/require"
)

// Each server of another language, and each proxy, starts, answers and ends.
// They run at the same time: each takes the seconds that a process has to die
// of the last case.
func TestServerAgents(t *testing.T) {
	t.Chdir("..") // the module's folder, where the program runs
	var all sync.WaitGroup
	defer all.Wait()
	for _, a := range serverAgents(server, 1<<20) {
		a.side = server
		version, err := a.version()
		if err != nil && os.Getenv("CI") == "" {
			t.Logf("skipped: %s is not installed: make interop-deps", a.name)
			continue
		}
		require.NoError(t, err)
		require.NotEmpty(t, version)
		all.Go(func() {
			r := &runner{agent: a, limit: 1 << 20, filter: "^(ping/payload/1|length/text/1)$", progress: io.Discard}
			got, err := r.run(context.Background())
			if assert.NoError(t, err, a.name) {
				assert.Equal(t, 2, got.Counts.Strict+got.Counts.Tolerated, "%s: %v", a.name, got.Results)
			}
		})
	}
	require.Empty(t, serverAgents(client, 1<<20), "they are servers only")
}
