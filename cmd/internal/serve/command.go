package serve

import (
	"context"
	"errors"
	"fmt"
	"io"
	"log/slog"
	"net"
	"net/http"
	"strings"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket"
)

// options are the flags.
type options struct {
	addr, cert, key, saveCert    string
	selfSigned, anyOrigin, quiet bool
	dotfiles, http2, http3       bool
	onLoop, withHub              bool
	clusterFlags
	compress, logFormat, static string
	origins, subprotocols       []string
	maxMessage                  int64
	maxConnections, maxBacklog  int
	keepAlive, idle, shutdown   time.Duration

	exec, tcp           string
	command             []string // the words of exec
	binary, noHalfClose bool
	maxProcesses        int
}

const long = `Serve endpoints to test clients against, and a page to try them:

  /echo       echoes each message
  /chat       a chat room: text in (at most 64 KiB), JSON out; select with ?room= and ?name=
  /broadcast  sends each message to all clients connected to /broadcast
  /hub        with --hub: topics, history and presence, in JSON; /hub.js is its client
  /exec       with --exec: a process for each connection
  /tcp        with --tcp: a TCP or Unix connection for each WebSocket
  /metrics    metrics in the format of Prometheus
  /           the page, or with --static the directory; the page is then at /wskit

A member of /chat, /broadcast or /hub never waits for another one. If more than twice
--max-backlog bytes (at least 800 kB) are queued for a slow member or being written to it,
the server closes that member with 1013. The metric wskit_slow_members_total counts these
members. A message of /broadcast may have at most --max-backlog bytes.

--hub keeps the last 100 messages of each topic, at most 256 KiB, for 10 minutes: a client
that reconnects receives the messages that it has missed. Only subscribers of a topic may
publish to it.

--cluster joins several servers into one hub. A client that loses its server reconnects to
another one, and receives the messages of up to 5 minutes that it has missed. With
embedded, three servers with the same --join form a cluster. It continues if one of them
ends, and pauses while fewer than two are running.

--exec starts the command for each connection to /exec. A message becomes a line of stdin,
and a line of stdout becomes a text message. With --binary, both are copied as bytes.
stderr goes to the log. If the command exits with status 0, the connection is closed with
1000, and otherwise with 1011 and the status. When the connection ends, stdin ends, and
the process is killed 2 s later. The command is not run by a shell; for a shell, use
--exec 'sh -c "a | b"'.

--tcp opens a connection to a TCP server or to unix:/path for each connection to /tcp.
Messages are written to it as bytes, and its bytes are sent as binary messages. At /exec
and /tcp, an empty binary message marks the end of one direction, because a WebSocket has
no half-close.

HTTP/1.1 and HTTP/2 are served on the same port. Over HTTP/2, WebSockets use extended
CONNECT (RFC 8441). Without TLS, the client must know that the server supports HTTP/2.
--http2=false serves only HTTP/1.1. --http3 also serves HTTP/3 (RFC 9220) on the UDP port
with the same number. HTTP/1.1 and HTTP/2 responses announce that port.

The URLs go to stdout, and the log to stderr. Ctrl-C closes all connections with 1001 and
stops the server.

` + exit.Help

// Command returns wskit serve.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve echo, chat and broadcast endpoints, and a page to try them",
		Long:  long,
		Example: `  wskit serve
  wskit serve --addr :8080 --tls          # for phones, with a generated certificate
  wskit serve --hub --cluster embedded --cluster-listen a:6222 --join a:6222,b:6222,c:6222
  wskit serve --static ./web --origin 'localhost:*' --log json
  wskit serve --exec 'jq --unbuffered -c .'
  wskit serve --tcp localhost:5432
  curl -s localhost:8080/metrics | grep wskit_`,
		Args: exit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.addr, "addr", "a", "127.0.0.1:8080", "host:port to listen on; port 0: any free port, no host: all interfaces")
	flags.BoolVar(&o.selfSigned, "tls", false, "serve wss and https, with a certificate generated at startup")
	flags.StringVar(&o.saveCert, "tls-save", "", "file to write that certificate to, for --ca of clients")
	flags.StringVar(&o.cert, "cert", "", "file of the certificate (PEM) to serve wss and https with")
	flags.StringVar(&o.key, "key", "", "file of its key (PEM), if it is not in the file of --cert")
	flags.BoolVar(&o.http2, "http2", true, "also serve HTTP/2, with WebSockets over it (RFC 8441)")
	flags.BoolVar(&o.http3, "http3", false, "also serve HTTP/3 over UDP, with WebSockets over it (RFC 9220); requires --tls or --cert")
	flags.StringVarP(&o.compress, "compress", "z", "takeover", "compression (RFC 7692): takeover, no-takeover or off")
	flags.StringSliceVar(&o.origins, "origin", nil, "hosts whose pages may connect, in addition to this one, such as example.com or localhost:*")
	flags.BoolVar(&o.anyOrigin, "any-origin", false, "allow pages of all origins to connect")
	flags.StringSliceVarP(&o.subprotocols, "subprotocol", "s", nil, "supported subprotocols, in order of preference")
	flags.Int64Var(&o.maxMessage, "max-message", 16<<20, "maximum message size in bytes; -1: no limit")
	flags.IntVar(&o.maxConnections, "max-connections", 0, "maximum number of connections; 0: no limit")
	flags.IntVar(&o.maxBacklog, "max-backlog", defaultBacklog, "bytes that may be queued for a slow member of /chat, /broadcast or /hub, in addition to as many that are being written; -1: no limit")
	flags.DurationVar(&o.keepAlive, "keep-alive", 30*time.Second, "ping clients that have been silent for this time; 0: never")
	flags.DurationVar(&o.idle, "idle-timeout", 0, "close connections that have been silent for this time; 0: never")
	flags.DurationVar(&o.shutdown, "shutdown-timeout", 5*time.Second, "how long clients may take to close when the server stops")
	flags.BoolVar(&o.onLoop, "loop", false, "serve /echo and /hub without a goroutine for each connection (package wsloop), with counters at /debug/vars; connections over TLS or HTTP/2 still need goroutines")
	flags.BoolVar(&o.withHub, "hub", false, "serve /hub: topics with history, by the protocol of package hubproto, and a chat on the page")
	flags.StringVar(&o.cluster, "cluster", "", "with --hub: connect to other servers, through NATS with JetStream (nats://host:4222), or through a NATS server in this process (embedded)")
	flags.StringSliceVar(&o.join, "join", nil, "with --cluster embedded: the --cluster-listen addresses of the other servers; may include that of this server")
	flags.StringVar(&o.listen, "cluster-listen", "127.0.0.1:6222", "with --cluster embedded: host:port for the other servers; not encrypted")
	flags.StringVar(&o.secretFile, "cluster-secret", "", "with --cluster embedded: file with a secret that all servers share; others are refused")
	flags.StringVar(&o.dir, "cluster-dir", "", "with --cluster embedded: directory of the history (default: a temporary one)")
	flags.StringVar(&o.static, "static", "", "directory to serve: regular files, but no links that lead out of it and no names that begin with a dot")
	flags.BoolVar(&o.dotfiles, "dotfiles", false, "with --static: also serve names that begin with a dot")
	flags.StringVar(&o.exec, "exec", "", "command to start for each connection to /exec")
	flags.BoolVar(&o.binary, "binary", false, "with --exec: stdin and stdout are bytes, not lines of text")
	flags.IntVar(&o.maxProcesses, "max-processes", 64, "with --exec: maximum number of processes; further connections are closed with 1013; 0: no limit")
	flags.StringVar(&o.tcp, "tcp", "", "host:port or unix:/path to connect to for each connection to /tcp")
	flags.BoolVar(&o.noHalfClose, "no-half-close", false, "with --tcp: the end of the TCP connection closes the WebSocket, instead of sending an empty message")
	flags.StringVar(&o.logFormat, "log", "text", "format of the log: text or json")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "log only errors")
	return cmd
}

var compressionModes = map[string]websocket.CompressionMode{
	"off":         websocket.CompressionDisabled,
	"takeover":    websocket.CompressionContextTakeover,
	"no-takeover": websocket.CompressionNoContextTakeover,
}

func (o *options) check() error {
	if _, _, err := net.SplitHostPort(o.addr); err != nil {
		return exit.Usagef("--addr %q: write host:port, or :port for all interfaces", o.addr)
	}
	if _, ok := compressionModes[o.compress]; !ok {
		return exit.Usagef("--compress %q: use takeover, no-takeover or off", o.compress)
	}
	if o.logFormat != "text" && o.logFormat != "json" {
		return exit.Usagef("--log %q: use text or json", o.logFormat)
	}
	if err := (&websocket.AcceptOptions{OriginPatterns: o.origins}).Validate(); err != nil {
		return exit.Usagef("--origin: %s", strings.TrimPrefix(err.Error(), "websocket: OriginPatterns: "))
	}
	switch {
	case o.selfSigned && o.cert != "":
		return exit.Usagef("--tls and --cert: give one of them")
	case o.key != "" && o.cert == "":
		return exit.Usagef("--key requires --cert")
	case o.saveCert != "" && !o.selfSigned:
		return exit.Usagef("--tls-save requires --tls")
	case o.http3 && !o.selfSigned && o.cert == "":
		return exit.Usagef("--http3 requires --tls or --cert: HTTP/3 is always encrypted")
	case o.http3 && o.onLoop:
		return exit.Usagef("--http3 cannot be combined with --loop")
	case o.dotfiles && o.static == "":
		return exit.Usagef("--dotfiles requires --static")
	case o.binary && o.exec == "":
		return exit.Usagef("--binary requires --exec")
	case o.noHalfClose && o.tcp == "":
		return exit.Usagef("--no-half-close requires --tcp")
	case o.maxProcesses < 0:
		return exit.Usagef("--max-processes %d: give 0 or more", o.maxProcesses)
	case o.maxConnections < 0 || o.keepAlive < 0 || o.idle < 0 || o.shutdown <= 0:
		return exit.Usagef("--max-connections, --keep-alive, --idle-timeout and --shutdown-timeout cannot be negative")
	}
	if err := o.clusterFlags.check(o.withHub); err != nil {
		return err
	}
	return o.checkBridges()
}

func (o *options) logger(w io.Writer) *slog.Logger {
	options := &slog.HandlerOptions{}
	if o.quiet {
		options.Level = slog.LevelError
	}
	if o.logFormat == "json" {
		return slog.New(slog.NewJSONHandler(w, options))
	}
	return slog.New(slog.NewTextHandler(w, options))
}

func (o *options) run(cmd *cobra.Command) error {
	if err := o.check(); err != nil {
		return err
	}
	config, err := o.tls()
	if err != nil {
		return err
	}
	s, err := newServer(o, o.logger(cmd.ErrOrStderr()))
	if err != nil {
		return err
	}
	defer s.cluster.end()
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w: choose another --addr (make run: ADDR=host:port)", err)
	}
	running, stop := context.WithCancel(context.WithoutCancel(cmd.Context()))
	defer stop() // of the hub, when its clients have been closed
	go s.runHub(running)
	web := s.web(config)
	s.logHTTP2(web)
	udp, err := s.startHTTP3(web, ln.Addr())
	if err != nil {
		ln.Close()
		return err
	}
	printURLs(cmd.OutOrStdout(), ln.Addr().(*net.TCPAddr), config != nil, o.endpoints())
	done := make(chan error, 1)
	go func() {
		if config != nil {
			done <- web.ServeTLS(ln, "", "")
		} else {
			done <- web.Serve(ln)
		}
	}()
	select {
	case err := <-done:
		return err
	case err := <-udp.failed():
		return err
	case <-cmd.Context().Done():
		return o.end(s, web, udp)
	}
}

// end waits for requests and connections to end, and closes the remaining ones
// after --shutdown-timeout.
func (o *options) end(s *server, web *http.Server, udp *overUDP) error {
	s.log.Info("shutting down", "connections", s.group.Len())
	ctx, cancel := context.WithTimeout(context.Background(), o.shutdown)
	defer cancel()
	s.frames.close()
	err := errors.Join(s.drainHub(ctx), s.group.Shutdown(ctx), web.Shutdown(ctx))
	udp.end(ctx)
	err = errors.Join(err, s.echoLoops.end(ctx), s.hubLoops.end(ctx))
	if err != nil {
		s.log.Warn("some connections did not close in time")
		web.Close()
	}
	return nil
}

// printURLs prints the URLs of the server.
func printURLs(w io.Writer, addr *net.TCPAddr, secure bool, endpoints []string) {
	web, ws := "http", "ws"
	if secure {
		web, ws = "https", "wss"
	}
	for _, host := range hosts(addr) {
		fmt.Fprintf(w, "page       %s://%s/\n", web, host)
		for _, path := range endpoints {
			fmt.Fprintf(w, "%-10s %s://%s/%s\n", path, ws, host, path)
		}
		fmt.Fprintf(w, "metrics    %s://%s/metrics\n", web, host)
	}
}

// hosts returns the addresses at which a listener can be reached: those of all
// interfaces if it listens on all.
func hosts(addr *net.TCPAddr) []string {
	port := fmt.Sprint(addr.Port)
	if !addr.IP.IsUnspecified() {
		return []string{net.JoinHostPort(addr.IP.String(), port)}
	}
	list := []string{net.JoinHostPort("localhost", port)}
	addrs, _ := net.InterfaceAddrs()
	for _, a := range addrs {
		if n, ok := a.(*net.IPNet); ok && n.IP.To4() != nil && !n.IP.IsLoopback() {
			list = append(list, net.JoinHostPort(n.IP.String(), port))
		}
	}
	return list
}
