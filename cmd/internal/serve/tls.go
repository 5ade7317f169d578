package serve

import (
	"crypto/ecdsa"
	"crypto/elliptic"
	"crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"crypto/x509/pkix"
	"encoding/pem"
	"math/big"
	"net"
	"os"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
)

// tls returns what to serve TLS with, or nil for none.
func (o *options) tls() (*tls.Config, error) {
	switch {
	case o.cert != "":
		key := o.key
		if key == "" {
			key = o.cert
		}
		pair, err := tls.LoadX509KeyPair(o.cert, key)
		if err != nil {
			return nil, exit.Usagef("--cert: %v", err)
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: o.protocols()}, nil
	case o.selfSigned:
		pair, err := makeCertificate(o.addr)
		if err != nil {
			return nil, err
		}
		if o.saveCert != "" {
			block := &pem.Block{Type: "CERTIFICATE", Bytes: pair.Certificate[0]}
			if err := os.WriteFile(o.saveCert, pem.EncodeToMemory(block), 0o666); err != nil {
				return nil, err
			}
		}
		return &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: o.protocols()}, nil
	}
	return nil, nil
}

// protocols returns what to offer in TLS (ALPN).
func (o *options) protocols() []string {
	if o.http2 {
		return []string{"h2", "http/1.1"}
	}
	return []string{"http/1.1"}
}

// makeCertificate makes a certificate for this machine that holds for a month.
func makeCertificate(addr string) (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), rand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	serial, err := rand.Int(rand.Reader, new(big.Int).Lsh(big.NewInt(1), 120))
	if err != nil {
		return tls.Certificate{}, err
	}
	names, ips := identities(addr)
	template := &x509.Certificate{
		SerialNumber:          serial,
		Subject:               pkix.Name{CommonName: "wskit serve"},
		NotBefore:             time.Now().Add(-time.Hour),
		NotAfter:              time.Now().AddDate(0, 1, 0),
		KeyUsage:              x509.KeyUsageDigitalSignature | x509.KeyUsageCertSign,
		ExtKeyUsage:           []x509.ExtKeyUsage{x509.ExtKeyUsageServerAuth},
		IsCA:                  true,
		BasicConstraintsValid: true,
		DNSNames:              names,
		IPAddresses:           ips,
	}
	der, err := x509.CreateCertificate(rand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}

// identities are the names and addresses of this machine.
func identities(addr string) (names []string, ips []net.IP) {
	names = []string{"localhost"}
	ips = []net.IP{net.IPv4(127, 0, 0, 1), net.IPv6loopback}
	if name, err := os.Hostname(); err == nil {
		names = append(names, name)
	}
	if host, _, err := net.SplitHostPort(addr); err == nil && host != "" && net.ParseIP(host) == nil {
		names = append(names, host)
	}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && !n.IP.IsLoopback() {
			ips = append(ips, n.IP)
		}
	}
	return names, ips
}
