package redisbroker

import (
	"context"
	"net"
	"regexp"
	"strconv"
	"testing"

	"github.com/redis/go-redis/v9"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/internal/brokertest"
)

func TestMain(m *testing.M) { brokertest.Main(m) }

func TestLeaks(t *testing.T) { brokertest.Leaks(t, startServer) }

func TestPresence(t *testing.T) { brokertest.Presence(t, startServer) }

func startServer(t *testing.T) brokertest.Server { return startRedis(t) }

// Open implements [brokertest.Server].
func (s *server) Open(t *testing.T, d *brokertest.Dialer) hub.Broker {
	d.Network, d.Address = "unix", s.socket
	b, err := New(Options{History: kept, Redis: &redis.UniversalOptions{
		Dialer: func(_ context.Context, network, addr string) (net.Conn, error) { return d.Dial(network, addr) },
	}})
	require.NoError(t, err)
	return b
}

// Left implements [brokertest.Server].
func (s *server) Left(t *testing.T) int {
	client := redis.NewClient(&redis.Options{Network: "unix", Addr: s.socket})
	defer client.Close()
	channels, err := client.PubSubChannels(t.Context(), "*").Result()
	require.NoError(t, err)
	patterns, err := client.PubSubNumPat(t.Context()).Result()
	require.NoError(t, err)
	info, err := client.Info(t.Context(), "clients").Result()
	require.NoError(t, err)
	found := regexp.MustCompile(`connected_clients:(\d+)`).FindStringSubmatch(info)
	require.NotNil(t, found)
	clients, err := strconv.Atoi(found[1])
	require.NoError(t, err)
	return len(channels) + int(patterns) + clients - 1 // this one
}

// Kill implements [brokertest.Server].
func (s *server) Kill() { s.kill() }

// Restart implements [brokertest.Server].
func (s *server) Restart() {
	s.kill()
	s.start()
}
