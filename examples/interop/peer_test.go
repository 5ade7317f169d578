package interop

import (
	"bufio"
	"bytes"
	"context"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"
)

// patience bounds what waits for a peer, so that nothing hangs.
const patience = 3 * time.Minute

func TestMain(m *testing.M) { goleak.VerifyTestMain(m) }

// runtime is what runs the scripts of one peer.
type runtime struct {
	name    string
	program func() (path string, ok bool)
	client  []string // script and arguments; the URL is appended
	server  []string // nil for a peer that has none
	deflate []string // agrees on compression as told; only the first two have it
	cannot  []string // cases of TestClient that its server cannot do
}

var runtimes = []runtime{
	{name: "node with ws", program: node("ws"), deflate: []string{"wsflate.mjs"}, client: []string{"client.mjs"}, server: []string{"server.mjs"}},
	{name: "python with websockets", program: python("websockets"), deflate: []string{"wsflate.py"}, client: []string{"client.py"}, server: []string{"server.py"}},
	{name: "node with undici", program: node("undici"), client: []string{"undici.mjs"}},
	// aiohttp and tornado write whole messages.
	framework("aiohttp", "fragments from the server", "reason of an answer"),
	// tornado does not answer server_no_context_takeover, and keeps its window.
	framework("tornado", "fragments from the server", "no takeover"),
	framework("wsproto"),
}

// framework is one of the libraries of frameworks.py.
func framework(module string, cannot ...string) runtime {
	return runtime{
		name: "python with " + module, program: python(module), cannot: cannot,
		client: []string{"frameworks.py", module, "client"}, server: []string{"frameworks.py", module, "server"},
	}
}

// node returns the path of Node if a package is installed for it.
func node(module string) func() (path string, ok bool) {
	return func() (string, bool) {
		_, err := os.Stat(filepath.Join("testdata", "node_modules", module))
		path, lookErr := exec.LookPath("node")
		return path, err == nil && lookErr == nil
	}
}

// python returns the path of the first Python that has a module.
func python(module string) func() (path string, ok bool) {
	return func() (string, bool) {
		for _, name := range []string{"/usr/bin/python3", "python3"} {
			if exec.Command(name, "-c", "import "+module).Run() == nil {
				return name, true
			}
		}
		return "", false
	}
}

// start runs a script of testdata with more arguments.
func (r runtime) start(t *testing.T, script []string, args ...string) *peer {
	t.Helper()
	path, ok := r.program()
	need(t, ok, r.name)
	p := startPeer(t, r.name, path, append(script[:len(script):len(script)], args...)...)
	p.cannot = r.cannot
	return p
}

// need skips the test where a peer is missing; in CI none may be missing.
func need(t *testing.T, installed bool, name string) {
	t.Helper()
	switch {
	case installed:
	case os.Getenv("CI") == "true":
		t.Fatalf("%s is not installed", name)
	default:
		t.Skipf("%s is not installed: run make interop-deps", name)
	}
}

// peer is a child process that reports in lines. It ends with the test, or
// when patience does.
type peer struct {
	name   string
	cannot []string // of its runtime
	lines  *bufio.Reader
	stop   func() // kills the process and waits for it
	stderr bytes.Buffer
}

// startPeer runs a program in testdata and reads its standard output.
func startPeer(t *testing.T, name, path string, args ...string) *peer {
	t.Helper()
	cmd, stop := command(t, path, args...)
	p := &peer{name: name, stop: stop}
	cmd.Dir = "testdata"
	cmd.Stderr = &p.stderr
	stdout, err := cmd.StdoutPipe()
	require.NoError(t, err)
	p.lines = bufio.NewReader(stdout)
	require.NoError(t, cmd.Start())
	return p
}

// command returns a command that runs in a process group of its own, and a
// function that kills all of the group and waits.
func command(t *testing.T, path string, args ...string) (cmd *exec.Cmd, stop func()) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	cmd = exec.CommandContext(ctx, path, args...)
	cmd.WaitDelay = 5 * time.Second // for children that keep its output open
	ownGroup(cmd)
	stop = func() {
		cancel()
		cmd.Wait() // it was killed: the error says nothing
	}
	t.Cleanup(stop)
	return cmd, stop
}

// line returns the next line that the peer prints.
func (p *peer) line(t *testing.T) string {
	t.Helper()
	line, err := p.lines.ReadString('\n')
	if err != nil {
		p.stop()
		require.NoError(t, err, "%s ended early, after %q: %s", p.name, line, p.stderr.String())
	}
	return strings.TrimRight(line, " \n")
}

// port waits for a server to be ready.
func (p *peer) port(t *testing.T) string {
	t.Helper()
	port, ok := strings.CutPrefix(p.line(t), "listening ")
	require.True(t, ok)
	return port
}
