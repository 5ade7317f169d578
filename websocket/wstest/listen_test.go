package wstest

import (
	"net"
	"testing"

	"github.com/stretchr/testify/require"
)

// A client that comes by itself ends the run with its report.
func TestClientComesToListener(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ended := make(chan error, 1)
	go func() { ended <- twinClient("", twinLimit, nil)("ws://" + ln.Addr().String()) }()
	r, err := RunClient(t.Context(), nil, &Options{Filter: `^length/text/\d$`, Listener: ln})
	require.NoError(t, err)
	require.NoError(t, <-ended)
	require.Equal(t, Counts{Strict: 3}, r.Agents[0].Counts)
	_, err = ln.Accept()
	require.ErrorIs(t, err, net.ErrClosed)
}

func TestListenerThatFails(t *testing.T) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	require.NoError(t, ln.Close())
	_, err = RunClient(t.Context(), nil, &Options{Listener: ln})
	require.ErrorIs(t, err, net.ErrClosed)
	_, err = RunClient(t.Context(), nil, &Options{Listener: ln, Filter: "("})
	require.ErrorContains(t, err, "filter")
}

// Each result is told once: of cases that ran, that were skipped, and that a
// client never opened.
func TestOnResult(t *testing.T) {
	const filter = `^(length/text/(1|2|128)|limit/over)$`
	for name, run := range map[string]func(*Options) (*Report, error){
		"server": func(o *Options) (*Report, error) { return RunServer(t.Context(), twinServer(t, "", twinLimit), o) },
		"client": func(o *Options) (*Report, error) { return RunClient(t.Context(), twinClient("", twinLimit, nil), o) },
		"idle client": func(o *Options) (*Report, error) {
			return RunClient(t.Context(), func(string) error { return nil }, o)
		},
	} {
		t.Run(name, func(t *testing.T) {
			told := map[string]Verdict{}
			o := &Options{Filter: filter, OnResult: func(r Result) { // the race detector sees calls at once
				require.NotContains(t, told, r.ID)
				told[r.ID] = r.Verdict
			}}
			r, err := run(o)
			require.NoError(t, err)
			want := map[string]Verdict{}
			for _, res := range r.Agents[0].Results {
				want[res.ID] = res.Verdict
			}
			require.Len(t, want, 4)
			require.Equal(t, want, told)
			require.Equal(t, Skipped, told["limit/over"])
		})
	}
}
