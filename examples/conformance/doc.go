// Package conformance is an echo in every way in which this toolkit can be put together, for
// the conformance suite, package wstest. Its tests run the suite against all of them.
package conformance
