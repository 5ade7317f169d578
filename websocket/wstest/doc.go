// Package wstest tests WebSocket implementations: a conformance suite for servers
// and clients written in any language.
//
// [RunServer] and [TestServer] play the client against a server that echoes every
// message. [RunClient] and [TestClient] play the server against a client that follows
// the protocol below. The suite speaks bytes of its own making, so that it can say
// what no library would, and takes none of its judgements from other packages of this module, which are under test, too.
//
// A case is strict when the implementation does what the RFC asks for in the way that
// the RFC asks for it, tolerated when it does what the RFC allows or what does no harm
// (it drops the connection without a close frame, say), and failed otherwise.
//
// # What a client does
//
// [RunClient] gives the client the base URL of the suite's server. The client
//
//  1. opens base + "/count", reads one text message, the decimal number n of the
//     cases, and closes;
//  2. for each i from 1 to n, in any order and as many at once as it likes, opens
//     base + "/case?n=" + i, sends every message that it receives back as it
//     is, in the order in which they come, until the connection ends. A handshake that fails
//     is the end of that case, too, and no reason to stop; redirects are not followed;
//  3. opens base + "/report", reads one text message, a summary in JSON, and closes.
//
// It sends no message of its own accord. Beyond that, a client can read the IDs of the cases,
// a line each and in their order, from base + "/cases", and name one by its ID, too:
// base + "/case?n=" + i + "&id=" + id, or without n. One that breaks down in a case, and knows why,
// can open base + "/broken" with the same query and "&why=" + text, read one message and close:
// the case has failed then. [DriveClient] does all of it for a client in Go.
package wstest
