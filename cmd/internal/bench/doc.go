// Package bench is wskit bench: it loads a server and measures what comes back.
//
// A load (load.go) opens connections, each with a goroutine of its own, a worker
// (worker.go): it sends, waits for the answers and notes their latency in a shard of
// the recorder (record.go). Out of those the load makes a Result (result.go), which is
// printed (table.go), drawn (plot.go), saved and compared (compare.go).
package bench
