// Package hub sends messages to many receivers, which subscribe to topics. It
// offers history, presence and statistics, within one process or, with a
// [Broker], across several.
package hub
