package main

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"io"
	"log"
	"net"
	"net/http"
	"net/http/httptest"
	"strconv"

	"github.com/quic-go/quic-go/http3"

	"github.com/wskit/wskit/websocket"
	"github.com/wskit/wskit/websocket/xconnect"
	"github.com/wskit/wskit/wsh3"
)

// server serves the same handler over all three versions of HTTP, with TLS, on
// one port number.
type server struct {
	addr string
	tcp  *httptest.Server
	h3   *http3.Server
	udp  net.PacketConn
}

func start() (*server, error) {
	mux := http.NewServeMux()
	mux.HandleFunc("/websocket", echoMessages)
	mux.HandleFunc("/bare", echoBytes)
	s := &server{tcp: httptest.NewUnstartedServer(mux)}
	s.tcp.EnableHTTP2 = true
	s.tcp.Config.ErrorLog = log.New(io.Discard, "", 0)
	xconnect.Configure(s.tcp.Config)
	s.tcp.StartTLS()
	s.addr = s.tcp.Listener.Addr().String()
	var err error
	if s.udp, err = net.ListenPacket("udp", s.addr); err != nil {
		s.tcp.Close()
		return nil, err
	}
	certificates := &tls.Config{Certificates: s.tcp.TLS.Certificates}
	s.h3 = &http3.Server{Handler: mux, TLSConfig: http3.ConfigureTLSConfig(certificates), QUICConfig: wsh3.QUICConfig()}
	go s.h3.Serve(s.udp)
	return s, nil
}

func (s *server) close() {
	s.h3.Close()
	s.udp.Close()
	s.tcp.CloseClientConnections()
	s.tcp.Close()
}

// trust returns the TLS configuration of a client.
func (s *server) trust() *tls.Config {
	pool := x509.NewCertPool()
	pool.AddCert(s.tcp.Certificate())
	return &tls.Config{RootCAs: pool}
}

// echoMessages is the measured handler.
func echoMessages(w http.ResponseWriter, r *http.Request) {
	c, err := wsh3.Accept(w, r, nil)
	if err != nil {
		return
	}
	defer c.CloseNow()
	ctx := context.Background()
	for m, err := range c.BorrowedMessages(ctx) {
		if err != nil || c.Write(ctx, m.Type, m.Data) != nil {
			return
		}
	}
}

// echoBytes is the handler without WebSockets for comparison. It echoes n bytes
// at a time.
func echoBytes(w http.ResponseWriter, r *http.Request) {
	n, err := strconv.Atoi(r.URL.Query().Get("n"))
	if err != nil || n < 1 || n > 1<<20 {
		http.Error(w, "n is the size of a message", http.StatusBadRequest)
		return
	}
	p := make([]byte, n)
	if r.ProtoMajor == 1 {
		conn, rw, err := http.NewResponseController(w).Hijack()
		if err != nil {
			return
		}
		defer conn.Close()
		io.WriteString(conn, "HTTP/1.1 101 Switching Protocols\r\nConnection: Upgrade\r\nUpgrade: bare\r\n\r\n")
		for err == nil {
			if _, err = io.ReadFull(rw, p); err == nil {
				_, err = conn.Write(p)
			}
		}
		return
	}
	flush := http.NewResponseController(w).Flush
	for err = flush(); err == nil; {
		if _, err = io.ReadFull(r.Body, p); err == nil {
			_, err = w.Write(p)
		}
		if err == nil {
			err = flush()
		}
	}
}

// dialOptions are those of the WebSocket clients.
func dialOptions(t websocket.Transport, config *tls.Config) *websocket.DialOptions {
	return &websocket.DialOptions{Transport: t, HTTPClient: &http.Client{Transport: &http.Transport{TLSClientConfig: config}}}
}
