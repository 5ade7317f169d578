// Package proxy is wskit proxy: it stands between clients and a server, shows the frames
// that pass, and may record, replay and change them.
//
// command.go has the flags and listens. session.go passes one connection on: head.go reads
// the handshake, edit.go applies the rules of rule.go to frames. record.go writes and
// reads recorded sessions, and replay.go plays one side of them.
package proxy
