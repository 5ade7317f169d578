// Package redisbroker connects the hubs of several copies of a program with
// Redis.
//
// Publications are sent by pub/sub. Redis delivers them at most once: it does
// not repeat messages that are lost with a connection, and closes the
// connection of a copy that reads too slowly. The broker detects a lost
// connection, and reports a gap on every topic after it has subscribed again.
//
// A topic with history also has a Redis stream. A script adds a publication to
// the stream and publishes it in one step, so that a hub can get missed
// publications from the stream. The offsets of a topic have no gaps. The epoch
// is a random number that is lost with the data of Redis.
//
// A replica that replaces a Redis server may lack the last publications, and
// then assigns their positions to later ones. This is not detected. Redis
// Cluster is not supported.
package redisbroker
