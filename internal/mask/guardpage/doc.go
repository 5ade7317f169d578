// Package guardpage allocates memory for tests between two inaccessible pages.
// A kernel that reads or writes outside its slice crashes the test.
package guardpage
