package wstest

import (
	"encoding/hex"
	"fmt"
	"slices"
	"sync"
	"time"
)

// Entry is one line of a wire log.
type Entry struct {
	At   time.Duration `json:"ns"`             // since the case began
	From string        `json:"from"`           // "suite", "peer", or "" for a remark
	Text string        `json:"text"`           // a short description
	Data string        `json:"data,omitempty"` // the first bytes of the payload, in hex; text for a handshake
	Size int64         `json:"size"`           // of the payload in bytes
}

const (
	wireFirst = 40 // entries kept of the beginning of a case
	wireLast  = 40 // and of its end, where the fault is; entries in between are counted
	wireBytes = 48 // kept of a payload
	wireText  = 1 << 10
)

// wireLog records traffic. The script and the background writer add to it.
type wireLog struct {
	start time.Time

	mu      sync.Mutex
	entries []Entry // the first ones, and then a ring of the last ones
	added   int     // entries in all
}

func (l *wireLog) add(e Entry) {
	e.At = time.Since(l.start)
	l.mu.Lock()
	defer l.mu.Unlock()
	if len(l.entries) < wireFirst+wireLast {
		l.entries = append(l.entries, e)
	} else {
		l.entries[wireFirst+(l.added-wireFirst)%wireLast] = e
	}
	l.added++
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

// all returns the entries, with a remark in place of dropped ones.
func (l *wireLog) all() []Entry {
	l.mu.Lock()
	defer l.mu.Unlock()
	omitted := l.added - len(l.entries)
	if omitted == 0 {
		return l.entries
	}
	first, ring := l.entries[:wireFirst], l.entries[wireFirst:]
	oldest := (l.added - wireFirst) % wireLast
	gap := Entry{At: ring[oldest].At, Text: fmt.Sprintf("%d entries are left out", omitted)}
	return slices.Concat(first, []Entry{gap}, ring[oldest:], ring[:oldest])
}
