package bench

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"os"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// options are the flags.
type options struct {
	connect.Flags
	connections, pipeline, atOnce    int
	rate                             float64
	duration, ramp, warmUp, patience time.Duration
	count                            int64
	size, message, messageFile       string
	template, csv, script            string
	binary, verify, compress         bool
	sendOnly, receiveOnly, onLoop    bool
	sources                          []string
	streams                          int

	json, compare bool
	save, plot    string
	jsonLines     bool
	fail          []string
	thresholds    []threshold
}

const long = `Send load to a server that answers each message with one message, such as an echo
server. Measure handshakes/s, messages/s, bytes/s and the latency of the answers.

With --rate, messages are sent on a schedule, and latency is measured from the scheduled
time. It therefore includes the time that a message waits behind a late answer, so that a
slow server does not look fast (coordinated omission). Without --rate, each connection
sends its next message when it has received an answer.

Use --send-only for a server that answers differently or not at all. Pings follow the
messages. A message counts when a pong shows that the server has received it, and the
latency is that of the pings. Use --receive-only to count the messages of the server.

` + templateHelp + `

` + scriptHelp + `

Progress goes to stderr, and the result to stdout. Ctrl-C ends the load early and prints
the result so far.

` + exit.Help + `

With --fail:
  6    a threshold is crossed; a metric with a threshold causes no other failure
Metrics are the latencies min, mean, p50, p75, p90, p99, p99.9, p99.99 and max; rate, in
messages/s; and errors, lost, wrong and unsent, as numbers or in percent of the messages
sent.

A warning is printed if this side was the bottleneck: wskit used more than 90 percent of
its cores, the machine's processors were busy, or the timers of --rate were late.`

// Command returns wskit bench.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "bench URL",
		Short: "Load a server and measure it",
		Long:  long,
		Example: `  wskit bench ws://localhost:8080/echo
  wskit bench -c 1000 --rate 20000 -d 30s --plot run.html ws://localhost:8080/echo
  wskit bench --size 64:90,16k:9,1m:1 --binary --pipeline 8 ws://localhost:8080/echo
  wskit bench -c 100000 --loop --source 127.0.0.0/29 --ramp 30s ws://127.0.0.1:8080/echo
  wskit bench --send-only --size 1k wss://example.com/ingest
  wskit bench --receive-only -c 500 --message '{"subscribe":"all"}' ws://localhost:8080/feed
  wskit bench --save old.json ws://localhost:8080/echo   # change the server, save new.json
  wskit bench --compare old.json new.json --plot both.html
  wskit bench --fail 'p99>50ms' --fail 'lost>0' --json-lines ws://localhost:8080/echo
  wskit bench --script chat.yaml --csv users.csv -d 1m ws://localhost:8080/chat
  wskit bench --message '{"n":{{seq}},"user":"{{csv name}}"}' --csv users.csv ws://localhost:8080/echo`,
		Args: exit.Args(cobra.RangeArgs(1, 2)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.register(cmd)
	return cmd
}

func (o *options) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.IntVarP(&o.connections, "connections", "c", 50, "number of connections")
	flags.DurationVarP(&o.duration, "duration", "d", 10*time.Second, "how long to measure; 0: until Ctrl-C")
	flags.Int64VarP(&o.count, "count", "n", 0, "end after this many messages, and ignore the default of --duration")
	flags.Float64VarP(&o.rate, "rate", "r", 0, "messages per second over all connections; 0: as fast as possible")
	flags.BoolVar(&o.sendOnly, "send-only", false, "do not wait for answers: for servers that do not answer, or that broadcast")
	flags.BoolVar(&o.receiveOnly, "receive-only", false, "send only --message, once, and count received messages")
	flags.StringVar(&o.size, "size", "64", "size of the messages, or sizes with weights, such as 64:90,16k:9,1m:1")
	flags.StringVar(&o.message, "message", "", "text or template to send instead of generated messages")
	flags.StringVar(&o.messageFile, "message-file", "", "file to send instead of generated messages")
	flags.StringVar(&o.template, "template", "", "file with a template for each message")
	flags.StringVar(&o.script, "script", "", "YAML file with the steps of each connection")
	flags.StringVar(&o.csv, "csv", "", "CSV file for templates, with one row for each connection")
	flags.BoolVar(&o.binary, "binary", false, "send binary messages of random bytes, which do not compress")
	flags.BoolVarP(&o.compress, "compress", "z", false, "offer compression (RFC 7692), and compress if the server agrees")
	flags.IntVar(&o.pipeline, "pipeline", 1, "messages that may be in flight on a connection")
	flags.BoolVar(&o.verify, "verify", false, "check that each answer equals the message")
	flags.DurationVar(&o.patience, "patience", 5*time.Second, "how long to wait for an answer before closing the connection")
	flags.DurationVar(&o.ramp, "ramp", 0, "open the connections evenly over this time, which is part of the duration; each sends as soon as it is open")
	flags.DurationVar(&o.warmUp, "warm-up", 0, "time before the measurement")
	flags.BoolVar(&o.onLoop, "loop", false, "hold the connections without a goroutine for each (package wsloop); TLS still needs one")
	flags.IntVar(&o.atOnce, "handshakes", 64, "maximum number of concurrent handshakes")
	flags.StringSliceVar(&o.sources, "source", nil, "local addresses to connect from, such as 127.0.0.2 or 127.0.0.0/29; one address allows about 28,000 connections")
	flags.BoolVar(&o.json, "json", false, "print the result as JSON")
	flags.BoolVar(&o.jsonLines, "json-lines", false, "print a line of JSON each second, and the result as the last line")
	flags.StringArrayVar(&o.fail, "fail", nil, "exit with status 6 if this threshold is crossed, such as 'p99>50ms', 'rate<1000' or 'lost>0.1%' (repeatable)")
	flags.StringVar(&o.save, "save", "", "file to save the result to, for --compare")
	flags.StringVar(&o.plot, "plot", "", "file to plot the result to, .html or .svg")
	flags.BoolVar(&o.compare, "compare", false, "compare two saved results: wskit bench --compare OLD NEW; --plot draws both")
	o.Flags.Register(flags)
	flags.IntVar(&o.streams, "streams", 0, "with --http2: WebSockets for each connection (default: what the server allows, at most 250)")
}

func (o *options) run(cmd *cobra.Command, args []string) (err error) {
	if o.thresholds, err = parseThresholds(o.fail); err != nil {
		return err
	}
	if o.compare {
		return o.runCompare(cmd.OutOrStdout(), args)
	}
	if len(args) != 1 {
		return exit.Usagef("give one URL")
	}
	u, err := o.Target(args[0])
	if err != nil {
		return err
	}
	if o.count > 0 && !cmd.Flags().Changed("duration") {
		o.duration = 0
	}
	c, err := o.config(u)
	if err != nil {
		return err
	}
	defer c.via.Close()
	compressed, err := o.probe(cmd.Context(), u, c)
	if err != nil {
		return err
	}
	r := o.measure(cmd, c)
	r.URL = o.Name(u)
	r.Settings.Compression = compressed
	r.judge(o.thresholds)
	return o.publish(cmd, r)
}

func (o *options) runCompare(w io.Writer, args []string) error {
	if len(args) != 2 {
		return exit.Usagef("--compare requires two saved results: OLD NEW")
	}
	old, err := readResult(args[0])
	if err != nil {
		return err
	}
	new, err := readResult(args[1])
	if err != nil {
		return err
	}
	if o.plot != "" {
		if err := o.checkPlot(); err != nil {
			return err
		}
		if err := drawFile(o.plot, old, new); err != nil {
			return err
		}
	}
	new.Crossed = nil // of the thresholds of its own run
	new.judge(o.thresholds)
	if err := printComparison(w, old, new, o.json); err != nil {
		return err
	}
	if len(new.Crossed) > 0 {
		return exit.With(statusCrossed, nil)
	}
	return nil
}

// maxRate is the highest --rate: a message each nanosecond.
const maxRate = 1e9

// check checks the numbers.
func (o *options) check() error {
	switch {
	case o.connections < 1:
		return exit.Usagef("--connections %d: give 1 or more", o.connections)
	case o.pipeline < 1 || o.pipeline > 1<<16:
		return exit.Usagef("--pipeline %d: give 1 to 65536", o.pipeline)
	case o.atOnce < 1:
		return exit.Usagef("--handshakes %d: give 1 or more", o.atOnce)
	case o.rate < 0 || o.duration < 0 || o.count < 0 || o.ramp < 0 || o.warmUp < 0:
		return exit.Usagef("--rate, --duration, --count, --ramp and --warm-up cannot be negative")
	case !(o.rate <= maxRate):
		return exit.Usagef("--rate %v: give at most %s messages per second", o.rate, number(maxRate))
	case o.patience <= 0:
		return exit.Usagef("--patience %v: give a positive time", o.patience)
	case o.sendOnly && o.receiveOnly:
		return exit.Usagef("--send-only and --receive-only: give one of them")
	case (o.sendOnly || o.receiveOnly) && (o.verify || o.pipeline > 1):
		return exit.Usagef("--verify and --pipeline are about answers: do not combine them with --send-only or --receive-only")
	case o.receiveOnly && o.rate > 0:
		return exit.Usagef("--rate is about sending: do not combine it with --receive-only")
	case o.script != "" && (count(o.message, o.messageFile, o.template) > 0 || o.rate > 0 || o.pipeline > 1 || o.verify || o.sendOnly || o.receiveOnly):
		return exit.Usagef("--script defines the messages: do not combine it with the flags about messages, --rate, --pipeline, --verify, --send-only or --receive-only")
	case o.json && o.jsonLines:
		return exit.Usagef("--json and --json-lines: give one of them")
	case o.streams < 0 || o.streams > 0 && !o.HTTP2:
		return exit.Usagef("--streams requires --http2 and a positive number")
	case o.Streams() && len(o.sources) > 0:
		return exit.Usagef("--source cannot be combined with --http2 or --http3, which share connections")
	case count(o.message, o.messageFile, o.template) > 1:
		return exit.Usagef("--message, --message-file and --template: give one of them")
	}
	const reserve = 32 // descriptors for everything else
	if most := maxDescriptors(); most > 0 && o.connections > most-reserve {
		return exit.Usagef("--connections %d: the system allows this process only %d open files: raise the limit with ulimit -n", o.connections, most)
	}
	return errors.Join(o.checkLoop(), exit.File("--save", o.save), o.checkPlot())
}

// checkPlot checks --plot.
func (o *options) checkPlot() error {
	if o.plot == "" {
		return nil
	}
	if _, err := plotter(o.plot); err != nil {
		return err
	}
	return exit.File("--plot", o.plot)
}

// config returns the load for the flags.
func (o *options) config(u *url.URL) (config, error) {
	c := config{
		connections: o.connections, pipeline: o.pipeline, duration: o.duration, count: o.count,
		ramp: o.ramp, warmUp: o.warmUp, patience: o.patience, atOnce: o.atOnce, verify: o.verify, onLoop: o.onLoop,
	}
	if err := o.check(); err != nil {
		return c, err
	}
	if o.rate > 0 {
		c.interval = max(1, time.Duration(float64(o.connections)/o.rate*float64(time.Second)))
	}
	if err := o.messages(&c); err != nil {
		return c, err
	}
	switch {
	case o.sendOnly:
		c.mode, c.pipeline = sendOnly, pingWindow
	case o.receiveOnly:
		c.mode, c.pipeline = receiveOnly, 0
		if o.message != "" || o.messageFile != "" || o.template != "" {
			c.hello = true
		}
	}
	sources, err := parseSources(o.sources)
	if err != nil {
		return c, err
	}
	dialer, err := o.Dialer()
	if err != nil {
		return c, err
	}
	if dialer.NetDial != nil && len(sources) > 0 {
		return c, exit.Usagef("--source does not go with a Unix socket")
	}
	if o.compress {
		c.mix.compress()
		dialer.Extensions = []httphead.Option{offer.Option()}
	}
	c.via = o.Opener(dialer, o.streams)
	c.dial = func(ctx context.Context, index int) (net.Conn, ws.Handshake, error) {
		d := dialer
		if len(sources) > 0 {
			d.NetDial = (&net.Dialer{LocalAddr: sources[index%len(sources)]}).DialContext
		}
		conn, hs, err := c.via.Dial(ctx, wsutil.DebugDialer{Dialer: d}, u.String())
		if err == nil && len(hs.Extensions) > 0 {
			if _, err = offer.Confirm(hs.Extensions[0]); err != nil { // begin relies on it
				conn.Close()
			}
		}
		return conn, hs, err
	}
	return c, nil
}

// offer is the compression that --compress offers. Our messages do not refer to
// earlier ones. Answers are decompressed only if they are verified.
var offer = wsflate.Parameters{ClientNoContextTakeover: true}

// messages makes the messages to send.
func (o *options) messages(c *config) (err error) {
	m := &c.mix
	m.op = ws.OpText
	if o.binary {
		m.op = ws.OpBinary
	}
	if o.csv != "" {
		if m.data, err = readTable(o.csv); err != nil {
			return err
		}
	}
	if o.script != "" {
		c.script, err = readScript(o.script, m.data)
		return err
	}
	if err := o.readTemplate(m); err != nil {
		return err
	}
	switch {
	case m.template != nil:
		o.size = "about " + number(int64(m.largest()))
		return nil
	case o.message != "":
		m.add([]byte(o.message), 1)
	case o.messageFile != "":
		p, err := os.ReadFile(o.messageFile)
		if err != nil {
			return exit.Usagef("--message-file: %v", err)
		}
		m.add(p, 1)
	default:
		return m.parseSizes(o.size)
	}
	o.size = number(int64(m.largest()))
	return nil
}

// readTemplate reads --template, or --message if it is a template.
func (o *options) readTemplate(m *mix) (err error) {
	name, text := "--message", o.message
	if o.template != "" {
		p, err := os.ReadFile(o.template)
		if err != nil {
			return exit.Usagef("--template: %v", err)
		}
		name, text = "--template "+o.template, string(p)
	}
	switch {
	case o.template == "" && !isTemplate(text):
		if o.csv != "" {
			return exit.Usagef("--csv: no message has a field of it: give --template, --script, or a --message with {{csv COLUMN}}")
		}
		return nil
	case text == "":
		return exit.Usagef("%s: the file is empty", name)
	}
	if m.template, err = parseTemplate(text, m.data); err != nil {
		return exit.Usagef("%s: %v", name, err)
	}
	return nil
}

// count returns the number of flags that are set.
func count(flags ...string) (n int) {
	for _, f := range flags {
		if f != "" {
			n++
		}
	}
	return n
}

// probe opens one connection and closes it, because the load makes no sense if
// that fails.
func (o *options) probe(ctx context.Context, u *url.URL, c config) (compressed bool, err error) {
	conn, hs, err := c.dial(ctx, 0)
	if err != nil {
		if ctx.Err() != nil {
			return false, ctx.Err()
		}
		return false, o.Reason(u, err)
	}
	w := &worker{conn: conn, load: &load{config: c}}
	w.begin(conn, hs)
	w.sayGoodbye(ws.StatusNormalClosure)
	return w.compressed, conn.Close()
}

// measure runs the load.
func (o *options) measure(cmd *cobra.Command, c config) *Result {
	tell, done := newProgress(cmd.ErrOrStderr())
	if o.jsonLines {
		bar, lines := tell, newLines(cmd.OutOrStdout())
		tell = func(p progress) { bar(p); lines(p) }
		c.slice = lineTime
	}
	started, m := time.Now(), newMeter()
	l := newLoad(c)
	s := l.run(cmd.Context(), tell)
	done()
	r := l.result(s)
	r.Started = started
	r.Settings = Settings{Mode: c.mode, Script: o.script, Connections: o.connections, Size: o.size, Binary: o.binary, Pipeline: o.pipeline, Rate: o.rate}
	m.fill(&r.Generator)
	return r
}

// publish prints, saves and plots the result.
func (o *options) publish(cmd *cobra.Command, r *Result) error {
	out := cmd.OutOrStdout()
	encoder := json.NewEncoder(out)
	encoder.SetEscapeHTML(false)
	if o.jsonLines {
		if err := encoder.Encode(finalLine{"result", r}); err != nil {
			return err
		}
	} else if o.json {
		if ui.IsTerminal(out) {
			encoder.SetIndent("", "  ")
		}
		if err := encoder.Encode(r); err != nil {
			return err
		}
	} else if err := r.table(out); err != nil {
		return err
	}
	if o.save != "" {
		if err := r.save(o.save); err != nil {
			return err
		}
	}
	if o.plot != "" {
		if err := drawFile(o.plot, r); err != nil {
			return err
		}
	}
	switch {
	case cmd.Context().Err() != nil:
		return exit.With(exit.Interrupted, nil)
	case r.Handshakes.Opened == 0:
		return exit.With(exit.NoConnection, fmt.Errorf("no connection was opened"))
	case o.script != "" && r.Scripts == 0 && r.errorCount() == 0:
		return fmt.Errorf("no script completed: give a longer --duration")
	case o.script != "":
	case r.Messages.Received == 0 && o.receiveOnly:
		return fmt.Errorf("no message was received: send a request with --message if the server needs one")
	case r.Messages.Received == 0 && o.sendOnly:
		return fmt.Errorf("the server received no message: it did not answer pings")
	case r.Messages.Received == 0:
		return fmt.Errorf("no message was answered: use --send-only for a server that does not answer each message with one")
	}
	return r.failed(o.thresholds)
}
