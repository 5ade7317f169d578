package serve

import (
	"bytes"
	"log/slog"
	"net"
	"net/url"
	"os"
	"strings"
	"time"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/hub"
	"github.com/wskit/wskit/hub/natsbroker"
)

// embedded is the value of --cluster for a NATS server in this process.
const embedded = "embedded"

// clusterTimeout bounds calls of the broker: a cluster that has lost a node takes up
// to 10 s to choose another leader.
const clusterTimeout = 15 * time.Second

// clusterFlags are the flags that connect servers.
type clusterFlags struct {
	cluster, listen, secretFile, dir string
	join                             []string
}

func (c *clusterFlags) check(withHub bool) error {
	switch {
	case c.cluster != "" && !withHub:
		return exit.Usagef("--cluster needs --hub")
	case c.cluster != embedded && (len(c.join) > 0 || c.secretFile != "" || c.dir != ""):
		return exit.Usagef("--join, --cluster-secret and --cluster-dir need --cluster embedded")
	case c.cluster != embedded:
		return c.checkURLs()
	}
	for _, addr := range append(c.join, c.listen) {
		if _, port, err := net.SplitHostPort(addr); err != nil || port == "" {
			return exit.Usagef("--join and --cluster-listen: %q: write host:port", addr)
		}
	}
	return nil
}

// checkURLs checks --cluster if that is a list of URLs.
func (c *clusterFlags) checkURLs() error {
	if c.cluster == "" {
		return nil
	}
	for text := range strings.SplitSeq(c.cluster, ",") {
		u, err := url.Parse(text)
		if err != nil || u.Host == "" || u.Scheme != "nats" && u.Scheme != "tls" {
			return exit.Usagef("--cluster %q: use embedded, or URLs as nats://host:4222 with commas between", c.cluster)
		}
	}
	return nil
}

// cluster is what connects this server with others.
type cluster struct {
	broker *natsbroker.Broker
	server *natsbroker.Server // with --cluster embedded, or nil
}

// start connects.
func (c *clusterFlags) start(log *slog.Logger) (*cluster, error) {
	made := new(cluster)
	options := natsbroker.Options{
		History: func(string) bool { return true },
		OnError: func(err error) { log.Warn("cluster", "error", err) },
	}
	if c.cluster == embedded {
		server, err := c.startServer()
		if err != nil {
			return nil, err
		}
		made.server, options.Server = server, server
	} else {
		options.URL = c.cluster
	}
	broker, err := natsbroker.New(options)
	if err != nil {
		made.end()
		return nil, exit.Usagef("--cluster: %v", err)
	}
	made.broker = broker
	return made, nil
}

func (c *clusterFlags) startServer() (*natsbroker.Server, error) {
	o := natsbroker.ServerOptions{Listen: c.listen, Join: c.join, Dir: c.dir}
	if c.secretFile != "" {
		secret, err := os.ReadFile(c.secretFile)
		if err != nil {
			return nil, exit.Usagef("--cluster-secret: %v", err)
		}
		if o.Secret = string(bytes.TrimSpace(secret)); o.Secret == "" {
			return nil, exit.Usagef("--cluster-secret: %s is empty", c.secretFile)
		}
	}
	server, err := natsbroker.StartServer(o)
	if err != nil {
		return nil, exit.Usagef("--cluster: %v", err)
	}
	return server, nil
}

// end ends the connection, and the server in this process. c may be nil.
func (c *cluster) end() {
	if c == nil {
		return
	}
	if c.broker != nil {
		c.broker.Close()
	}
	if c.server != nil {
		c.server.Shutdown()
	}
}

// hubOptions returns the options of the hub: a broker in memory, or the cluster.
func (s *server) hubOptions() (*hub.Options, error) {
	o := &hub.Options{CanPublish: onlySubscribers}
	if s.clusterFlags.cluster == "" {
		o.Broker = hub.NewMemory(func(string) hub.History {
			return hub.History{Messages: 100, Bytes: 256 << 10}
		})
		return o, nil
	}
	var err error
	if s.cluster, err = s.clusterFlags.start(s.log); err != nil {
		return nil, err
	}
	o.Broker, o.BrokerTimeout = s.cluster.broker, clusterTimeout
	return o, nil
}
