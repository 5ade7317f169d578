// Package guardpage gives tests memory that ends, on both sides, at a page whose
// access faults: a kernel that reads or writes outside its slice crashes the test.
package guardpage
