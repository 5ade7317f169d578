//go:build !cgozlib || !cgo

package bench

// zlibEngines are none without the build tag cgozlib.
var zlibEngines []Flate
