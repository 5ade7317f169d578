// Package xconnect enables WebSockets over HTTP/2 in net/http servers.
//
// net/http serves extended CONNECT (RFC 8441) only if the environment of the
// program has GODEBUG=http2xconnect=1. A program that imports this package does
// not need that:
//
//	import _ "github.com/wskit/wskit/websocket/xconnect"
//
// The import adds http2xconnect=1 to GODEBUG. It does not change an existing
// setting such as http2xconnect=0. [Configure] limits the memory of unread
// WebSockets, and [Check] reports whether extended CONNECT is enabled.
package xconnect

import (
	"bytes"
	"encoding/binary"
	"errors"
	"fmt"
	"io"
	"log"
	"net"
	"net/http"
	"reflect"
	"sync"
	"time"

	_ "github.com/wskit/wskit/internal/godebug" // initialized before net/http
)

// Limits that Configure sets. perConn has room for the unread data of all
// streams. It must be less than 4 MiB for net/http to accept it.
const (
	streams    = 120
	perStream  = 32 << 10
	perConn    = streams * perStream
	probeTime  = 10 * time.Second
	settingsID = 0x4 // the type of a SETTINGS frame (RFC 9113, section 6.5)
	enable     = 0x8 // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3)
)

// Configure sets the fields of srv that WebSockets over HTTP/2 need, if they
// are zero. By default, one unread WebSocket can fill the flow-control window
// of its whole connection and block all others. Configure allows 120 streams on
// a connection, 32 KiB of unread data for each, and a connection window for all
// of them. If net/http has a field that enables extended CONNECT, Configure
// sets it. Call it before srv serves.
func Configure(srv *http.Server) {
	if srv.HTTP2 == nil {
		srv.HTTP2 = new(http.HTTP2Config)
	}
	c := srv.HTTP2
	if c.MaxReceiveBufferPerStream == 0 && c.MaxReceiveBufferPerConnection == 0 && c.MaxConcurrentStreams == 0 {
		c.MaxConcurrentStreams = streams
		c.MaxReceiveBufferPerStream = perStream
		c.MaxReceiveBufferPerConnection = perConn
	}
	if f := reflect.ValueOf(c).Elem().FieldByName("EnableConnectProtocol"); f.IsValid() && f.Kind() == reflect.Bool {
		f.SetBool(true)
	}
}

// Check returns an error if srv would not serve WebSockets over HTTP/2. It
// inspects the fields of srv. It also starts a server with the HTTP2 field of
// srv on a pipe, and reads the settings that this server announces. A program
// calls Check when it starts.
func Check(srv *http.Server) error {
	if srv == nil {
		return errors.New("xconnect: nil http.Server")
	}
	if p := srv.Protocols; p != nil && !p.HTTP2() && !p.UnencryptedHTTP2() {
		return fmt.Errorf("xconnect: Protocols of the server, %v, do not include HTTP/2", p)
	}
	if srv.Protocols == nil && srv.TLSNextProto != nil && srv.TLSNextProto["h2"] == nil {
		return errors.New("xconnect: TLSNextProto of the server disables HTTP/2")
	}
	ok, err := announces(srv.HTTP2)
	switch {
	case err != nil:
		return fmt.Errorf("xconnect: reading the settings of the server: %w", err)
	case !ok:
		return errors.New("xconnect: the server does not support extended CONNECT: " +
			"the program has to start without http2xconnect=0 in GODEBUG")
	}
	return nil
}

// announces reports whether a server with this configuration announces extended
// CONNECT.
func announces(config *http.HTTP2Config) (bool, error) {
	var protocols http.Protocols
	protocols.SetUnencryptedHTTP2(true)
	client, server := net.Pipe()
	defer client.Close()
	client.SetDeadline(time.Now().Add(probeTime))
	l := &listener{conn: server, closed: make(chan struct{})}
	srv := &http.Server{Protocols: &protocols, HTTP2: config, ErrorLog: log.New(io.Discard, "", 0)}
	served := make(chan struct{})
	go func() {
		defer close(served)
		srv.Serve(l)
	}()
	defer func() {
		srv.Close()
		<-served
	}()
	go io.WriteString(client, "PRI * HTTP/2.0\r\n\r\nSM\r\n\r\n\x00\x00\x00\x04\x00\x00\x00\x00\x00")

	head := make([]byte, 9) // RFC 9113, section 4.1
	if _, err := io.ReadFull(client, head); err != nil {
		return false, err
	}
	if head[3] != settingsID {
		return false, fmt.Errorf("the first frame has type %d", head[3])
	}
	settings := make([]byte, int(head[0])<<16|int(head[1])<<8|int(head[2]))
	if _, err := io.ReadFull(client, settings); err != nil {
		return false, err
	}
	for ; len(settings) >= 6; settings = settings[6:] {
		if binary.BigEndian.Uint16(settings) == enable {
			return bytes.Equal(settings[2:6], []byte{0, 0, 0, 1}), nil
		}
	}
	return false, nil
}

// listener accepts one connection.
type listener struct {
	conn   net.Conn
	once   sync.Once
	closed chan struct{}
}

func (l *listener) Accept() (net.Conn, error) {
	if conn := l.conn; conn != nil {
		l.conn = nil
		return conn, nil
	}
	<-l.closed
	return nil, net.ErrClosed
}

func (l *listener) Close() error {
	l.once.Do(func() { close(l.closed) })
	return nil
}

func (l *listener) Addr() net.Addr { return &net.TCPAddr{} }
