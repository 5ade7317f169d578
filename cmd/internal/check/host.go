package check

import (
	"crypto/tls"
	"io"
	"log"
	"log/slog"
	"net"
	"net/http"
	"time"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/cmd/internal/certificate"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/wsh3"
)

// host serves h over HTTP/2 or HTTP/3 at addr, for a client under test. It
// returns its URL, and a function that stops it.
func (o *options) host(addr string, h http.Handler) (url string, stop func(), err error) {
	var config *tls.Config
	if o.tls || o.HTTP3 {
		pair, err := certificate.Make(addr, o.saveCert)
		if err != nil {
			return "", nil, err
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}}
	}
	if o.HTTP3 {
		return hostHTTP3(addr, config, h)
	}
	return hostHTTP2(addr, config, h)
}

// Limits for what a client under test does outside its streams.
const (
	hostTimeout = 10 * time.Second
	hostHead    = 16 << 10 // bytes of the head of a request; net/http adds 4 KiB
)

// hostHTTP2 serves HTTP/2, without TLS if config is nil.
func hostHTTP2(addr string, config *tls.Config, h http.Handler) (url string, stop func(), err error) {
	protocols := new(http.Protocols)
	protocols.SetHTTP2(config != nil)
	protocols.SetUnencryptedHTTP2(config == nil)
	srv := &http.Server{
		Handler: h, TLSConfig: config, Protocols: protocols, ErrorLog: log.New(io.Discard, "", 0),
		MaxHeaderBytes:    hostHead,
		ReadHeaderTimeout: hostTimeout, ReadTimeout: hostTimeout, WriteTimeout: hostTimeout, IdleTimeout: hostTimeout,
	}
	xconnect.Configure(srv)
	if err := xconnect.Check(srv); err != nil {
		return "", nil, err
	}
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return "", nil, err
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		if config != nil {
			srv.ServeTLS(ln, "", "")
		} else {
			srv.Serve(ln)
		}
	}()
	scheme := "ws://"
	if config != nil {
		scheme = "wss://"
	}
	return scheme + ln.Addr().String(), func() { srv.Close(); <-done }, nil
}

// hostHTTP3 serves HTTP/3.
func hostHTTP3(addr string, config *tls.Config, h http.Handler) (url string, stop func(), err error) {
	conn, err := net.ListenPacket("udp", addr)
	if err != nil {
		return "", nil, err
	}
	srv := &http3.Server{
		Handler: h, TLSConfig: http3.ConfigureTLSConfig(config), QUICConfig: wsh3.QUICConfig(),
		MaxHeaderBytes: hostHead, IdleTimeout: hostTimeout, Logger: slog.New(slog.DiscardHandler),
	}
	done := make(chan struct{})
	go func() {
		defer close(done)
		srv.Serve(conn)
	}()
	return "wss://" + conn.LocalAddr().String(), func() { srv.Close(); conn.Close(); <-done }, nil
}

// checkHost checks the flags about the server for a client under test.
func (o *options) checkHost() error {
	switch {
	case o.client && o.HTTP2 && o.HTTP3:
		return exit.Usagef("--http2 and --http3: give one of them")
	case o.tls && !(o.client && o.Streams()):
		return exit.Usagef("--tls requires --client and --http2: HTTP/3 is always encrypted")
	case o.saveCert != "" && !(o.client && (o.tls || o.HTTP3)):
		return exit.Usagef("--tls-save requires --client, and --tls or --http3")
	}
	return nil
}
