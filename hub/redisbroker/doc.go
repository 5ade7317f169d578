// Package redisbroker connects the hubs of a program's copies by Redis.
//
// Publications travel by pub/sub. Redis delivers them at most once: it does not repeat
// what it published while a connection was lost, and ends the connection of a copy
// that reads too slowly. The broker notices each end, and reports a gap on every topic
// once that is subscribed to again.
//
// A topic with history is a Redis stream beside that. A script adds a publication to
// the stream and publishes it in one step, so that a hub gets what it missed from the
// stream. A position is a number of the topic without holes. Its epoch is a random
// number that is lost with the data of Redis.
//
// A replica that takes the place of a Redis server may lack its last publications,
// and gives their positions to later ones. Receivers are not told. Redis Cluster is
// not supported.
package redisbroker
