package conformance

import (
	"context"
	"net"
	"os"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/wstest"
)

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// limit is the largest message that the assemblies are told to take.
const limit = 1 << 20

func TestServers(t *testing.T) {
	for _, a := range Servers(limit) {
		t.Run(a.Name, func(t *testing.T) {
			r := wstest.TestServer(t, "ws://"+serve(t, a)+"/ws", options(a))
			judge(t, r, a)
		})
	}
}

func TestClients(t *testing.T) {
	for _, a := range Clients(limit) {
		t.Run(a.Name, func(t *testing.T) {
			r := wstest.TestClient(t, func(base string) error {
				return wstest.DriveClient(t.Context(), base, 16, a.Dial)
			}, options(a))
			judge(t, r, a)
		})
	}
}

// The cases of messages up to 16 MiB, and those around a limit of that size.
func TestLargeMessages(t *testing.T) {
	if testing.Short() || race.Enabled {
		t.Skip("takes ten seconds, and a minute under the race detector")
	}
	const limit = 16 << 20
	large := func(a Assembly) *wstest.Options {
		o := options(a)
		o.MaxMessage, o.Filter = limit, `^(size|limit|deflate/(size|bomb))/`
		return o
	}
	strict := func(t *testing.T, r *wstest.Report, err error) {
		t.Helper()
		require.NoError(t, err)
		require.Zero(t, r.Failed(), "%v", failures(r))
		for _, res := range r.Agents[0].Results {
			require.NotEqual(t, wstest.Tolerated, res.Verdict, "%s: %s", res.ID, res.Detail)
		}
		require.Greater(t, r.Agents[0].Counts.Strict, 60)
	}
	for _, a := range Servers(limit) {
		t.Run("server/"+a.Name, func(t *testing.T) {
			r, err := wstest.RunServer(t.Context(), "ws://"+serve(t, a)+"/ws", large(a))
			strict(t, r, err)
		})
	}
	for _, a := range Clients(limit) {
		t.Run("client/"+a.Name, func(t *testing.T) {
			r, err := wstest.RunClient(t.Context(), func(base string) error {
				return wstest.DriveClient(t.Context(), base, 16, a.Dial)
			}, large(a))
			strict(t, r, err)
		})
	}
}

// failures lists the cases that failed, each with the reason.
func failures(r *wstest.Report) (list []string) {
	for _, res := range r.Agents[0].Results {
		if res.Verdict == wstest.Failed {
			list = append(list, res.ID+": "+res.Detail)
		}
	}
	return list
}

// serve runs a server on the loopback interface until the test has ended.
func serve(t *testing.T, a Assembly) (addr string) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	done := make(chan error, 1)
	go func() { done <- a.Serve(ctx, ln) }()
	t.Cleanup(func() {
		cancel()
		require.NoError(t, <-done)
	})
	return ln.Addr().String()
}

func options(a Assembly) *wstest.Options {
	o := &wstest.Options{Agent: a.Name, MaxMessage: limit, RequireCompression: a.Compresses}
	if race.Enabled { // a sample of what takes long there
		o.Filter = `^(length|fragment|interleave|ping|control|close)/|^window/9-`
	}
	return o
}

// judge fails the test for each case that is not strict and has no excuse. The
// cases that failed have failed subtests already.
func judge(t *testing.T, r *wstest.Report, a Assembly) {
	t.Helper()
	if testing.Verbose() {
		require.NoError(t, r.WriteText(os.Stdout))
	}
	for _, res := range r.Agents[0].Results {
		if _, ok := a.Excuse(res.ID); !ok && res.Verdict == wstest.Tolerated {
			t.Errorf("%s is tolerated: %s", res.ID, res.Detail)
		}
	}
	require.Greater(t, r.Agents[0].Counts.Strict, 300)
}
