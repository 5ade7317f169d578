// Package wsjson reads and writes messages that are JSON, one value each.
package wsjson
