// Package hub sends messages to many receivers: topics and subscriptions, with
// history, presence and statistics, in one process or in many.
package hub
