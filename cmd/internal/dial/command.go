package dial

import (
	"context"
	"io"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
)

// options are the flags.
type options struct {
	connect.Flags
	compress, trace, one, listen, raw bool
	binary, hex, base64, compact      bool
	lingers                           bool // --linger is given
	json, reconnect, noHistory        bool
	messages                          []string
	linger, wait, keepAlive           time.Duration
	maxMessage                        int64
	tcpListen                         string
	noHalfClose                       bool
}

const long = `Send messages to a server and print its messages. On a terminal, each line that you
enter is a message. Lines that begin with "/" are commands; /help lists them. Lines can be
edited, and the arrow keys recall earlier lines.

In a pipe, each line of stdin is a message, and each text message received is a line of
stdout. A binary message is written unchanged to a pipe or a file, and in hexadecimal to a
terminal; --hex and --base64 print it as a line. After the end of stdin, wskit closes the
connection when each message has an answer or no more messages arrive. With --raw, bytes
are sent and received unchanged, as binary messages.

With --tcp-listen, each TCP connection to that address gets its own WebSocket. Its bytes
are sent as binary messages, and messages are written to it as bytes. An empty binary
message marks the end of one direction, as with wskit serve --tcp.

ws+unix:///path/of.sock:/path is the URL of a server on a Unix socket. If SSLKEYLOGFILE
names a file, TLS secrets are written to it, so that Wireshark can decrypt the traffic.

` + exit.Help

// Command returns wskit dial.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "dial URL",
		Short: "Exchange messages with a server",
		Long:  long,
		Example: `  wskit dial ws://localhost:8080/echo
  wskit dial -H 'X-Token: 1' -s chat.v2 --origin https://example.com wss://example.com/chat
  wskit dial --one -m '{"op":"status"}' ws://localhost:8080/api | jq .ok
  wskit dial --one --binary ws://localhost:8080/echo < photo.jpg > copy.jpg
  wskit dial --trace --compress ws://localhost:8080/echo
  wskit dial --listen --reconnect ws://localhost:8080/feed >> feed.log
  wskit dial --raw ws://localhost:8080/echo < in.bin > out.bin
  wskit dial --tcp-listen localhost:5432 wss://example.com/tcp  # served by wskit serve --tcp
  wskit dial ws+unix:///run/app.sock:/chat`,
		Args: exit.Args(cobra.ExactArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args[0]) },
	}
	o.register(cmd)
	return cmd
}

func (o *options) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.StringArrayVarP(&o.messages, "message", "m", nil, "message to send first (repeatable)")
	flags.BoolVarP(&o.one, "one", "1", false, "send --message, or all of stdin, as one message; print one answer and exit")
	flags.DurationVar(&o.wait, "wait", 10*time.Second, "how long --one waits for the answer")
	flags.BoolVar(&o.listen, "listen", false, "do not read stdin")
	flags.DurationVar(&o.linger, "linger", time.Second, "close when stdin has ended and no message has arrived for this time (default: also when each message has an answer)")
	flags.BoolVar(&o.binary, "binary", false, "send lines as binary messages")
	flags.BoolVar(&o.hex, "hex", false, "send lines as hexadecimal bytes, and print binary messages in hexadecimal (the default on a terminal)")
	flags.BoolVar(&o.base64, "base64", false, "send lines as base64 bytes, and print binary messages in base64")
	flags.BoolVar(&o.raw, "raw", false, "copy bytes between stdin, stdout and binary messages")
	flags.BoolVar(&o.compact, "compact", false, "show JSON as received, not indented")
	flags.BoolVar(&o.json, "json", false, "print a JSON object for each message and event")
	flags.BoolVarP(&o.compress, "compress", "z", false, "offer compression (RFC 7692); messages below 128 bytes are sent uncompressed")
	flags.BoolVarP(&o.trace, "trace", "t", false, "print the handshake and every frame to stderr")
	flags.BoolVar(&o.reconnect, "reconnect", false, "reconnect with growing pauses when the connection is lost or the server goes away, unless the error is permanent")
	flags.DurationVar(&o.keepAlive, "keep-alive", 30*time.Second, "ping a server that has been silent for this time; 0: never")
	flags.Int64Var(&o.maxMessage, "max-message", 16<<20, "maximum size of a received message in bytes; -1: no limit")
	flags.StringVar(&o.tcpListen, "tcp-listen", "", "host:port or unix:/path to listen on; each connection gets its own WebSocket")
	flags.BoolVar(&o.noHalfClose, "no-half-close", false, "with --tcp-listen: the end of a connection closes its WebSocket, instead of sending an empty message")
	flags.BoolVar(&o.noHistory, "no-history", false, "do not save the entered lines")
	o.Flags.Register(flags)
}

// check checks for flags that exclude each other.
func (o *options) check() error {
	encodings := 0
	for _, set := range []bool{o.hex, o.base64, o.binary, o.raw} {
		if set {
			encodings++
		}
	}
	switch {
	case encodings > 1:
		return exit.Usagef("--hex, --base64, --binary and --raw: give one of them")
	case o.raw && o.json:
		return exit.Usagef("--raw and --json: give one of them")
	case o.one && (o.listen || o.reconnect):
		return exit.Usagef("--one cannot be combined with --listen or --reconnect")
	case o.one && len(o.messages) > 1:
		return exit.Usagef("--one sends one message: give --message once")
	case o.tcpListen != "" && (encodings > 0 || o.one || o.listen || o.reconnect || o.json || len(o.messages) > 0):
		return exit.Usagef("--tcp-listen cannot be combined with --reconnect or the flags about messages")
	case o.noHalfClose && o.tcpListen == "":
		return exit.Usagef("--no-half-close requires --tcp-listen")
	case o.wait <= 0 || o.linger < 0 || o.keepAlive < 0:
		return exit.Usagef("--wait, --linger and --keep-alive: give positive times")
	}
	return nil
}

func (o *options) run(cmd *cobra.Command, arg string) error {
	o.lingers = cmd.Flags().Changed("linger")
	if err := o.check(); err != nil {
		return err
	}
	u, err := o.Target(arg)
	if err != nil {
		return err
	}
	dialer, err := o.Dialer()
	if err != nil {
		return err
	}
	stdin, stdout, stderr := cmd.InOrStdin(), cmd.OutOrStdout(), cmd.ErrOrStderr()
	opener := o.Opener(dialer, 0)
	defer opener.Close()
	c := &client{options: *o, url: u, dialer: dialer, opener: opener, hurry: context.Background()}
	if o.interactive(stdin, stdout) {
		return c.onTerminal(cmd.Context(), stdin.(*os.File), stdout.(*os.File))
	}
	c.printer = &printer{
		options: o, out: stdout, log: stderr, logPalette: ui.For(stderr), palette: ui.For(stdout), screen: ui.IsTerminal(stdout),
	}
	if o.tcpListen != "" {
		return c.forward(cmd.Context())
	}
	if err := c.readPipe(cmd.Context(), stdin); err != nil {
		return err
	}
	return c.run(cmd.Context())
}

// interactive reports whether stdin and stdout are terminals and the flags
// allow a dialog.
func (o *options) interactive(stdin io.Reader, stdout io.Writer) bool {
	return o.tcpListen == "" && !o.one && !o.listen && !o.raw && !o.json && ui.IsTerminal(stdin) && ui.IsTerminal(stdout)
}
