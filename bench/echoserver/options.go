package echoserver

import (
	"bytes"
	"crypto/ecdsa"
	"crypto/elliptic"
	crand "crypto/rand"
	"crypto/tls"
	"crypto/x509"
	"encoding/json"
	"fmt"
	"math/big"
	"math/rand/v2"
	"net"
	"sync/atomic"
	"time"
)

// Options are the requirements for the servers.
type Options struct {
	Size int  // of a message, in bytes; 0 means at most 512
	TLS  bool // on the connections

	// Deflate compresses messages with permessage-deflate, without context
	// takeover on either side.
	Deflate bool
}

// MinDeflate is the minimum size of a message that all libraries compress.
const MinDeflate = 512

// Text returns a message of o.Size bytes. With o.Deflate, the message is
// JSON, which shrinks to about a third.
func (o Options) Text() []byte {
	if !o.Deflate {
		return bytes.Repeat([]byte("x"), o.Size)
	}
	r := rand.New(rand.NewPCG(1, 2))
	p := []byte{'['}
	for len(p) < o.Size {
		p = fmt.Appendf(p, `{"symbol":"%s-USD","price":%d.%02d,"size":%d,"side":"%s"},`,
			[]string{"BTC", "ETH", "SOL"}[r.IntN(3)], 20000+r.IntN(900), r.IntN(100), 1+r.IntN(500), []string{"buy", "sell"}[r.IntN(2)])
	}
	return p[:o.Size]
}

// inUse are the options of this process, which serves one library.
var inUse atomic.Pointer[Options]

// options returns the options of this process.
func options() Options {
	if o := inUse.Load(); o != nil {
		return *o
	}
	return Options{}
}

// parseOptions parses the result of [Options.arg].
func parseOptions(arg string) (o Options, err error) {
	return o, json.Unmarshal([]byte(arg), &o)
}

// arg returns the options as an argument of a process.
func (o Options) arg() string {
	b, err := json.Marshal(o)
	if err != nil {
		panic(err) // the type has only fields that can be encoded
	}
	return string(b)
}

// buffer returns the read size of a server that reads itself.
func (o Options) buffer() int { return max(512, min(o.Size, 64<<10)) }

// message returns room for a whole message and its header.
func (o Options) message() int { return max(512, o.Size+14) }

// listen opens the socket of a server.
func (o Options) listen() (net.Listener, error) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil || !o.TLS {
		return ln, err
	}
	cert, err := selfSigned()
	if err != nil {
		ln.Close()
		return nil, err
	}
	cfg := &tls.Config{Certificates: []tls.Certificate{cert}, NextProtos: []string{"http/1.1"}}
	return &secureListener{tls.NewListener(ln, cfg), ln, cfg}, nil
}

// secureListener is a listener with TLS. A server that does TLS itself uses its
// parts.
type secureListener struct {
	net.Listener
	tcp net.Listener
	cfg *tls.Config
}

// selfSigned returns a certificate that clients do not verify.
func selfSigned() (tls.Certificate, error) {
	key, err := ecdsa.GenerateKey(elliptic.P256(), crand.Reader)
	if err != nil {
		return tls.Certificate{}, err
	}
	template := &x509.Certificate{SerialNumber: big.NewInt(1), NotAfter: time.Now().Add(24 * time.Hour)}
	der, err := x509.CreateCertificate(crand.Reader, template, template, &key.PublicKey, key)
	return tls.Certificate{Certificate: [][]byte{der}, PrivateKey: key}, err
}
