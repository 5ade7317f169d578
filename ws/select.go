package ws

import "slices"

// SelectEqual returns a function that accepts the subprotocol v alone, for
// [HTTPUpgrader].Protocol.
func SelectEqual(v string) func(string) bool {
	return func(p string) bool { return p == v }
}

// SelectFromSlice returns a function that accepts the subprotocols in accept, for
// [HTTPUpgrader].Protocol. It copies accept.
func SelectFromSlice(accept []string) func(string) bool {
	accept = slices.Clone(accept)
	return func(p string) bool { return slices.Contains(accept, p) }
}
