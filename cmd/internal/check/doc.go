// Package check implements wskit check, which runs the conformance suite of
// websocket/wstest against a server or a client, and writes its reports.
package check
