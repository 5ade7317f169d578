//go:build unix

package main

import (
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/creack/pty"
	"github.com/stretchr/testify/require"
)

// terminal is wskit in a pseudo-terminal.
type terminal struct {
	t      *testing.T
	cmd    *exec.Cmd
	pty    *os.File
	mu     sync.Mutex
	more   *sync.Cond
	output string
	ended  bool
}

// startTerminal runs wskit with its input and output on a terminal. What it keeps it
// keeps in home.
func startTerminal(t *testing.T, home string, args ...string) *terminal {
	t.Helper()
	cmd := exec.Command("wskit", args...)
	cmd.Env = append(os.Environ(), "XDG_STATE_HOME="+home, "TERM=xterm", "NO_COLOR=")
	f, err := pty.StartWithSize(cmd, &pty.Winsize{Rows: 24, Cols: 80})
	require.NoError(t, err)
	term := &terminal{t: t, cmd: cmd, pty: f}
	term.more = sync.NewCond(&term.mu)
	go term.read()
	watchdog := time.AfterFunc(20*time.Second, func() { cmd.Process.Kill() })
	t.Cleanup(func() {
		watchdog.Stop()
		cmd.Process.Kill()
		f.Close()
	})
	return term
}

func (term *terminal) read() {
	p := make([]byte, 4096)
	for {
		n, err := term.pty.Read(p)
		term.mu.Lock()
		term.output += string(p[:n])
		term.ended = err != nil
		term.mu.Unlock()
		term.more.Broadcast()
		if err != nil {
			return
		}
	}
}

// expect waits until text is shown after the previously expected text.
func (term *terminal) expect(text string) {
	term.t.Helper()
	term.mu.Lock()
	defer term.mu.Unlock()
	for !strings.Contains(term.output, text) {
		require.False(term.t, term.ended, "%q is never shown, but %q", text, term.output)
		term.more.Wait()
	}
	_, term.output, _ = strings.Cut(term.output, text)
}

func (term *terminal) enter(keys string) {
	term.t.Helper()
	_, err := io.WriteString(term.pty, keys)
	require.NoError(term.t, err)
}

// status waits for the end and returns the exit status.
func (term *terminal) status() int {
	term.cmd.Wait()
	return term.cmd.ProcessState.ExitCode()
}

const (
	up, left       = "\x1b[A", "\x1b[D"
	ctrlC, ctrlD   = "\x03", "\x04"
	green, newLine = "\x1b[36m<", "\r"
)

func TestDialTerminal(t *testing.T) {
	url := testServers(t)["ECHO"]
	home := t.TempDir()
	term := startTerminal(t, home, "dial", url)
	term.expect("connected to " + url)

	term.enter("helo" + left + "l" + newLine) // edits the line
	term.expect(green)
	term.expect(" hello")
	term.enter(up + newLine) // brings it back
	term.expect(green)
	term.expect(" hello")
	term.enter(`{"b":[1],"a":{}}` + newLine)
	term.expect(green)
	term.expect("{\r\n    \"b\": [\r\n")
	term.enter("/hex 00 ff" + newLine)
	term.expect("binary 2 ")
	term.expect("00ff")
	term.enter("//slash" + newLine)
	term.expect(green)
	term.expect(" /slash")
	name := filepath.Join(home, "file.txt")
	require.NoError(t, os.WriteFile(name, []byte("from a file"), 0o600))
	term.enter("/file " + name + newLine)
	term.expect(green)
	term.expect(" from a file")

	term.enter("/ping" + newLine)
	term.expect("pong after ")
	term.enter("/nonsense" + newLine)
	term.expect("unknown command /nonsense: /help lists the commands")
	term.enter("/hex zz" + newLine)
	term.expect(`"zz" is not hexadecimal`)
	term.enter("/close 1006" + newLine)
	term.expect("/close 1006: ")
	term.enter("/help" + newLine)
	term.expect("/base64 DATA")
	term.enter("/close 4000 bye" + newLine)
	term.expect("closed: code 4000")
	require.Equal(t, 0, term.status())

	info, err := os.Stat(filepath.Join(home, "wskit", "history"))
	require.NoError(t, err)
	require.EqualValues(t, 0o600, info.Mode().Perm(), "for nobody else to read")

	term = startTerminal(t, home, "dial", url) // the lines are there in the next run
	term.expect("connected to ")
	term.enter(up + up + up + up + up + up + up + up + up + up + newLine)
	term.expect(green)
	term.expect(`"b"`)
	term.enter(ctrlD)
	require.Equal(t, 0, term.status())
}

func TestDialTerminalEnds(t *testing.T) {
	servers := testServers(t)
	term := startTerminal(t, t.TempDir(), "dial", servers["ECHO"])
	term.expect("connected to ")
	term.enter(ctrlC)
	require.Equal(t, 0, term.status())

	term = startTerminal(t, t.TempDir(), "dial", servers["LEAVE"])
	term.expect(`closed: code 4001, "go away"`)
	require.Equal(t, 4, term.status())

	term = startTerminal(t, t.TempDir(), "dial", servers["SILENT"]) // while it connects
	term.expect("> ")
	term.enter(ctrlC)
	require.Equal(t, 130, term.status())

	term = startTerminal(t, t.TempDir(), "dial", servers["NOTHING"])
	term.expect(" refused: is the server running")
	require.Equal(t, 3, term.status())
}

// A second Ctrl-C does not wait for the close frame of a server that sends none; after
// Ctrl-D or /close the first one is enough.
func TestDialTerminalHurries(t *testing.T) {
	deaf := testServers(t)["DEAF"]
	for first, code := range map[string]string{ctrlC: "1001", ctrlD: "1000", "/close 4000" + newLine: "4000"} {
		t.Run(code, func(t *testing.T) {
			t.Parallel()
			term := startTerminal(t, t.TempDir(), "dial", "--trace", deaf)
			term.expect("connected to ")
			term.enter(first)
			term.expect(" close ")
			term.expect(" " + code)
			term.enter(ctrlC)
			term.expect("not waiting for the server's close frame")
			require.Equal(t, 0, term.status())
		})
	}
}

// The bytes of a message cannot command the terminal.
func TestDialTerminalHarmless(t *testing.T) {
	term := startTerminal(t, t.TempDir(), "dial", "-m", "a\x1b]0;title\x07b", testServers(t)["ECHO"])
	term.expect("a\ufffd]0;title\ufffdb")
	term.enter(ctrlC)
	require.Equal(t, 0, term.status())
}

func TestDialTerminalReconnects(t *testing.T) {
	term := startTerminal(t, t.TempDir(), "dial", "--reconnect", testServers(t)["AWAY"])
	term.expect("connected to ")
	term.expect("reconnecting in ")
	term.expect("connected to ")
	term.enter(ctrlC)
	// It ends an open connection, the wait for the next one, or one that the server is just closing.
	require.Contains(t, []int{0, 130, 4}, term.status())
}
