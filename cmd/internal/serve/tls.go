package serve

import (
	"crypto/tls"

	"github.com/wskit/wskit/cmd/internal/certificate"
	"github.com/wskit/wskit/cmd/internal/exit"
)

// tls returns the TLS configuration, or nil without TLS.
func (o *options) tls() (*tls.Config, error) {
	var pair tls.Certificate
	var err error
	switch {
	case o.cert != "":
		key := o.key
		if key == "" {
			key = o.cert
		}
		if pair, err = tls.LoadX509KeyPair(o.cert, key); err != nil {
			return nil, exit.Usagef("--cert: %v", err)
		}
	case o.selfSigned:
		if pair, err = certificate.Make(o.addr, o.saveCert); err != nil {
			return nil, err
		}
	default:
		return nil, nil
	}
	return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: o.protocols()}, nil
}

// protocols returns the protocols to offer in TLS (ALPN).
func (o *options) protocols() []string {
	if o.http2 {
		return []string{"h2", "http/1.1"}
	}
	return []string{"http/1.1"}
}
