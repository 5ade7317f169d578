// Package fuzz compares wskit with other implementations: both get the same
// bytes and must reach the same verdict. Each exception is listed here with its
// reason.
//
// Fuzz targets without an oracle are next to the tested code. `make fuzz` runs
// all of them. This is a separate module because it needs the other libraries.
package fuzz
