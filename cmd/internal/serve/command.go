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
	compress, logFormat, static  string
	origins, subprotocols        []string
	maxMessage                   int64
	maxConnections, maxBacklog   int
	keepAlive, idle, shutdown    time.Duration

	exec, tcp           string
	command             []string // the words of exec
	binary, noHalfClose bool
	maxProcesses        int
}

const long = `Serve endpoints to try a client against, and a page to try them with:

  /echo       sends each message back
  /chat       a chat room: text in (64 KiB at most), JSON out; ?room= and ?name= choose
  /broadcast  sends each message to all clients that are connected here
  /hub        with --hub: topics, history and presence, in JSON; /hub.js is its client
  /exec       with --exec: a process for each connection
  /tcp        with --tcp: a TCP or Unix connection for each one
  /metrics    figures in the format of Prometheus
  /           the page, or with --static the directory; the page is then at /wskit

No member of /chat and /broadcast waits for another one. If more than twice --max-backlog
bytes (800 kB at least) would wait for a slow member, or be on their way to it, the server
closes that member with 1013. wskit_slow_members_total of /metrics counts these members.
A message of /broadcast is no longer than --max-backlog.

--hub keeps the last 100 messages of each topic, 256 KiB at most, for 10 minutes: a client
that reconnects gets what it has missed. Only subscribers of a topic may publish to it.

--exec starts the command for each connection to /exec. A message becomes a line of its
stdin, and a line of its stdout a text message; with --binary both are bytes as they
come. Its stderr goes to the log. When it ends with status 0 the connection is closed with
1000, and else with 1011 and the status. When the connection ends, stdin ends, and the
process is killed 2 s later. The command is no line for a shell: --exec 'sh -c "a | b"'.

--tcp connects each connection to /tcp with a server of TCP or at unix:/path: messages
are bytes for it, and its bytes binary messages. At /exec and /tcp, an empty binary
message stands for the end of what one side sends, since a WebSocket has no half-close.

All of it is served over HTTP/1.1 and HTTP/2, at the same port: over HTTP/2, WebSockets
come by extended CONNECT (RFC 8441), and without TLS only from clients that know so
before. --http2=false leaves HTTP/1.1. --http3 adds HTTP/3 at the UDP port of the same
number (RFC 9220), which the answers of the others announce.

The URLs go to stdout, the log to stderr. Ctrl-C closes all connections with 1001 and
ends the server.

` + exit.Help

// Command returns wskit serve.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "serve",
		Short: "Serve echo, chat and broadcast endpoints, and a page to try them",
		Long:  long,
		Example: `  wskit serve
  wskit serve --addr :8080 --tls          # reachable by phones, with a certificate made now
  wskit serve --static ./web --origin 'localhost:*' --log json
  wskit serve --exec 'jq --unbuffered -c .'
  wskit serve --tcp localhost:5432
  curl -s localhost:8080/metrics | grep wskit_`,
		Args: exit.Args(cobra.NoArgs),
		RunE: func(cmd *cobra.Command, _ []string) error { return o.run(cmd) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.addr, "addr", "a", "127.0.0.1:8080", "host:port to listen on; port 0 chooses one, no host is all interfaces")
	flags.BoolVar(&o.selfSigned, "tls", false, "serve wss and https, with a certificate that is made at the start")
	flags.StringVar(&o.saveCert, "tls-save", "", "file to write that certificate to, for --ca of clients")
	flags.StringVar(&o.cert, "cert", "", "file of the certificate (PEM) to serve wss and https with")
	flags.StringVar(&o.key, "key", "", "file of its key (PEM), if it is not in that of --cert")
	flags.BoolVar(&o.http2, "http2", true, "also speak HTTP/2, and take WebSockets over it (RFC 8441)")
	flags.BoolVar(&o.http3, "http3", false, "also speak HTTP/3 over UDP, and take WebSockets over it (RFC 9220); needs --tls or --cert")
	flags.StringVarP(&o.compress, "compress", "z", "takeover", "compression (RFC 7692): takeover, no-takeover or off")
	flags.StringSliceVar(&o.origins, "origin", nil, "hosts whose pages may connect, beside our own, as example.com or localhost:*")
	flags.BoolVar(&o.anyOrigin, "any-origin", false, "let every page connect")
	flags.StringSliceVarP(&o.subprotocols, "subprotocol", "s", nil, "subprotocols to speak, the best first")
	flags.Int64Var(&o.maxMessage, "max-message", 16<<20, "the longest message in bytes; -1: any")
	flags.IntVar(&o.maxConnections, "max-connections", 0, "refuse connections beyond this many; 0: none")
	flags.IntVar(&o.maxBacklog, "max-backlog", defaultBacklog, "bytes that may wait for a slow member of /chat or /broadcast while as many are written; -1: any")
	flags.DurationVar(&o.keepAlive, "keep-alive", 30*time.Second, "ping clients that have been silent for so long; 0: never")
	flags.DurationVar(&o.idle, "idle-timeout", 0, "close connections that have been silent for so long; 0: never")
	flags.DurationVar(&o.shutdown, "shutdown-timeout", 5*time.Second, "how long clients may take to close when the server ends")
	flags.BoolVar(&o.onLoop, "loop", false, "serve /echo without a goroutine for each connection (package wsloop), and its counters at /debug/vars; with TLS one goroutine stays, and over HTTP/2 all")
	flags.BoolVar(&o.withHub, "hub", false, "serve /hub: topics with history, by the protocol of package hubproto, and a chat on the page")
	flags.StringVar(&o.static, "static", "", "directory to serve: its regular files, without links out of it and names that begin with a dot")
	flags.BoolVar(&o.dotfiles, "dotfiles", false, "with --static: also serve names that begin with a dot")
	flags.StringVar(&o.exec, "exec", "", "command to start for each connection to /exec")
	flags.BoolVar(&o.binary, "binary", false, "with --exec: stdin and stdout are bytes, not lines of text")
	flags.IntVar(&o.maxProcesses, "max-processes", 64, "with --exec: connections beyond this many are closed with 1013; 0: none")
	flags.StringVar(&o.tcp, "tcp", "", "host:port or unix:/path to connect connections to /tcp with")
	flags.BoolVar(&o.noHalfClose, "no-half-close", false, "with --tcp: its end closes the connection, in place of an empty message")
	flags.StringVar(&o.logFormat, "log", "text", "format of the log: text or json")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "log errors alone")
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
		return exit.Usagef("--key needs --cert")
	case o.saveCert != "" && !o.selfSigned:
		return exit.Usagef("--tls-save needs --tls")
	case o.http3 && !o.selfSigned && o.cert == "":
		return exit.Usagef("--http3 needs --tls or --cert: HTTP/3 is always encrypted")
	case o.http3 && o.onLoop:
		return exit.Usagef("--http3 and --loop: a loop takes no streams")
	case o.dotfiles && o.static == "":
		return exit.Usagef("--dotfiles needs --static")
	case o.binary && o.exec == "":
		return exit.Usagef("--binary needs --exec")
	case o.noHalfClose && o.tcp == "":
		return exit.Usagef("--no-half-close needs --tcp")
	case o.maxProcesses < 0:
		return exit.Usagef("--max-processes %d: give 0 or more", o.maxProcesses)
	case o.maxConnections < 0 || o.keepAlive < 0 || o.idle < 0 || o.shutdown <= 0:
		return exit.Usagef("--max-connections, --keep-alive, --idle-timeout and --shutdown-timeout cannot be negative")
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
	ln, err := net.Listen("tcp", o.addr)
	if err != nil {
		return fmt.Errorf("cannot listen: %w: choose another --addr (make run: ADDR=host:port)", err)
	}
	go s.runHub(cmd.Context())
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

// end lets requests and connections end, and closes those that are left after
// --shutdown-timeout.
func (o *options) end(s *server, web *http.Server, udp *overUDP) error {
	s.log.Info("shutting down", "connections", s.group.Len())
	ctx, cancel := context.WithTimeout(context.Background(), o.shutdown)
	defer cancel()
	s.frames.close()
	err := errors.Join(s.drainHub(ctx), s.group.Shutdown(ctx), web.Shutdown(ctx))
	udp.end(ctx)
	if s.loop != nil {
		err = errors.Join(err, s.loop.Shutdown(ctx))
	}
	if err != nil {
		s.log.Warn("some connections did not close in time")
		web.Close()
	}
	return nil
}

// printURLs prints where the server can be reached.
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

// hosts returns the addresses at which a listener can be reached: those of the
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
