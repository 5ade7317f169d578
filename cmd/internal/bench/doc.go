// Package bench implements wskit bench, which sends load to a server and
// measures the answers.
//
// A load (load.go) opens connections. Each has a goroutine, a worker
// (worker.go), which sends messages, waits for the answers and records their
// latency in a shard of the recorder (record.go). The load then makes a Result
// (result.go), which is printed (table.go), plotted (plot.go), saved and
// compared (compare.go).
package bench
