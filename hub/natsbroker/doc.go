// Package natsbroker connects the hubs of several copies of a program with
// NATS. The copies are clients of a NATS cluster, or each process runs a NATS
// server. These embedded servers form a cluster without configuration files.
//
// Topics without history are subjects of core NATS. A publication arrives at
// most once: NATS does not repeat messages that are lost with a connection. A
// broker reports a gap when its own connection was lost, or when NATS dropped
// messages for it. It cannot detect that a connection between two servers was
// lost.
//
// Topics with history are in one JetStream stream. Each copy reads the whole
// stream, and resumes after an interruption. Publications therefore arrive once
// and in order, as long as the stream keeps them. The limits of age and size
// apply to all topics together. The offset of a position is a sequence number
// of the stream, and its epoch is the creation time of the stream. A client can
// recover on any copy.
//
// Presence is in a second stream, in memory. It holds one message for each
// member of a topic. NATS removes a message that is not renewed in time.
// Presence requires NATS 2.11 or later.
//
// If the server that leads the stream ends without notice, the other servers
// elect a new leader within 10 s. Until then, topics with history pause. They
// lose no publications. Entries of presence are not renewed either, so PresenceTTL
// of the hub should be longer than that.
package natsbroker
