package proxy

import (
	"bufio"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"os"
	"slices"
	"sync"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/trace"
)

// entry is a line of a recorded session: bytes that one side has sent, or the
// end of its stream. The first entry of a side is the head of its handshake.
type entry struct {
	Time       time.Time `json:"time"`
	Connection int       `json:"connection"`
	From       string    `json:"from"` // "client" or "server"
	Bytes      []byte    `json:"bytes,omitempty"`
	End        bool      `json:"end,omitempty"`
}

// recorder writes a session to a file, each entry as it occurs. A nil recorder
// writes nothing.
type recorder struct {
	began time.Time // all times are this time plus a monotonic duration

	mu   sync.Mutex
	file *os.File
}

// newRecorder creates the file, which only its owner can read, because
// handshakes contain cookies and passwords.
func newRecorder(name string) (*recorder, error) {
	if name == "" {
		return nil, nil
	}
	f, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY, 0o600)
	if err != nil {
		return nil, exit.Usagef("--record: %v", err)
	}
	return &recorder{began: time.Now(), file: f}, nil
}

func (r *recorder) write(e entry) error {
	if r == nil {
		return nil
	}
	r.mu.Lock()
	defer r.mu.Unlock()
	e.Time = r.began.Add(time.Since(r.began)).UTC()
	line, err := json.Marshal(e)
	if err == nil {
		_, err = r.file.Write(append(line, '\n'))
	}
	return err
}

func (r *recorder) close() error {
	if r == nil {
		return nil
	}
	return r.file.Close()
}

// recording is a recorded session in a file. Only its index is in memory.
type recording struct {
	file     *os.File
	began    time.Time
	conns    []*recorded // in the order in which they began
	byNumber map[int]*recorded
}

// recorded is a connection of the session.
type recorded struct {
	sides [2][]place // the entries of each side
}

// place is the position of an entry in the file, and the time when it was
// recorded.
type place struct {
	offset int64
	size   int
	at     time.Duration // since the start of the session
	end    bool
}

// maxLine is the maximum length of a line of a recorded session. It is many
// times the size of a read.
const maxLine = 1 << 20

// openRecording reads and checks a recorded session.
func openRecording(name string) (*recording, error) {
	f, err := os.Open(name)
	if err != nil {
		return nil, exit.Usagef("--replay: %v", err)
	}
	r := &recording{file: f, byNumber: make(map[int]*recorded)}
	if err := r.index(); err != nil {
		f.Close()
		return nil, exit.With(exit.Failed, fmt.Errorf("--replay %s: %w", name, err))
	}
	return r, nil
}

func (r *recording) index() error {
	lines := bufio.NewReaderSize(r.file, maxLine)
	offset := int64(0)
	for number := 1; ; number++ {
		line, err := lines.ReadSlice('\n')
		switch {
		case errors.Is(err, bufio.ErrBufferFull):
			return fmt.Errorf("line %d is longer than %d bytes", number, maxLine)
		case err != nil && !errors.Is(err, io.EOF):
			return err
		case len(line) > 0:
			if err := r.add(line, offset); err != nil {
				return fmt.Errorf("line %d: %w", number, err)
			}
		}
		offset += int64(len(line))
		if err != nil {
			break
		}
	}
	if len(r.conns) == 0 {
		return errors.New("the file has no connection")
	}
	return nil
}

// add adds an entry to the index.
func (r *recording) add(line []byte, offset int64) error {
	var e entry
	if err := json.Unmarshal(line, &e); err != nil {
		return fmt.Errorf("not an entry of a recorded session: %w", err)
	}
	from := slices.Index([]string{trace.Client.String(), trace.Server.String()}, e.From)
	if from < 0 {
		return fmt.Errorf("from is %q: want client or server", e.From)
	}
	if e.Time.IsZero() || e.Connection < 1 {
		return errors.New("time or connection is missing")
	}
	if len(r.conns) == 0 {
		r.began = e.Time
	}
	c := r.byNumber[e.Connection]
	if c == nil {
		c = new(recorded)
		r.byNumber[e.Connection] = c
		r.conns = append(r.conns, c)
	}
	side := &c.sides[from]
	*side = append(*side, place{offset, len(line), e.Time.Sub(r.began), e.End})
	return nil
}

// bytes reads the bytes of an entry.
func (r *recording) bytes(p place) ([]byte, error) {
	line := make([]byte, p.size)
	if _, err := r.file.ReadAt(line, p.offset); err != nil {
		return nil, err
	}
	var e entry
	err := json.Unmarshal(line, &e)
	return e.Bytes, err
}
