// Package natsbroker connects the hubs of a program's copies by NATS: as clients of
// a NATS cluster, or with a NATS server in each process. Servers in processes form a
// cluster by themselves.
//
// Topics without history are subjects of core NATS. A publication arrives at most
// once: NATS does not repeat what was on its way while a connection was lost. A
// broker reports a gap when its own connection was lost, or when NATS had to drop
// messages for it. It cannot notice a connection lost between two servers.
//
// Topics with history are in one JetStream stream. Each copy reads all of it, and goes
// on where it was after an interruption. So publications arrive once and in order, as
// long as the stream keeps them: by age and by size, of all topics together. A
// position is a sequence of the stream, and its epoch is the time at which the stream
// was created. A client can recover on another copy than before.
//
// Presence is in another stream, in memory: it has a message for each member of a
// topic, which NATS removes when it was not renewed in time. It needs NATS 2.11.
//
// When a server ends without notice that leads the stream, the other ones choose a
// leader within 10 s. Until then, topics with history stand still, and nothing of
// them is lost.
package natsbroker
