// Package table contains a map that releases memory, for sets of topics that
// may become very large for a time.
package table

import "maps"

// Map is a map by name. It is copied when it has become much too large for its
// entries. The zero value is empty.
type Map[V any] struct {
	Entries map[string]V // must be modified only by Set and Delete
	most    int          // entries since the map was made
}

// kept is the size below which a map is not copied.
const kept = 64

// Set sets the entry of a name.
func (m *Map[V]) Set(name string, v V) {
	if m.Entries == nil {
		m.Entries = make(map[string]V)
	}
	m.Entries[name] = v
	m.most = max(m.most, len(m.Entries))
}

// Delete deletes the entry of a name, if there is one.
func (m *Map[V]) Delete(name string) {
	delete(m.Entries, name)
	switch n := len(m.Entries); {
	case n == 0:
		*m = Map[V]{}
	case m.most > kept && n < m.most/4:
		smaller := make(map[string]V, n)
		maps.Copy(smaller, m.Entries)
		*m = Map[V]{smaller, n}
	}
}
