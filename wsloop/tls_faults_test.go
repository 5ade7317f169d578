package wsloop

import (
	"bufio"
	"bytes"
	"crypto/aes"
	"crypto/cipher"
	"crypto/hkdf"
	"crypto/hmac"
	"crypto/sha256"
	"crypto/tls"
	"encoding/binary"
	"encoding/hex"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"sync/atomic"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/ws"
)

const (
	recordHandshake = 22
	recordData      = 23
)

// wire is the connection below a client's TLS: it counts what goes over it.
type wire struct {
	net.Conn
	sent     int // records of data
	received []byte
	arrived  chan struct{} // something has come
}

func (w *wire) Write(p []byte) (int, error) {
	for rest := p; len(rest) >= 5; rest = rest[5+int(binary.BigEndian.Uint16(rest[3:])):] {
		if rest[0] == recordData {
			w.sent++
		}
	}
	return w.Conn.Write(p)
}

func (w *wire) Read(p []byte) (int, error) {
	n, err := w.Conn.Read(p)
	w.received = append(w.received, p[:n]...)
	select {
	case w.arrived <- struct{}{}:
	default:
	}
	return n, err
}

// sealer encrypts records in place of crypto/tls, which sends no KeyUpdate and
// no second handshake.
type sealer struct {
	secret []byte // of TLS 1.3
	aead   cipher.AEAD
	iv     []byte
	seq    uint64
}

// dialSealed dials with TLS, and returns a writer of TLS records that replaces
// the client's.
func dialSealed(t *testing.T, addr string, version uint16) (*client, *wire, *sealer) {
	t.Helper()
	_, cfg := certificate(t)
	var keys strings.Builder
	cfg.KeyLogWriter, cfg.MinVersion, cfg.MaxVersion = &keys, version, version
	cfg.CipherSuites = []uint16{tls.TLS_ECDHE_RSA_WITH_AES_128_GCM_SHA256}
	raw, err := net.Dial("tcp", addr)
	require.NoError(t, err)
	t.Cleanup(func() { raw.Close() })
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	w := &wire{Conn: raw, arrived: make(chan struct{}, 1)}
	conn := tls.Client(w, cfg)
	br, _, err := ws.Dialer{}.Upgrade(conn, mustURL(t, "wss://example.com/"))
	require.NoError(t, err)
	if br == nil {
		br = bufio.NewReader(conn)
	}
	logged := func(label string) (random, secret []byte) {
		for line := range strings.Lines(keys.String()) {
			if f := strings.Fields(line); f[0] == label {
				random, _ = hex.DecodeString(f[1])
				secret, _ = hex.DecodeString(f[2])
			}
		}
		return random, secret
	}
	s := new(sealer)
	if version == tls.VersionTLS13 {
		if conn.ConnectionState().CipherSuite != tls.TLS_AES_128_GCM_SHA256 {
			t.Skip("this processor has no AES-GCM, which crypto/tls would choose then")
		}
		_, s.secret = logged("CLIENT_TRAFFIC_SECRET_0")
		s.keys(t)
		s.seq = uint64(w.sent) - 1 // the first one was of the handshake
	} else {
		random, secret := logged("CLIENT_RANDOM")
		block := prf(secret, "key expansion", append(w.received[11:43:43], random...), 40)
		s.setKey(t, block[:16], block[32:36])
		s.seq = uint64(w.sent) + 1 // with the end of the handshake
	}
	return &client{t: t, Conn: conn, r: br}, w, s
}

// keys derives the key of TLS 1.3 (RFC 8446, section 7.3).
func (s *sealer) keys(t *testing.T) {
	s.setKey(t, s.expand(t, "key", 16), s.expand(t, "iv", 12))
	s.seq = 0
}

func (s *sealer) setKey(t *testing.T, key, iv []byte) {
	block, err := aes.NewCipher(key)
	require.NoError(t, err)
	s.aead, err = cipher.NewGCM(block)
	require.NoError(t, err)
	s.iv = iv
}

// update derives the next key (RFC 8446, section 7.2).
func (s *sealer) update(t *testing.T) {
	s.secret = s.expand(t, "traffic upd", sha256.Size)
	s.keys(t)
}

func (s *sealer) expand(t *testing.T, label string, n int) []byte {
	label = "tls13 " + label
	info := append(binary.BigEndian.AppendUint16(nil, uint16(n)), byte(len(label)))
	info = append(append(info, label...), 0)
	p, err := hkdf.Expand(sha256.New, s.secret, string(info), n)
	require.NoError(t, err)
	return p
}

// seal returns a record of TLS 1.3 (RFC 8446, section 5.2).
func (s *sealer) seal(kind byte, p []byte) []byte {
	nonce := bytes.Clone(s.iv)
	seq := binary.BigEndian.AppendUint64(nil, s.seq)
	for i, b := range seq {
		nonce[4+i] ^= b
	}
	s.seq++
	head := binary.BigEndian.AppendUint16([]byte{recordData, 3, 3}, uint16(len(p)+1+s.aead.Overhead()))
	return s.aead.Seal(head, nonce, append(bytes.Clone(p), kind), head)
}

// seal12 returns a record of TLS 1.2 (RFC 5246, section 6.2.3.3; RFC 5288).
func (s *sealer) seal12(kind byte, p []byte) []byte {
	seq := binary.BigEndian.AppendUint64(nil, s.seq)
	s.seq++
	aad := binary.BigEndian.AppendUint16(append(seq[:8:8], kind, 3, 3), uint16(len(p)))
	head := binary.BigEndian.AppendUint16([]byte{kind, 3, 3}, uint16(8+len(p)+s.aead.Overhead()))
	return s.aead.Seal(append(head, seq...), append(bytes.Clone(s.iv), seq...), p, aad)
}

// prf is that of TLS 1.2 (RFC 5246, section 5).
func prf(secret []byte, label string, seed []byte, n int) (out []byte) {
	sum := func(p []byte) []byte {
		h := hmac.New(sha256.New, secret)
		h.Write(p)
		return h.Sum(nil)
	}
	seed = append([]byte(label), seed...)
	for a := sum(seed); len(out) < n; a = sum(a) {
		out = append(out, sum(append(bytes.Clone(a), seed...))...)
	}
	return out[:n]
}

var (
	keyUpdate = []byte{24, 0, 0, 1, 1} // which asks for one in return (RFC 8446, section 4.6.3)
	hello     = ws.AppendFrame(nil, ws.MaskFrame(ws.NewTextFrame([]byte("hello"))))
)

// A KeyUpdate is answered immediately, without any data to send, and messages
// continue with the new keys.
func TestTLSKeyUpdate(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		_, addr := serveTLS(t, cfg, echo())
		c, w, s := dialSealed(t, addr, tls.VersionTLS13)
		for range 3 {
			peeked := make(chan error, 1)
			select {
			case <-w.arrived:
			default:
			}
			_, err := w.Conn.Write(s.seal(recordHandshake, keyUpdate))
			require.NoError(t, err)
			go func() {
				_, err := c.r.Peek(1)
				peeked <- err
			}()
			await(t, w.arrived)
			s.update(t)
			_, err = w.Conn.Write(s.seal(recordData, hello))
			require.NoError(t, err)
			require.NoError(t, await(t, peeked))
			c.want("hello")
		}
	})
}

// Only a peer that does nothing but change keys is disconnected.
func TestTLSKeyUpdateFlood(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		ends := make(chan End, 2)
		h := echo()
		h.Close = func(_ *Conn, end End) { ends <- end }
		_, addr := serveTLS(t, cfg, h)
		honest := dialTLS(t, addr)
		_, w, s := dialSealed(t, addr, tls.VersionTLS13)
		var flood []byte
		for range 100 {
			flood = append(flood, s.seal(recordHandshake, keyUpdate)...)
			s.update(t)
		}
		w.Conn.Write(flood)
		end := await(t, ends)
		require.Equal(t, ws.StatusAbnormalClosure, end.Code)
		require.ErrorContains(t, end.Err, "tls: too many")
		honest.text("still here")
		honest.want("still here")
	})
}

// A client that asks for another handshake, which TLS 1.2 has, is told so and
// cut off.
func TestTLSRenegotiation(t *testing.T) {
	inModes(t, func(t *testing.T, cfg *Config) {
		ends := make(chan End, 2)
		h := echo()
		h.Close = func(_ *Conn, end End) { ends <- end }
		_, addr := serveTLS(t, cfg, h)
		honest := dialTLS(t, addr)
		c, w, s := dialSealed(t, addr, tls.VersionTLS12)
		_, err := w.Conn.Write(s.seal12(recordData, hello))
		require.NoError(t, err)
		c.want("hello")
		_, err = w.Conn.Write(s.seal12(recordHandshake, clientHello(t)[5:]))
		require.NoError(t, err)
		_, err = c.r.ReadByte()
		require.ErrorContains(t, err, "unexpected message")
		end := await(t, ends)
		require.Equal(t, ws.StatusAbnormalClosure, end.Code)
		require.ErrorContains(t, end.Err, "tls: ")
		honest.text("still here")
		honest.want("still here")
	})
}

// cut is a connection that ends after some bytes.
type cut struct {
	net.Conn
	left int
}

func (c *cut) Write(p []byte) (int, error) {
	if len(p) > c.left {
		c.Conn.Write(p[:c.left])
		c.Conn.Close()
		c.left = 0
		return 0, io.ErrClosedPipe
	}
	c.left -= len(p)
	return c.Conn.Write(p)
}

// cutSession is a session of a client with TLS that sends at most left bytes.
// It reports whether the session was complete, and how many bytes it took.
func cutSession(t *testing.T, addr string, cfg *tls.Config, left int) (whole bool, used int) {
	raw, err := net.Dial("tcp", addr)
	if err != nil {
		t.Error(err)
		return false, 0
	}
	defer raw.Close()
	raw.SetDeadline(time.Now().Add(20 * time.Second))
	if left%2 == 0 {
		raw.(*net.TCPConn).SetLinger(0) // a reset
	}
	limited := &cut{raw, left}
	conn := tls.Client(limited, cfg)
	br, _, err := ws.Dialer{}.Upgrade(conn, &url.URL{Scheme: "wss", Host: "example.com", Path: "/"})
	if err != nil {
		return false, 0
	}
	if br == nil {
		br = bufio.NewReader(conn)
	}
	conn.Write(hello)
	if _, err := ws.ReadFrame(br); err != nil {
		return false, 0
	}
	conn.Write(ws.AppendFrame(nil, ws.MaskFrame(ws.NewCloseFrame(nil))))
	_, err = ws.ReadFrame(br)
	return err == nil, left - limited.left
}

// A fault at every byte that a client sends in a session with TLS leaves
// nothing behind. -short takes every third byte.
func TestTLSFaultAtEveryByte(t *testing.T) {
	step := int64(1)
	if race.Enabled || testing.Short() {
		step = 3
	}
	inModes(t, func(t *testing.T, server *Config) {
		var opens, closes atomic.Int64
		h := echo()
		h.Open = func(*Conn) { opens.Add(1) }
		h.Close = func(*Conn, End) { closes.Add(1) }
		var cfg *tls.Config
		server.TLS, cfg = certificate(t)
		cfg.CurvePreferences = []tls.CurveID{tls.X25519} // whose ClientHello is short
		cfg.MinVersion = tls.VersionTLS13
		s, addr := serve(t, server, h)
		whole, size := cutSession(t, addr, cfg, 1<<20)
		require.True(t, whole)
		var sessions sync.WaitGroup
		var next atomic.Int64
		for range 8 {
			sessions.Go(func() {
				for left := next.Add(step) - step; left < int64(size); left = next.Add(step) - step {
					if whole, _ := cutSession(t, addr, cfg, int(left)); whole {
						t.Errorf("complete after %d of %d bytes", left, size)
					}
				}
			})
		}
		sessions.Wait()
		whole, _ = cutSession(t, addr, cfg, 1<<20)
		require.True(t, whole)
		require.Eventually(t, func() bool { return s.Conns() == 0 }, 20*time.Second, time.Millisecond)
		require.Equal(t, opens.Load(), closes.Load())
	})
}
