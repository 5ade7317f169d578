// Package xconnect switches on WebSockets over HTTP/2 in servers of net/http.
//
// net/http serves extended CONNECT (RFC 8441) only if a program starts with
// GODEBUG=http2xconnect=1 in its environment. A program that imports this package
// needs no such environment:
//
//	import _ "github.com/wskit/wskit/websocket/xconnect"
//
// The import adds the setting to GODEBUG, unless GODEBUG has that setting already, as
// http2xconnect=0. [Configure] bounds what unread WebSockets hold, and [Check] tells
// whether it worked.
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

	_ "github.com/wskit/wskit/internal/godebug" // before net/http
)

// The bounds of Configure: all streams of a connection may be unread, and the
// connection still has room. net/http takes less than 4 MiB for one.
const (
	streams    = 120
	perStream  = 32 << 10
	perConn    = streams * perStream
	probeTime  = 10 * time.Second
	settingsID = 0x4 // the type of a SETTINGS frame (RFC 9113, section 6.5)
	enable     = 0x8 // SETTINGS_ENABLE_CONNECT_PROTOCOL (RFC 8441, section 3)
)

// Configure sets in srv what WebSockets over HTTP/2 need, and only fields that are
// zero. By default one WebSocket that is not read may fill the window of its whole
// connection and stall all others. Configure allows 120 streams on a connection,
// 32 KiB of unread data for each, and as much for the connection as all of these
// together. Where net/http has a field to enable extended CONNECT, Configure sets it.
// It is called before srv serves.
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

// Check returns an error that says why srv would not serve WebSockets over HTTP/2, or
// nil. It looks at the fields of srv and at the settings that a server with its HTTP2
// announces over a pipe. A program calls it when it starts.
func Check(srv *http.Server) error {
	if srv == nil {
		return errors.New("xconnect: nil http.Server")
	}
	if p := srv.Protocols; p != nil && !p.HTTP2() && !p.UnencryptedHTTP2() {
		return fmt.Errorf("xconnect: the Protocols of the server, %v, have no HTTP/2", p)
	}
	if srv.Protocols == nil && srv.TLSNextProto != nil && srv.TLSNextProto["h2"] == nil {
		return errors.New("xconnect: the TLSNextProto of the server turns HTTP/2 off")
	}
	ok, err := announces(srv.HTTP2)
	switch {
	case err != nil:
		return fmt.Errorf("xconnect: ask for the settings of the server: %w", err)
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
		return false, fmt.Errorf("the first frame is of type %d", head[3])
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
