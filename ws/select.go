package ws

import "slices"

// SelectEqual returns a function for [HTTPUpgrader].Protocol that accepts only
// the subprotocol v.
func SelectEqual(v string) func(string) bool {
	return func(p string) bool { return p == v }
}

// SelectFromSlice returns a function for [HTTPUpgrader].Protocol that accepts
// the subprotocols in accept. It copies accept.
func SelectFromSlice(accept []string) func(string) bool {
	accept = slices.Clone(accept)
	return func(p string) bool { return slices.Contains(accept, p) }
}
