package proxy

import (
	"context"
	"crypto/tls"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"sync"
	"sync/atomic"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/certificate"
	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/trace"
	"github.com/wskit/wskit/ws"
)

// options are the flags.
type options struct {
	connect.Flags
	listen, saveCert     string
	selfSigned           bool
	record, replay       string
	pageAddr             string
	speed                float64
	ruleTexts            []string
	plain, keepHost      bool
	width                int
	inflate, json, quiet bool
}

const long = `Proxy between clients and a server. The proxy forwards the handshake and all frames
unchanged, and prints a line for each frame, as wskit trace does. Frames go to stdout and
other events to stderr. Ctrl-C closes all connections and prints a summary.

The server receives the client's request with the server's Host, or with the client's Host
if --keep-host is given. The path is that of the URL, or the client's path if the URL has
none. Offers, subprotocols, cookies and Origin are forwarded unchanged. Frames are
forwarded byte by byte; "-z" decompresses only the printed frames. Other HTTP requests are
forwarded if they have no body. The proxy supports only HTTP/1.1. It reads only as fast as
the other side accepts data, and forwards half-closes.

--record writes the bytes of both sides to a file, which may contain cookies and passwords.
--replay plays the file: as the clients with a URL, or as the server with --listen. Each
line of the file is a JSON object with time, connection, from and bytes (base64).

` + ruleHelp + `

` + exit.Help

// Command returns wskit proxy.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "proxy [URL]",
		Short: "Proxy between clients and a server: show, record, replay and break frames",
		Long:  long,
		Example: `  wskit proxy --listen :9000 ws://localhost:8080
  wskit proxy --page 127.0.0.1:9001 ws://localhost:8080             # and open the page in a browser
  wskit proxy --tls --record session.jsonl wss://example.com/chat
  wskit proxy --rule 'server text *password* delay 200ms' --rule 'client ping drop' ws://localhost:8080
  wskit proxy --replay session.jsonl --speed 10 ws://localhost:8080  # as the clients
  wskit proxy --replay session.jsonl --listen :9000                  # as the server`,
		Args: exit.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringVarP(&o.listen, "listen", "l", "127.0.0.1:9000", "host:port or unix:/path to listen on; port 0: any free port, no host: all interfaces")
	flags.BoolVar(&o.selfSigned, "tls", false, "accept wss and https, with a certificate generated at startup")
	flags.StringVar(&o.saveCert, "tls-save", "", "file to write that certificate to, for --ca of clients")
	flags.StringArrayVarP(&o.ruleTexts, "rule", "r", nil, "rule for frames, see above (repeatable)")
	flags.BoolVar(&o.plain, "no-compression", false, "remove the extensions that clients offer")
	flags.BoolVar(&o.keepHost, "keep-host", false, "forward the client's Host")
	flags.StringVar(&o.record, "record", "", "file to write the session to")
	flags.StringVar(&o.replay, "replay", "", "recorded session to play: as the clients if a URL is given, otherwise as the server")
	flags.Float64Var(&o.speed, "speed", 1, "speed factor of --replay; 0: without pauses")
	flags.IntVarP(&o.width, "width", "w", 64, "maximum number of payload bytes to show; -1: all")
	flags.BoolVarP(&o.inflate, "inflate", "z", false, "show compressed messages decompressed")
	flags.BoolVar(&o.json, "json", false, "print a JSON object for each frame")
	flags.StringVar(&o.pageAddr, "page", "", "host:port to serve a page with the frames on")
	flags.BoolVarP(&o.quiet, "quiet", "q", false, "do not print frames")
	o.RegisterConnection(flags)
	return cmd
}

func (o *options) check(cmd *cobra.Command, args []string) error {
	switch {
	case len(args) == 0 && o.replay == "":
		return exit.Usagef("give the URL of a server, or --replay")
	case len(args) == 1 && o.replay != "" && cmd.Flags().Changed("listen"):
		return exit.Usagef("--replay plays the clients with a URL, or the server with --listen: give one of them")
	case cmd.Flags().Changed("speed") && o.replay == "":
		return exit.Usagef("--speed requires --replay")
	case !(o.speed >= 0 && o.speed <= 1e6):
		return exit.Usagef("--speed %v: give a number from 0 to 1000000", o.speed)
	case o.width < -1:
		return exit.Usagef("--width %d: give a number of bytes, or -1", o.width)
	case o.saveCert != "" && !o.selfSigned:
		return exit.Usagef("--tls-save requires --tls")
	}
	return exit.File("--record", o.record)
}

// proxy is a run of wskit proxy.
type proxy struct {
	*options
	target    *url.URL // nil for a recorded server
	dialer    ws.Dialer
	rules     []*rule
	live      *trace.Live
	page      *feed // nil without --page
	recorder  *recorder
	recording *recording
	stderr    io.Writer
	fail      context.CancelCauseFunc // ends the program with an error

	logging       sync.Mutex
	conns, edited atomic.Int64
	bytes, frames [2]atomic.Int64 // indexed by sender
}

func (o *options) run(cmd *cobra.Command, args []string) (err error) {
	if err := o.check(cmd, args); err != nil {
		return err
	}
	ctx, fail := context.WithCancelCause(cmd.Context())
	defer fail(nil)
	out := cmd.OutOrStdout()
	if o.quiet {
		out = io.Discard
	}
	p := &proxy{options: o, stderr: cmd.ErrOrStderr(), fail: fail,
		live: trace.NewLive(out, trace.LiveOptions{Width: o.width, Inflate: o.inflate, JSON: o.json})}
	if err := p.prepare(args); err != nil {
		return err
	}
	defer func() { err = errors.Join(err, p.recorder.close()) }()
	if p.recording != nil {
		defer p.recording.file.Close()
	}
	stop, err := p.servePage()
	if err != nil {
		return err
	}
	defer stop()
	if p.recording != nil && p.target != nil {
		err = p.replayClients(ctx)
	} else {
		err = p.accept(ctx)
	}
	if errors.Is(err, context.Canceled) { // Ctrl-C is the normal end
		err = nil
	}
	return err
}

// prepare checks the remaining flags and opens the files.
func (p *proxy) prepare(args []string) (err error) {
	if p.rules, err = parseRules(p.ruleTexts); err != nil {
		return err
	}
	if len(args) == 1 {
		if p.target, err = p.Target(args[0]); err != nil {
			return err
		}
		if p.target.User != nil {
			return exit.Usagef("%s: the proxy forwards the client's Authorization: remove name and password", p.target.Redacted())
		}
	}
	if p.dialer, err = p.Dialer(); err != nil {
		return err
	}
	if p.replay != "" {
		if p.recording, err = openRecording(p.replay); err != nil {
			return err
		}
	}
	p.recorder, err = newRecorder(p.record)
	return err
}

// path returns the path that replaces the path of requests, or "".
func (p *proxy) path() string {
	if p.target == nil || p.target.RequestURI() == "/" {
		return ""
	}
	return p.target.RequestURI()
}

// backend returns the name of the server.
func (p *proxy) backend() string {
	if p.target == nil {
		return "recorded server"
	}
	return p.Name(p.target)
}

// connect opens the server's connection for the client connection with this
// number.
func (p *proxy) connect(ctx context.Context, number int) (net.Conn, error) {
	if p.target == nil {
		i := (number - 1) % len(p.recording.conns)
		return p.recording.player(i, trace.Server, p.speed, p.warner(number)), nil
	}
	conn, err := p.dialer.Connect(ctx, p.target, nil)
	if err != nil {
		return nil, p.Reason(p.target, err)
	}
	return conn, nil
}

// maxConnections is the maximum number of concurrent connections. More wait to
// be accepted.
const maxConnections = 1024

// accept serves clients until ctx ends.
func (p *proxy) accept(ctx context.Context) error {
	ln, err := p.listener()
	if err != nil {
		return err
	}
	defer p.summary()
	defer context.AfterFunc(ctx, func() { ln.Close() })()
	defer ln.Close()
	scheme := "ws"
	if p.selfSigned {
		scheme = "wss"
	}
	p.log(0, fmt.Sprintf("listening at %s://%v for %s", scheme, ln.Addr(), p.backend()))
	var all sync.WaitGroup
	defer all.Wait()
	slots := make(chan struct{}, maxConnections)
	for {
		select {
		case slots <- struct{}{}:
		case <-ctx.Done():
			return context.Cause(ctx)
		}
		conn, err := ln.Accept()
		if ctx.Err() != nil {
			if err == nil {
				conn.Close()
			}
			return context.Cause(ctx)
		}
		if err != nil { // for example, the process has no free descriptor
			p.log(0, err.Error())
			time.Sleep(100 * time.Millisecond)
			<-slots
			continue
		}
		all.Go(func() {
			defer func() { <-slots }()
			p.serve(ctx, conn, p.number())
		})
	}
}

func (p *proxy) listener() (net.Listener, error) {
	network, addr, err := connect.Address("--listen", p.listen)
	if err != nil {
		return nil, err
	}
	var config *tls.Config
	if p.selfSigned {
		pair, err := certificate.Make(p.listen, p.saveCert)
		if err != nil {
			return nil, err
		}
		keys, err := connect.KeyLog()
		if err != nil {
			return nil, err
		}
		config = &tls.Config{Certificates: []tls.Certificate{pair}, NextProtos: []string{"http/1.1"}, KeyLogWriter: keys}
	}
	ln, err := net.Listen(network, addr)
	if err != nil {
		return nil, fmt.Errorf("cannot listen: %w: choose another --listen", err)
	}
	if config != nil {
		ln = tls.NewListener(ln, config)
	}
	return ln, nil
}

// number returns the number of a new connection.
func (p *proxy) number() int { return int(p.conns.Add(1)) }

// log prints a line about the connection with this number. The number 0 means
// no connection.
func (p *proxy) log(number int, text string) {
	p.logging.Lock()
	defer p.logging.Unlock()
	if number > 0 {
		text = fmt.Sprintf("connection %d: %s", number, text)
	}
	fmt.Fprintln(p.stderr, text)
}

func (p *proxy) warner(number int) func(string) {
	return func(text string) { p.log(number, text) }
}

// count adds the connection to the summary.
func (s *session) count() {
	for side := range s.frames {
		s.frames[side].Add(s.live.Frames(trace.Sender(side)))
	}
}

func (p *proxy) summary() {
	text := fmt.Sprintf("connections: %d", p.conns.Load())
	for side := range p.frames {
		text += fmt.Sprintf("; %v: %d frames, %d bytes", trace.Sender(side), p.frames[side].Load(), p.bytes[side].Load())
	}
	if len(p.rules) > 0 {
		text += fmt.Sprintf("; rules applied: %d", p.edited.Load())
	}
	p.log(0, text)
}
