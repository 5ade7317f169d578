package main

import (
	"errors"
	"net"
	"net/http"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// dial opens the connection to the backend with the client's offers and some of
// its fields. Other fields are not forwarded, such as cookies and credentials.
func (p *proxy) dial(r *http.Request) (net.Conn, ws.Handshake, error) {
	offers := httphead.Fields{}
	for _, name := range []string{"Sec-Websocket-Extensions", "Sec-Websocket-Protocol"} {
		for _, v := range r.Header.Values(name) {
			offers = append(offers, httphead.Field{Name: []byte(name), Value: []byte(v)})
		}
	}
	forwarded := http.Header{"X-Forwarded-Host": {r.Host}}
	if host, _, err := net.SplitHostPort(r.RemoteAddr); err == nil {
		forwarded.Set("X-Forwarded-For", host)
	}
	d := ws.Dialer{Header: ws.HandshakeHeaderHTTP(forwarded)}
	for option, err := range offers.Options("Sec-Websocket-Extensions") {
		if err != nil {
			return nil, ws.Handshake{}, ws.ErrHandshakeBadExtensions
		}
		d.Extensions = append(d.Extensions, option.Clone())
	}
	for name, err := range offers.Tokens("Sec-Websocket-Protocol") {
		if err != nil {
			return nil, ws.Handshake{}, ws.ErrHandshakeBadSubProtocol
		}
		d.Protocols = append(d.Protocols, string(name))
	}
	conn, _, hs, err := d.Dial(r.Context(), p.backend)
	if refusal, ok := errors.AsType[*ws.ConnectionRejectedError](err); ok { // the client gets it, without the body
		err = ws.RejectConnectionError(ws.RejectionStatus(refusal.StatusCode()), ws.RejectionReason("proxy: the backend refuses"))
	} else if err != nil {
		err = errors.Join(ws.RejectConnectionError(ws.RejectionStatus(http.StatusBadGateway), ws.RejectionReason("proxy: no backend")), err)
	}
	return conn, hs, err
}
