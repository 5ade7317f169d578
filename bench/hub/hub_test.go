//go:build linux

package main

import (
	"encoding/json"
	"os"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
)

func TestMain(m *testing.M) {
	if len(os.Args) == 4 && os.Args[1] == childArg {
		main()
		return
	}
	os.Exit(m.Run())
}

// Every library delivers every message, also where one receiver in ten is
// stalled.
func TestLibraries(t *testing.T) {
	o := options{receivers: 20, deliveries: 2000}
	for _, l := range libraries {
		if race.Enabled && !strings.HasPrefix(l.name, "wskit") {
			continue
		}
		for _, compress := range []bool{false, true} {
			r, err := o.throughput(l, 4, compress)
			require.NoError(t, err, l.name)
			require.Positive(t, r.server)
		}
		late, err := o.latency(l, 200, true)
		require.NoError(t, err, l.name)
		require.Positive(t, late.p99)
		require.Zero(t, late.lost)
		_, err = o.memory(l)
		require.NoError(t, err, l.name)
	}
}

func TestPayload(t *testing.T) {
	p := payload(time.Now())
	require.Len(t, p, 64)
	require.True(t, json.Valid(p))
	c := &clients{}
	c.look(p)
	require.Len(t, c.late, 1)
}

func TestCount(t *testing.T) {
	frames := []byte("\x81\x02ab\x8a\x00\x81\x00\x82\x7e\x00\x80" + strings.Repeat("x", 128) + "\x81\x01c")
	for size := 1; size < len(frames); size++ {
		var r receiver
		n := int64(0)
		for at := 0; at < len(frames); at += size {
			n += r.count(frames[at:min(at+size, len(frames))])
		}
		require.EqualValues(t, 4, n, "in pieces of %d", size)
	}
}
