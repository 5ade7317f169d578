package hub

import (
	"fmt"
	"maps"
	"strings"
	"sync"
	"unicode/utf8"
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

// table is a map by name that releases memory: it is copied when it has become
// much too large. The zero value is empty.
type table[V any] struct {
	entries map[string]V
	most    int // entries since the map was made
}

// keptEntries is the size below which a map is not copied.
const keptEntries = 64

func (t *table[V]) set(name string, v V) {
	if t.entries == nil {
		t.entries = make(map[string]V)
	}
	t.entries[name] = v
	t.most = max(t.most, len(t.entries))
}

func (t *table[V]) delete(name string) {
	delete(t.entries, name)
	switch n := len(t.entries); {
	case n == 0:
		*t = table[V]{}
	case t.most > keptEntries && n < t.most/4:
		smaller := make(map[string]V, n)
		maps.Copy(smaller, t.entries)
		*t = table[V]{smaller, n}
	}
}

// patterns is a trie of patterns by segments.
type patterns struct {
	mu   sync.RWMutex
	root node
}

type node struct {
	next table[*node] // by segment, "*" among them
	here *source      // the pattern that ends here
	rest *source      // the pattern that ends with ">" after this
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
	child := n.next.entries[segment]
	if child == nil {
		child = new(node)
		n.next.set(segment, child)
	}
	if more {
		child.set(after, s)
	} else {
		child.here = s
	}
	if child.here == nil && child.rest == nil && len(child.next.entries) == 0 {
		n.next.delete(segment)
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
		child := n.next.entries[segment]
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
