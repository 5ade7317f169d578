package natsbroker

import (
	"cmp"
	"crypto/rand"
	"fmt"
	"net"
	"net/url"
	"os"
	"strconv"
	"time"

	"github.com/nats-io/nats-server/v2/server"
)

// startTimeout limits the time to start a server, not including the cluster.
const startTimeout = 10 * time.Second

// ServerOptions are the options of [StartServer].
type ServerOptions struct {
	// Listen is the host:port for connections from the servers of other copies.
	// The connections are not encrypted, so use a private network. Port 0
	// chooses a free port: see [Server.Addr].
	Listen string

	// Join lists the host:port of other servers, at least one of which must be
	// running. It may contain the address of this server. If it is empty, this
	// is the first server of the cluster.
	Join []string

	// Name identifies the server in the cluster. It must stay the same when a
	// copy is restarted. "" means the host name and the port.
	Name string

	// Secret is a password that all servers of the cluster share. Servers with
	// a different one are refused. "" admits every server that can connect.
	Secret string

	// Dir is the directory of the streams. "" means a temporary directory,
	// which Shutdown removes; at the next start, the server copies the streams
	// from the others.
	Dir string

	// MaxStore is the maximum size of all streams in bytes, separately for
	// files and for memory. 0 means four times DefaultMaxBytes.
	MaxStore int64

	// Logger receives the log of the server. nil means no log.
	Logger server.Logger
}

// Server is a NATS server in this process. Servers that join each other form a
// cluster. Streams work only while at least two servers run, and more than half
// of all servers that have ever joined.
type Server struct {
	server    *server.Server
	password  string // for clients; only this process knows it
	temporary string // the directory to remove
}

// clusterName is the name of the cluster, and the user name of its servers.
const clusterName = "wskit"

// StartServer starts a server. It does not wait for others.
func StartServer(o ServerOptions) (*Server, error) {
	options, err := o.server()
	if err != nil {
		return nil, err
	}
	if err := checkFree(o.Listen); err != nil {
		return nil, err
	}
	s := &Server{password: options.Password}
	if options.StoreDir == "" {
		if s.temporary, err = os.MkdirTemp("", "wskit-nats-"); err != nil {
			return nil, fmt.Errorf("natsbroker: %w", err)
		}
		options.StoreDir = s.temporary
	}
	if s.server, err = server.NewServer(options); err != nil {
		s.remove()
		return nil, fmt.Errorf("natsbroker: %w", err)
	}
	if o.Logger != nil {
		s.server.SetLoggerV2(o.Logger, false, false, false)
	}
	s.server.Start()
	if !s.server.ReadyForConnections(startTimeout) {
		s.Shutdown()
		return nil, fmt.Errorf("natsbroker: the server did not start within %v", startTimeout)
	}
	return s, nil
}

// checkFree returns an error if addr is not available. The server would not
// return one.
func checkFree(addr string) error {
	ln, err := net.Listen("tcp", addr)
	if err != nil {
		return fmt.Errorf("natsbroker: %w", err)
	}
	return ln.Close()
}

// server returns the options of the server. A cluster requires a listener for
// clients, so there is one on the loopback address with a secret password.
func (o *ServerOptions) server() (*server.Options, error) {
	host, port, err := splitAddr("Listen", o.Listen)
	if err != nil {
		return nil, err
	}
	if port == 0 {
		port = server.RANDOM_PORT
	}
	store := cmp.Or(o.MaxStore, 4*DefaultMaxBytes)
	options := &server.Options{
		ServerName:         o.Name,
		Host:               "127.0.0.1",
		Port:               server.RANDOM_PORT,
		Username:           clusterName,
		Password:           rand.Text(),
		NoSigs:             true,
		NoLog:              o.Logger == nil,
		JetStream:          true,
		StoreDir:           o.Dir,
		JetStreamMaxStore:  store,
		JetStreamMaxMemory: store,
		Cluster: server.ClusterOpts{
			Name: clusterName, Host: host, Port: port,
			Username: clusterName, Password: o.Secret,
		},
		DisableJetStreamBanner: true,
	}
	if o.Secret == "" {
		options.Cluster.Username = ""
	}
	if options.ServerName == "" {
		name, _ := os.Hostname()
		options.ServerName = fmt.Sprintf("%s-%d", name, port)
	}
	return options, o.addRoutes(options)
}

// addRoutes adds the servers to join. JetStream requires a route in a cluster,
// so the first server has one to itself.
func (o *ServerOptions) addRoutes(options *server.Options) error {
	join := o.Join
	if len(join) == 0 {
		join = []string{net.JoinHostPort(cmp.Or(options.Cluster.Host, "127.0.0.1"), strconv.Itoa(max(options.Cluster.Port, 1)))}
	}
	for _, addr := range join {
		host, port, err := splitAddr("Join", addr)
		if err != nil {
			return err
		}
		if host == "" || port == 0 {
			return fmt.Errorf("natsbroker: Join %q: want host:port", addr)
		}
		route := &url.URL{Scheme: "nats-route", Host: addr}
		if o.Secret != "" {
			route.User = url.UserPassword(clusterName, o.Secret)
		}
		options.Routes = append(options.Routes, route)
	}
	return nil
}

func splitAddr(option, addr string) (host string, port int, err error) {
	host, digits, err := net.SplitHostPort(addr)
	if err != nil {
		return "", 0, fmt.Errorf("natsbroker: %s %q: want host:port", option, addr)
	}
	n, err := strconv.ParseUint(digits, 10, 16)
	if err != nil {
		return "", 0, fmt.Errorf("natsbroker: %s %q: invalid port", option, addr)
	}
	return host, int(n), nil
}

// Addr returns the address that other servers join.
func (s *Server) Addr() string {
	if a := s.server.ClusterAddr(); a != nil {
		return a.String()
	}
	return ""
}

// Peers returns how many other servers are connected.
func (s *Server) Peers() int { return s.server.NumRoutes() }

// Shutdown transfers leadership to other servers, ends the server, and waits
// until it has ended.
func (s *Server) Shutdown() {
	s.server.Shutdown()
	s.server.WaitForShutdown()
	s.remove()
}

func (s *Server) remove() {
	if s.temporary != "" {
		_ = os.RemoveAll(s.temporary)
	}
}
