package echo

import (
	"bufio"
	"bytes"
	"io"
	"net"
	"os"
	"os/exec"
	"runtime"
	"strings"
	"syscall"
	"testing"

	"github.com/stretchr/testify/require"
	"go.uber.org/goleak"

	"github.com/wskit/wskit/ws"
)

// asProgram makes the test binary act as one of the programs.
const asProgram = "ECHO_TEST_PROGRAM"

func TestMain(m *testing.M) {
	switch os.Getenv(asProgram) {
	case "raw":
		Run("ws", "127.0.0.1:0", new(Server).ServeTCP)
		return
	case "http":
		Run("http", "127.0.0.1:0", new(Server).ServeHTTP)
		return
	case "websocket":
		Run("http", "127.0.0.1:0", new(Server).ServeConns)
		return
	}
	goleak.VerifyTestMain(m)
}

func program(t *testing.T, name string, args ...string) *exec.Cmd {
	cmd := exec.CommandContext(t.Context(), os.Args[0], args...)
	cmd.Env = append(os.Environ(), asProgram+"="+name)
	return cmd
}

func TestRunUntilSignal(t *testing.T) {
	if runtime.GOOS == "windows" {
		t.Skip("a process cannot be sent SIGTERM on Windows")
	}
	for _, v := range variants {
		t.Run(v.name, func(t *testing.T) {
			cmd := program(t, v.name)
			stdout, err := cmd.StdoutPipe()
			require.NoError(t, err)
			require.NoError(t, cmd.Start())
			out := bufio.NewReader(stdout)
			line, err := out.ReadString('\n')
			require.NoError(t, err)

			_, addr, found := strings.Cut(strings.TrimSuffix(line, "/\n"), "://")
			require.True(t, found, line)
			conn, err := net.Dial("tcp", addr)
			require.NoError(t, err)
			c := newTester(t, conn)
			c.write([]byte(request))
			c.wantSwitch()
			c.wantAnswer()

			require.NoError(t, cmd.Process.Signal(syscall.SIGTERM))
			c.wantClose(ws.StatusGoingAway)
			c.Close()
			rest, err := io.ReadAll(out)
			require.NoError(t, err)
			require.Empty(t, rest)
			require.NoError(t, cmd.Wait())
		})
	}
}

func TestRunWherePortIsTaken(t *testing.T) {
	ln := loopback(t)
	defer ln.Close()
	cmd := program(t, "raw", "-addr", ln.Addr().String())
	var stdout, stderr bytes.Buffer
	cmd.Stdout, cmd.Stderr = &stdout, &stderr
	var exit *exec.ExitError
	require.ErrorAs(t, cmd.Run(), &exit)
	require.Equal(t, 1, exit.ExitCode())
	require.Empty(t, stdout.String())
	require.Contains(t, stderr.String(), ln.Addr().String())
	require.Equal(t, 1, strings.Count(stderr.String(), "\n"), stderr.String())
}

func TestAddress(t *testing.T) {
	for _, tt := range []struct{ ip, want string }{
		{"127.0.0.1", "http://127.0.0.1:80/"},
		{"::1", "http://[::1]:80/"},
		{"0.0.0.0", "http://localhost:80/"},
		{"::", "http://localhost:80/"},
	} {
		require.Equal(t, tt.want, address("http", &net.TCPAddr{IP: net.ParseIP(tt.ip), Port: 80}))
	}
}
