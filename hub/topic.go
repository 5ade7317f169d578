package hub

import (
	"fmt"
	"strings"
	"sync"
	"unicode/utf8"

	"github.com/wskit/wskit/hub/internal/table"
)

// IsPattern reports whether topic is a pattern: a segment is "*", which matches
// one segment, or the last segment is ">", which matches one or more. Segments
// are separated by dots: "prices.*" matches "prices.eur", and "prices.>" also
// matches "prices.eur.spot". Neither matches "prices".
func IsPattern(topic string) bool {
	for more := true; more; {
		var segment string
		segment, topic, more = strings.Cut(topic, ".")
		if segment == "*" || segment == ">" && !more {
			return true
		}
	}
	return false
}

// checkTopic returns an error if topic cannot be subscribed to, or if it is a
// pattern and must not be one.
func (h *Hub) checkTopic(topic string, pattern bool) error {
	switch {
	case topic == "":
		return fmt.Errorf("%w: it is empty", ErrTopic)
	case h.opts.MaxTopic >= 0 && len(topic) > h.opts.MaxTopic:
		return fmt.Errorf("%w: %d bytes, at most %d", ErrTopic, len(topic), h.opts.MaxTopic)
	case !utf8.ValidString(topic):
		return fmt.Errorf("%w: %.40q is not UTF-8", ErrTopic, topic)
	case !pattern && IsPattern(topic):
		return fmt.Errorf("%w: %.40q is a pattern", ErrTopic, topic)
	}
	return nil
}

// patterns is a trie of patterns by segments.
type patterns struct {
	mu   sync.RWMutex
	root node
}

type node struct {
	next table.Map[*node] // by segment, "*" among them
	here *source          // the pattern that ends here
	rest *source          // the pattern that ends with ">" after this
}

// set makes s the pattern of this name; nil removes it.
func (t *patterns) set(name string, s *source) {
	t.mu.Lock()
	defer t.mu.Unlock()
	t.root.set(name, s)
}

func (n *node) set(name string, s *source) {
	segment, after, more := strings.Cut(name, ".")
	if segment == ">" && !more {
		n.rest = s
		return
	}
	child := n.next.Entries[segment]
	if child == nil {
		child = new(node)
		n.next.Set(segment, child)
	}
	if more {
		child.set(after, s)
	} else {
		child.here = s
	}
	if child.here == nil && child.rest == nil && len(child.next.Entries) == 0 {
		n.next.Delete(segment)
	}
}

// match appends the patterns that match topic.
func (t *patterns) match(dst []*source, topic string) []*source {
	t.mu.RLock()
	defer t.mu.RUnlock()
	return t.root.match(dst, topic)
}

func (n *node) match(dst []*source, topic string) []*source {
	if n.rest != nil {
		dst = append(dst, n.rest)
	}
	segment, after, more := strings.Cut(topic, ".")
	for _, segment := range [...]string{segment, "*"} {
		child := n.next.Entries[segment]
		switch {
		case child == nil:
		case more:
			dst = child.match(dst, after)
		case child.here != nil:
			dst = append(dst, child.here)
		}
	}
	return dst
}
