// Package conformance has an echo for each way to use the packages of this
// module. Its tests run the conformance suite of package wstest against all of
// them.
package conformance
