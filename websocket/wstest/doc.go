// Package wstest tests WebSocket implementations. It has a conformance suite
// for servers and clients written in any language.
//
// [RunServer] and [TestServer] act as the client of a server that echoes every
// message. [RunClient] and [TestClient] act as the server of a client that
// follows the protocol below. The suite generates its own bytes, so that it can
// send what no library would send. It does not rely on other packages of this
// module for its verdicts, because they are also under test.
//
// A case is strict if the implementation follows the RFC, tolerated if it
// deviates in a way that the RFC allows or that is harmless (for example, it
// drops the connection without a close frame), and failed otherwise.
//
// # What a client does
//
// [RunClient] gives the client the base URL of the suite's server. The client
//
//  1. opens base + "/count", reads one text message, the number n of cases in
//     decimal, and closes;
//  2. for each i from 1 to n, in any order and with any concurrency, opens
//     base + "/case?n=" + i and sends every message that it receives back
//     unchanged and in order, until the connection ends. A failed handshake
//     also ends a case, but not the run. The client does not follow redirects;
//  3. opens base + "/report", reads one text message, a summary in JSON, and
//     closes.
//
// The client sends no other messages. It may read the IDs of the cases, one on
// each line and in order, from base + "/cases", and open a case by its ID: base
// + "/case?n=" + i + "&id=" + id, or without n. A client that breaks down in a
// case can report the reason: it opens base + "/broken" with the same query and
// "&why=" + text, reads one message and closes. The case has then failed.
// [DriveClient] does all of this for a client in Go.
package wstest
