//go:build !cgozlib || !cgo

package bench

// zlibEngines is empty without the build tag cgozlib.
var zlibEngines []Flate
