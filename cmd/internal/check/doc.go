// Package check is wskit check: the conformance suite of websocket/wstest against a
// server, or against a client, and the reports of that.
package check
