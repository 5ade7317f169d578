package serve

import (
	"context"
	"io"
	"log/slog"
	"net/http/httptest"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub/hubproto"
	"github.com/wskit/wskit/internal/freeaddr"
)

func TestClusterFlags(t *testing.T) {
	for want, c := range map[string]clusterFlags{
		"--cluster needs --hub":              {cluster: embedded},
		"need --cluster embedded":            {cluster: "nats://localhost", join: []string{"a:1"}},
		`"a": write host:port`:               {cluster: embedded, join: []string{"a"}, listen: "127.0.0.1:1"},
		`"redis://x": use embedded, or URLs`: {cluster: "redis://x"},
		`"nats://": use embedded`:            {cluster: "nats://"},
	} {
		require.ErrorContains(t, c.check(want != "--cluster needs --hub"), want)
	}
	for _, good := range []clusterFlags{
		{}, {cluster: "nats://a:4222,tls://b"}, {cluster: embedded, listen: ":6222", join: []string{"a:1", "b:2"}},
	} {
		require.NoError(t, good.check(true))
	}
}

func TestClusterSecret(t *testing.T) {
	empty := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(empty, []byte("\n"), 0o600))
	for want, file := range map[string]string{"is empty": empty, "no such file": empty + "x"} {
		c := clusterFlags{cluster: embedded, listen: "127.0.0.1:0", secretFile: file}
		_, err := c.start(slog.New(slog.DiscardHandler))
		require.ErrorContains(t, err, want)
	}
}

// Two servers with --cluster embedded: what is published at one arrives at the other.
func TestClusterEmbedded(t *testing.T) {
	addrs := freeaddr.Loopback(t, 2)
	secret := filepath.Join(t.TempDir(), "secret")
	require.NoError(t, os.WriteFile(secret, []byte("s3cret\n"), 0o600))
	ctx, cancel := context.WithTimeout(t.Context(), 2*time.Minute)
	defer cancel()
	var clients []*hubproto.Client
	for _, addr := range addrs {
		o := &options{withHub: true, compress: "off", clusterFlags: clusterFlags{
			cluster: embedded, listen: addr, join: addrs, secretFile: secret, dir: t.TempDir(),
		}}
		s, err := newServer(o, slog.New(slog.NewTextHandler(io.Discard, nil)))
		require.NoError(t, err)
		defer s.cluster.end()
		running, stop := context.WithCancel(t.Context())
		defer stop()
		go s.runHub(running)
		web := httptest.NewServer(s.handler())
		defer web.Close()
		c := hubproto.NewClient("ws"+strings.TrimPrefix(web.URL, "http")+"/hub", nil)
		go c.Run(running)
		clients = append(clients, c)
	}
	live, got := make(chan bool, 2), make(chan hubproto.Event, 16)
	for i, c := range clients {
		require.NoError(t, c.Subscribe("room", nil, func(e hubproto.Event) {
			switch {
			case e.Kind == hubproto.Live:
				live <- true
			case e.Kind == hubproto.Message && i == 1:
				got <- e
			}
		}))
	}
	for range 2 {
		select {
		case <-live:
		case <-ctx.Done():
			t.Fatal("the cluster does not form")
		}
	}
	_, err := clients[0].Publish(ctx, "room", "hello", nil)
	require.NoError(t, err)
	select {
	case e := <-got:
		require.JSONEq(t, `"hello"`, string(e.Data))
		require.False(t, e.At.IsZero())
	case <-ctx.Done():
		t.Fatal("the message does not arrive")
	}
}
