//go:build unix

package bridge

import (
	"os"
	"path/filepath"
	"strconv"
	"strings"
	"sync"
	"syscall"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/wstest"
)

// process is a command with a client that the test plays.
type process struct {
	*websocket.Conn
	ended chan error

	mu  sync.Mutex
	log []string
}

// start runs a line of the shell.
func start(t *testing.T, line string, change func(*Process)) *process {
	client, server := wstest.Pair(t, nil)
	p := &process{Conn: client, ended: make(chan error, 1)}
	command := &Process{Args: []string{"sh", "-c", line}, MaxLine: 100_000, Grace: time.Millisecond, Log: func(line string) {
		p.mu.Lock()
		defer p.mu.Unlock()
		p.log = append(p.log, line)
	}}
	if change != nil {
		change(command)
	}
	go func() { p.ended <- command.Run(server) }()
	return p
}

// rest reads until the connection ends.
func (p *process) rest() (got []string, end websocket.CloseError) {
	for {
		typ, m, err := p.Read(ctx)
		if err != nil {
			code := websocket.CloseStatus(err)
			return got, websocket.CloseError{Code: code, Reason: p.CloseRecord().Reason}
		}
		got = append(got, typ.String()+" "+string(m))
	}
}

func TestProcess(t *testing.T) {
	for name, c := range map[string]struct {
		line   string
		change func(*Process)
		send   []string // "" is the end of stdin
		want   string
		end    websocket.CloseError
	}{
		"lines":          {"cat", nil, []string{"a", "b\nc", ""}, "MessageText a|MessageText b|MessageText c", websocket.CloseError{Code: 1000}},
		"no last end":    {`printf 'a\r\nb'`, nil, nil, "MessageText a|MessageText b", websocket.CloseError{Code: 1000}},
		"not UTF-8":      {`printf 'a\n\377\n'`, nil, nil, "MessageText a|MessageBinary \xff", websocket.CloseError{Code: 1000}},
		"status":         {"echo a; exit 3", nil, nil, "MessageText a", websocket.CloseError{Code: 1011, Reason: "exit status 3"}},
		"signal":         {"kill -TERM $$", nil, nil, "", websocket.CloseError{Code: 1011, Reason: "signal: terminated"}},
		"does not read":  {"exec 0<&-; echo a", nil, []string{"a", "b"}, "MessageText a", websocket.CloseError{Code: 1000}},
		"a long line":    {"echo abcdef; exec sleep 1000", func(p *Process) { p.MaxLine = 5 }, nil, "", websocket.CloseError{Code: 1011, Reason: "a line of output is longer than 5 bytes"}},
		"binary":         {"cat", func(p *Process) { p.Binary = true }, []string{"a\n", "b", ""}, "", websocket.CloseError{Code: 1000}},
		"no such":        {"", func(p *Process) { p.Args = []string{"/no/such/command"} }, nil, "", websocket.CloseError{Code: 1011, Reason: "the command cannot be started"}},
		"longer than it": {"head -c 90000 /dev/zero | tr '\\0' x", nil, nil, "MessageText " + strings.Repeat("x", 90_000), websocket.CloseError{Code: 1000}},
	} {
		t.Run(name, func(t *testing.T) {
			p := start(t, c.line, c.change)
			p.SetReadLimit(-1)
			for _, m := range c.send {
				typ := websocket.MessageText
				if m == "" {
					typ = websocket.MessageBinary
				}
				p.Write(ctx, typ, []byte(m))
			}
			got, end := p.rest()
			if name == "binary" { // in any cut
				require.Equal(t, "a\nb", strings.ReplaceAll(strings.Join(got, ""), "MessageBinary ", ""))
			} else {
				require.Equal(t, c.want, strings.Join(got, "|"))
			}
			require.Equal(t, c.end, end)
			<-p.ended
		})
	}
}

// What a command writes to stderr is logged, as far as a line is not too long.
func TestStderr(t *testing.T) {
	p := start(t, "echo oops >&2; head -c 9000 /dev/zero | tr '\\0' x >&2; echo >&2; echo end >&2", nil)
	p.rest()
	<-p.ended
	require.Equal(t, []string{"oops", strings.Repeat("x", maxLogged), "end"}, p.log)
}

// The end of a connection ends the command, and what that has started, also if it does
// not read what was sent to it.
func TestKilled(t *testing.T) {
	for name, end := range map[string]func(*process){
		"close":    func(p *process) { p.Close(websocket.StatusNormalClosure, "") },
		"lost":     func(p *process) { p.CloseNow() },
		"flooding": func(p *process) { go p.Write(ctx, websocket.MessageBinary, make([]byte, 1<<20)); p.CloseNow() },
	} {
		t.Run(name, func(t *testing.T) {
			pids := filepath.Join(t.TempDir(), "pids")
			p := start(t, "trap '' HUP; sleep 1000 & echo $$ $! > "+pids+"; echo ready; wait", nil)
			_, m, err := p.Read(ctx)
			require.NoError(t, err)
			require.Equal(t, "ready", string(m))
			end(p)
			<-p.ended
			list, err := os.ReadFile(pids)
			require.NoError(t, err)
			for _, pid := range strings.Fields(string(list)) {
				n, err := strconv.Atoi(pid)
				require.NoError(t, err)
				require.Eventually(t, func() bool { return dead(n) }, 10*time.Second, time.Millisecond)
			}
		})
	}
}

// dead reports whether a process has ended, though its parent may not know yet.
func dead(pid int) bool {
	if syscall.Kill(pid, 0) != nil {
		return true
	}
	status, err := os.ReadFile("/proc/" + strconv.Itoa(pid) + "/stat")
	return err == nil && strings.Contains(string(status), ") Z ")
}
