package main

import (
	"bufio"
	"os"
	"os/exec"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/internal/program"
)

// TestMain makes this test program the server if it is started as one.
func TestMain(m *testing.M) {
	if os.Getenv("FIRST_SERVER") != "" {
		main()
	}
	os.Exit(m.Run())
}

func TestServer(t *testing.T) {
	server := exec.Command(os.Args[0], "-addr", "127.0.0.1:0")
	server.Env = append(os.Environ(), "FIRST_SERVER=1")
	out, err := server.StdoutPipe()
	require.NoError(t, err)
	require.NoError(t, server.Start())
	defer func() {
		server.Process.Kill()
		server.Wait()
	}()
	line, err := bufio.NewReader(out).ReadString('\n')
	require.NoError(t, err)
	program.Echo(t, program.Dial(t, strings.TrimPrefix(strings.TrimSpace(line), "serving "), nil), "hello")
}
