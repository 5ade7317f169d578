package httphead

import "iter"

// Field is one field line. Both parts are views into the bytes that were parsed.
type Field struct {
	Name  []byte // as it was written: compare without regard to case
	Value []byte // without the white space around it
}

// Fields are the fields of a head in their order. Names are looked up without
// regard to the case of ASCII letters.
type Fields []Field

// Value returns the value of the first field of that name and whether there is
// one.
func (f Fields) Value(name string) ([]byte, bool) {
	for i := range f {
		if equalFold(f[i].Name, name) {
			return f[i].Value, true
		}
	}
	return nil, false
}

// Count returns how many fields of that name there are.
func (f Fields) Count(name string) int {
	n := 0
	for i := range f {
		if equalFold(f[i].Name, name) {
			n++
		}
	}
	return n
}

// Values yields the value of each field of that name.
func (f Fields) Values(name string) iter.Seq[[]byte] {
	return func(yield func([]byte) bool) {
		for i := range f {
			if equalFold(f[i].Name, name) && !yield(f[i].Value) {
				return
			}
		}
	}
}
