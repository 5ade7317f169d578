package httphead

import "iter"

// Field is one field line. Name and Value are views into the parsed bytes.
type Field struct {
	Name  []byte // as received: compare case-insensitively
	Value []byte // without surrounding white space
}

// Fields are the fields of a head, in order. Names are looked up without regard
// to the case of ASCII letters.
type Fields []Field

// Value returns the value of the first field with this name, and whether there
// is one.
func (f Fields) Value(name string) ([]byte, bool) {
	for i := range f {
		if equalFold(f[i].Name, name) {
			return f[i].Value, true
		}
	}
	return nil, false
}

// Count returns the number of fields with this name.
func (f Fields) Count(name string) int {
	n := 0
	for i := range f {
		if equalFold(f[i].Name, name) {
			n++
		}
	}
	return n
}

// Values yields the value of each field with this name.
func (f Fields) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range f {
			if equalFold(f[i].Name, name) && !yield(f[i].Value) {
				return
			}
		}
	}
}
