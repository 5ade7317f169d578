package wstest

import (
	"encoding/hex"
	"fmt"
	"sync"
	"time"
)

// Entry is one line of a wire log.
type Entry struct {
	At   time.Duration `json:"ns"`             // since the case began
	From string        `json:"from"`           // "suite", "peer", or "" for a remark
	Text string        `json:"text"`           // what it was, in short
	Data string        `json:"data,omitempty"` // the first bytes of the payload, in hex; text for a handshake
	Size int64         `json:"size"`           // of the payload in bytes
}

const (
	wireEntries = 60 // kept of a case; the rest is counted
	wireBytes   = 48 // kept of a payload
	wireText    = 1 << 10
)

// wireLog gathers what went over the wire. Both the script and a writer behind it
// add to it.
type wireLog struct {
	start time.Time

	mu      sync.Mutex
	entries []Entry
	omitted int
}

func (l *wireLog) add(e Entry) {
	e.At = time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) == wireEntries {
		l.omitted++
		return
	}
	l.entries = append(l.entries, e)
}

func (l *wireLog) note(format string, args ...any) {
	l.add(Entry{Text: fmt.Sprintf(format, args...)})
}

func (l *wireLog) bytes(from, text string, p []byte) {
	l.add(Entry{From: from, Text: text, Size: int64(len(p)), Data: hex.EncodeToString(p[:min(len(p), wireBytes)])})
}

func (l *wireLog) head(from string, p []byte) {
	l.add(Entry{From: from, Text: "handshake", Size: int64(len(p)), Data: fmt.Sprintf("%.*q", wireText, p)})
}

// all returns the entries and a remark on those that were left out.
func (l *wireLog) all() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	if l.omitted > 0 {
		return append(l.entries, Entry{At: time.Since(l.start), Text: fmt.Sprintf("and %d more", l.omitted)})
	}
	return l.entries
}
