package main

import (
	"bytes"
	"context"
	"encoding/json"
	"net/http"
	"net/url"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/conformance"
	"github.com/wskit/wskit/websocket"
)

// The test binary is also the fake of wstest that the tests put on the PATH.
func TestMain(m *testing.M) {
	if os.Getenv("FAKE_WSTEST") != "" {
		if err := fake(os.Args[2], os.Args[4]); err != nil {
			os.Stderr.WriteString("fake wstest: " + err.Error() + "\n")
			os.Exit(1)
		}
		os.Exit(0)
	}
	os.Exit(m.Run())
}

type result struct {
	Behavior      string `json:"behavior"`
	BehaviorClose string `json:"behaviorClose"`
}

// spec is what wstest reads.
type spec struct {
	Outdir  string
	URL     string
	Cases   []string
	Servers []struct{ Agent, URL string }
}

// fake has a conversation with each agent and writes the results of good
// agents, except where the environment has others.
func fake(mode, file string) error {
	text, err := os.ReadFile(file)
	if err != nil {
		return err
	}
	var s spec
	if err := json.Unmarshal(text, &s); err != nil {
		return err
	}
	index := map[string]map[string]result{}
	var mu sync.Mutex
	report := func(agent string, echoed bool) {
		mu.Lock()
		defer mu.Unlock()
		index[agent] = map[string]result{"1.1.1": {"FAILED", "OK"}, "7.1.6": {"INFORMATIONAL", "INFORMATIONAL"}}
		if echoed {
			index[agent]["1.1.1"] = result{"OK", "OK"}
		}
		json.Unmarshal([]byte(os.Getenv("FAKE_RESULTS")), &index)
		text, _ := json.Marshal(index)
		os.WriteFile(filepath.Join(s.Outdir, "index.json"), text, 0o644)
	}
	if mode == "fuzzingclient" {
		for _, server := range s.Servers {
			c, _, err := websocket.Dial(context.Background(), server.URL, nil)
			if err != nil {
				return err
			}
			report(server.Agent, converse(c))
		}
		return nil
	}
	u, err := url.Parse(s.URL)
	if err != nil {
		return err
	}
	echoed := map[string]bool{}
	return http.ListenAndServe(u.Host, http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		c, err := websocket.Accept(w, r, nil)
		if err != nil {
			return
		}
		agent := r.FormValue("agent")
		switch r.URL.Path {
		case "/getCaseCount":
			c.Write(r.Context(), websocket.MessageText, []byte("2"))
		case "/runCase":
			ok := converse(c)
			mu.Lock()
			echoed[agent] = ok
			mu.Unlock()
		case "/updateReports":
			mu.Lock()
			ok := echoed[agent]
			mu.Unlock()
			report(agent, ok)
		}
		c.Close(websocket.StatusNormalClosure, "")
	}))
}

func converse(c *websocket.Conn) bool {
	ctx := context.Background()
	c.Write(ctx, websocket.MessageText, []byte("hello"))
	_, p, err := c.Read(ctx)
	return err == nil && string(p) == "hello" && c.Close(websocket.StatusNormalClosure, "") == nil
}

// install puts the fake on the PATH.
func install(t *testing.T, results string) {
	t.Helper()
	self, err := os.Executable()
	require.NoError(t, err)
	dir := t.TempDir()
	require.NoError(t, os.Symlink(self, filepath.Join(dir, "wstest")))
	t.Setenv("PATH", dir+string(os.PathListSeparator)+os.Getenv("PATH"))
	t.Setenv("FAKE_WSTEST", "1")
	t.Setenv("FAKE_RESULTS", results)
}

func TestRun(t *testing.T) {
	for name, tt := range map[string]struct {
		results string
		want    []string // in the error
	}{
		"good": {"{}", nil},
		"failed case": {
			`{"websocket": {"9.3.1": {"behavior": "FAILED", "behaviorClose": "OK"}}}`,
			[]string{"server websocket: case 9.3.1: FAILED, close: OK", "client websocket: case 9.3.1: FAILED, close: OK"},
		},
		"wrong close": {
			`{"wsutil.Protocol": {"7.3.1": {"behavior": "OK", "behaviorClose": "UNCLEAN"}}}`,
			[]string{"server wsutil.Protocol: case 7.3.1: OK, close: UNCLEAN"},
		},
	} {
		t.Run(name, func(t *testing.T) {
			install(t, tt.results)
			var out bytes.Buffer
			err := run(t.Context(), &out, "1.*,7.*", t.TempDir())
			for _, want := range tt.want {
				require.ErrorContains(t, err, want)
			}
			if tt.want == nil {
				require.NoError(t, err)
				lines := len(conformance.Servers(0)) + len(conformance.Clients(0))
				require.Equal(t, lines, strings.Count(out.String(), "map[INFORMATIONAL:1 OK:1]"), out.String())
			}
		})
	}
}

func TestSkipsWithoutWstest(t *testing.T) {
	t.Setenv("PATH", t.TempDir())
	var out bytes.Buffer
	require.NoError(t, run(t.Context(), &out, "*", t.TempDir()))
	require.Contains(t, out.String(), "skipped: the command wstest")
}

func TestExpected(t *testing.T) {
	byName := map[string]conformance.Assembly{}
	for _, a := range conformance.Servers(0) {
		byName[a.Name] = a
	}
	for _, tt := range []struct {
		agent, id, result string
		want              bool
	}{
		{"websocket", "1.1.1", "OK", true},
		{"websocket", "1.1.1", "FAILED", false},
		{"websocket", "1.1.1", "WRONG CODE", false},
		{"websocket", "7.13.1", "INFORMATIONAL", true},
		{"websocket", "7.13.3", "INFORMATIONAL", false},
		{"websocket", "12.1.1", "UNIMPLEMENTED", true},
		{"websocket, takeover", "12.1.1", "UNIMPLEMENTED", false},
		{"ws over TCP", "6.4.1", "NON-STRICT", true},
		{"ws over TCP", "6.3.1", "NON-STRICT", false},
		{"websocket", "6.4.1", "NON-STRICT", false},
	} {
		require.Equal(t, tt.want, expected(byName[tt.agent], tt.id, tt.result), "%+v", tt)
	}
}
