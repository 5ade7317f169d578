package dial

import (
	"bufio"
	"os"
	"path/filepath"
	"slices"
	"strings"
)

// maxHistory is the number of lines that are kept.
const maxHistory = 1000

// history holds the lines entered in this run and in earlier ones, oldest
// first. Its file can be read only by its owner. Errors are ignored, because a
// missing history is no reason to stop.
type history struct {
	file  string
	lines []string
}

// openHistory reads the history.
func openHistory() *history {
	h := &history{file: historyFile()}
	f, err := os.Open(h.file)
	if err != nil {
		return h
	}
	defer f.Close()
	lines := bufio.NewScanner(f)
	lines.Buffer(nil, 1<<20)
	for lines.Scan() {
		h.lines = append(h.lines, lines.Text())
	}
	if over := len(h.lines) - maxHistory; over > 0 {
		h.lines = slices.Delete(h.lines, 0, over)
		os.WriteFile(h.file, []byte(strings.Join(h.lines, "\n")+"\n"), 0o600)
	}
	return h
}

func historyFile() string {
	state := os.Getenv("XDG_STATE_HOME")
	if state == "" {
		home, err := os.UserHomeDir()
		if err != nil {
			return ""
		}
		state = filepath.Join(home, ".local", "state")
	}
	return filepath.Join(state, "wskit", "history")
}

// Add adds a line, unless it is empty or the same as the one before.
func (h *history) Add(line string) {
	if line == "" || len(h.lines) > 0 && h.lines[len(h.lines)-1] == line {
		return
	}
	h.lines = append(h.lines, line)
	if h.file == "" || os.MkdirAll(filepath.Dir(h.file), 0o700) != nil {
		return
	}
	f, err := os.OpenFile(h.file, os.O_APPEND|os.O_CREATE|os.O_WRONLY, 0o600)
	if err != nil {
		return
	}
	defer f.Close()
	f.WriteString(line + "\n")
}

// Len returns the number of lines.
func (h *history) Len() int { return len(h.lines) }

// At returns line i; 0 is the latest.
func (h *history) At(i int) string { return h.lines[len(h.lines)-1-i] }
