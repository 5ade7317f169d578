package wsloop

import (
	"context"
	"crypto/tls"
	"crypto/x509"
	"net/http/httptest"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/internal/race"
	"github.com/wskit/wskit/websocket/wstest"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
)

// certificate returns the certificate of net/http/httptest, and what trusts it.
func certificate(t testing.TB) (server, client *tls.Config) {
	s := httptest.NewUnstartedServer(nil)
	s.StartTLS()
	defer s.Close()
	pool := x509.NewCertPool()
	pool.AddCert(s.Certificate())
	return &tls.Config{Certificates: s.TLS.Certificates}, &tls.Config{RootCAs: pool, ServerName: "example.com"}
}

// The whole suite, with compression. Every case has to be strict or tolerated.
func TestConformance(t *testing.T) {
	for name, set := range map[string]func(cfg *Config){
		"one loop":   func(cfg *Config) { cfg.Loops = 1 },
		"two loops":  func(cfg *Config) { cfg.Loops = 2 },
		"goroutines": func(cfg *Config) { cfg.Loops, cfg.Goroutines = 1, true },
		"TLS": func(cfg *Config) {
			cfg.TLS, _ = certificate(t)
			cfg.CheckOrigin = func(*ws.Request) bool { return true } // the suite names http
		},
	} {
		t.Run(name, func(t *testing.T) {
			cfg := &Config{
				Compression:  &wsflate.Parameters{},
				MaxMessage:   suiteMessage,
				CloseTimeout: 2 * time.Second,
			}
			cfg.Queue.MaxBytes, cfg.Queue.MaxMessages = 4*suiteMessage, -1
			set(cfg)
			_, addr := serve(t, cfg, echo())
			o := &wstest.Options{MaxMessage: suiteMessage, RequireCompression: true, Parallel: 32}
			url := "ws://" + addr
			if cfg.TLS != nil {
				url = "wss://" + addr
				_, o.TLS = certificate(t)
			}
			if race.Enabled || testing.Short() || name != "one loop" {
				o.Filter = "^(close|ping|fragment|length|request|deflate/offer)"
			}
			r, err := wstest.RunServer(context.Background(), url, o)
			require.NoError(t, err)
			require.NotZero(t, r.Agents[0].Counts.Strict)
			for _, result := range r.Agents[0].Results {
				if result.Verdict == wstest.Failed {
					t.Errorf("%s: %s", result.ID, result.Detail)
				}
			}
			t.Logf("%+v", r.Agents[0].Counts)
		})
	}
}

const suiteMessage = 1 << 17
