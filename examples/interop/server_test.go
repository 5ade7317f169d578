package interop

import (
	"context"
	"net"
	"slices"
	"strings"
	"sync"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
)

// maxMessage is the limit of our servers here; the peers' "too big" is above.
const maxMessage = 2 << 20

const wantGoingAway = "closed 1001 server is stopping clean"

// servers are ours, which every peer meets.
var servers = []struct {
	name  string
	serve func(*echo.Server, context.Context, net.Listener) error
}{
	{"raw", (*echo.Server).ServeTCP},
	{"http", (*echo.Server).ServeHTTP},
	{"websocket", (*echo.Server).ServeConns},
}

var commonCases = []string{
	"text 0", "binary 0", "text 125", "binary 125", "text 126", "binary 126", "text 65535", "binary 65535",
	"text 65536", "binary 65536", "text 1048576", "binary 1048576", "many in a row",
	"characters of all lengths", "subprotocol", "deflate declined", "close with code and reason",
	"close without code", "too big",
}

// clientCases are the cases that a client must report, so that none can be
// left out in silence.
var clientCases = map[string][]string{
	"node with ws": append(commonCases[:len(commonCases):len(commonCases)],
		"ping", "pong unasked", "fragments with a ping between", "text is not UTF-8"),
	"python with websockets": {
		"text 0", "text 125", "text 126", "text 65535", "text 65536", "text 1048576",
		"binary 0", "binary 125", "binary 126", "binary 65535", "binary 65536", "binary 1048576",
		"characters of all lengths", "ping", "pong unasked", "fragments with a ping between", "subprotocol",
		"subprotocol unknown", "deflate declined", "close with code and reason", "too big",
	},
	"node with undici":    commonCases,
	"python with aiohttp": frameworkCases,
	"python with tornado": frameworkCases,
	"python with wsproto": append(frameworkCases[:len(frameworkCases):len(frameworkCases)], "fragments with a ping between"),
}

// frameworkCases are those of frameworks.py that do not ask for what a library
// hides.
var frameworkCases = []string{
	"text 0", "binary 0", "text 125", "binary 125", "text 126", "binary 126", "text 65535", "binary 65535",
	"text 65536", "binary 65536", "text 1048576", "binary 1048576", "characters of all lengths",
	"many in a row", "ping", "subprotocol", "deflate declined", "close with code and reason", "too big",
}

// startServer serves on a free port of this machine until stop or the end of
// the test.
func startServer(t *testing.T, serve func(*echo.Server, context.Context, net.Listener) error) (addr string, stop func()) {
	t.Helper()
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	ctx, cancel := context.WithCancel(context.Background())
	served := make(chan error, 1)
	go func() { served <- serve(&echo.Server{MaxMessage: maxMessage}, ctx, ln) }()
	stop = sync.OnceFunc(func() {
		cancel()
		if err := <-served; err != nil {
			t.Errorf("the server returned %v", err)
		}
	})
	t.Cleanup(stop)
	return ln.Addr().String(), stop
}

// TestServer runs the scripts of the peers' clients against our servers.
func TestServer(t *testing.T) {
	for _, s := range servers {
		for _, r := range runtimes {
			t.Run(s.name+"/"+r.name, func(t *testing.T) {
				addr, stop := startServer(t, s.serve)
				p := r.start(t, r.client, "ws://"+addr+"/ws")
				for _, name := range clientCases[r.name] {
					t.Run(name, func(t *testing.T) {
						require.Equal(t, name, p.line(t))
					})
				}
				require.Equal(t, "waiting", p.line(t))
				stopped := make(chan struct{})
				go func() { stop(); close(stopped) }()
				require.Equal(t, wantGoingAway, p.line(t))
				<-stopped
			})
		}
	}
}

// TestCasesAreTheSame keeps the lists above from drifting: what the clients
// cannot do is named here.
func TestCasesAreTheSame(t *testing.T) {
	frameworks := []string{"python with aiohttp", "python with tornado", "python with wsproto"}
	whole := frameworks[:2] // these write whole messages and no pong
	cannot := map[string][]string{
		"close without code":            append(frameworks, "python with websockets"),                     // it always sends one
		"many in a row":                 {"python with websockets"},                                       // its recv is the other half of each case
		"text is not UTF-8":             append(frameworks, "python with websockets", "node with undici"), // it encodes by itself
		"subprotocol unknown":           append(frameworks, "node with ws", "node with undici"),           // it fails the connection, as browsers do
		"pong unasked":                  append(frameworks, "node with undici"),
		"ping":                          {"node with undici"}, // has the interface of browsers
		"fragments with a ping between": append(whole, "node with undici"),
	}
	for _, r := range runtimes {
		mine := strings.Join(clientCases[r.name], "\n")
		for _, cases := range clientCases {
			for _, name := range cases {
				if !slices.Contains(cannot[name], r.name) {
					require.Contains(t, mine, name)
				}
			}
		}
	}
}
