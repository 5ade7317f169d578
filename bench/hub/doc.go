// Command hub measures hubs beside each other: what a delivery costs, how late it is,
// what a subscription holds, and what a broker between nodes adds. Each library has a
// process of its own, written with the calls that its users write. The clients are in
// this process: they count frames and look at a few. Their CPU time is printed.
//
//	go run . -receivers 5000 -write table.md
package main
