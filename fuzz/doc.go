// Package fuzz holds wskit against other implementations: the same bytes go into
// both, and both must come to the same verdict. Where they do not, the difference is
// one of those that are listed here, with its reason.
//
// The targets that need no oracle stand beside the code that they are about; `make
// fuzz` runs all of them. This is a module of its own, since it needs the other
// libraries.
package fuzz
