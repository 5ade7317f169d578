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

const long = `Talk to a server. On a terminal each line that you enter is a message; lines that
begin with "/" are commands, /help lists them. Lines can be edited, and the arrow keys
bring back earlier ones.

In a pipe each line of stdin is a message, and each text message that comes is a line of
stdout. A binary message goes to a pipe or a file unchanged, and to a terminal in
hexadecimal; --hex and --base64 print it as a line. When stdin has ended and each message has its answer, or nothing comes any more,
the connection is closed. With --raw bytes go through as they are, as binary messages.

With --tcp-listen each TCP connection to that address becomes a WebSocket of its own:
bytes are binary messages, and messages are bytes. An empty binary message stands for the
end of what one side sends, as wskit serve --tcp understands it.

A server at a Unix socket is ws+unix:///path/of.sock:/path. If SSLKEYLOGFILE names a file,
the secrets of TLS go there, so that Wireshark can read along.

` + exit.Help

// Command returns wskit dial.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "dial URL",
		Short: "Talk to a server",
		Long:  long,
		Example: `  wskit dial ws://localhost:8080/echo
  wskit dial -H 'X-Token: 1' -s chat.v2 --origin https://example.com wss://example.com/chat
  wskit dial --one -m '{"op":"status"}' ws://localhost:8080/api | jq .ok
  wskit dial --one --binary ws://localhost:8080/echo < photo.jpg > copy.jpg
  wskit dial --trace --compress ws://localhost:8080/echo
  wskit dial --listen --reconnect ws://localhost:8080/feed >> feed.log
  wskit dial --raw ws://localhost:8080/echo < in.bin > out.bin
  wskit dial --tcp-listen localhost:5432 wss://example.com/tcp  # of wskit serve --tcp
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
	flags.BoolVarP(&o.one, "one", "1", false, "send --message, or all of stdin, as one message; print one answer and end")
	flags.DurationVar(&o.wait, "wait", 10*time.Second, "how long --one waits for the answer")
	flags.BoolVar(&o.listen, "listen", false, "do not read stdin")
	flags.DurationVar(&o.linger, "linger", time.Second, "close when stdin has ended and nothing has come for so long (if not given: or each message has its answer)")
	flags.BoolVar(&o.binary, "binary", false, "send lines as binary messages")
	flags.BoolVar(&o.hex, "hex", false, "lines are hexadecimal: send the bytes, print binary messages so (the default on a terminal)")
	flags.BoolVar(&o.base64, "base64", false, "lines are base64: send the bytes, print binary messages so")
	flags.BoolVar(&o.raw, "raw", false, "bytes of stdin and stdout as they are, in binary messages")
	flags.BoolVar(&o.compact, "compact", false, "show JSON as it comes, not indented")
	flags.BoolVar(&o.json, "json", false, "print an object of JSON for each message and event")
	flags.BoolVarP(&o.compress, "compress", "z", false, "offer compression (RFC 7692); messages below 128 bytes stay plain")
	flags.BoolVarP(&o.trace, "trace", "t", false, "print the handshake and every frame to stderr")
	flags.BoolVar(&o.reconnect, "reconnect", false, "connect again, with growing pauses, when the connection is lost or the server goes away, unless that would be in vain")
	flags.DurationVar(&o.keepAlive, "keep-alive", 30*time.Second, "ping a server that has been silent for so long; 0: never")
	flags.Int64Var(&o.maxMessage, "max-message", 16<<20, "the longest message to take in bytes; -1: any")
	flags.StringVar(&o.tcpListen, "tcp-listen", "", "host:port or unix:/path to take connections at, each for a WebSocket of its own")
	flags.BoolVar(&o.noHalfClose, "no-half-close", false, "with --tcp-listen: the end of a connection closes its WebSocket, in place of an empty message")
	flags.BoolVar(&o.noHistory, "no-history", false, "do not keep the lines that were entered")
	o.Flags.Register(flags)
}

// check looks at flags that exclude each other.
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
		return exit.Usagef("--one goes neither with --listen nor with --reconnect")
	case o.one && len(o.messages) > 1:
		return exit.Usagef("--one sends one message: give --message once")
	case o.tcpListen != "" && (encodings > 0 || o.one || o.listen || o.reconnect || o.json || len(o.messages) > 0):
		return exit.Usagef("--tcp-listen passes bytes: leave out the flags about messages and --reconnect")
	case o.noHalfClose && o.tcpListen == "":
		return exit.Usagef("--no-half-close needs --tcp-listen")
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

// interactive reports whether a person sits at both ends.
func (o *options) interactive(stdin io.Reader, stdout io.Writer) bool {
	return o.tcpListen == "" && !o.one && !o.listen && !o.raw && !o.json && ui.IsTerminal(stdin) && ui.IsTerminal(stdout)
}
