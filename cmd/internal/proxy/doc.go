// Package proxy implements wskit proxy, which forwards connections between
// clients and a server, shows their frames, and can record, replay and change
// them.
//
// command.go has the flags and the listener. session.go forwards one
// connection: head.go reads the handshake, and edit.go applies the rules of
// rule.go to frames. record.go writes and reads recorded sessions, and
// replay.go plays one side of them.
package proxy
