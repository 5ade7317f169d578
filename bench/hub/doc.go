// Command hub compares hubs: the cost and delay of a delivery, the memory of a
// subscription, and the overhead of a broker between nodes. Each library has
// its own process, in the style of its users. The clients are in this process.
// They count frames and check a few. Their CPU time is printed.
//
//	go run . -receivers 5000 -write table.md
package main
