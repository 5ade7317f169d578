package check

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"regexp"
	"slices"
	"text/tabwriter"
	"time"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/connect"
	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/websocket/wstest"
)

// options are the flags.
type options struct {
	connect.Flags
	client, list, attacks, json, wire bool
	noEcho, requireCompression, tls   bool
	listen, filter, agent, failOn     string
	reports                           []string
	baseline, sarifFile, saveCert     string
	known                             baseline // the results in --baseline
	parallel, connections             int
	caseTimeout, quiet, wait          time.Duration
	maxMessage                        int64
}

// Values of --fail-on.
const (
	failOnFailed    = "failed"
	failOnTolerated = "tolerated"
	failOnNever     = "never"
)

const statusTolerated = 5

const long = `Test a WebSocket implementation with hundreds of cases from RFC 6455 and RFC 7692.

A server under test must echo every message. To test a client, use --client with a command
that starts it. wskit appends the URL of the suite as the last argument, or replaces {url}
with it. Without a command, wskit waits for the client. The client does three things:

  1. It opens URL/count and reads a number n.
  2. For each i from 1 to n, it opens URL/case?n=i and echoes every message until the
     connection ends.
  3. It opens URL/report and reads a summary.

A client can also open a case by name, URL/case?id=NAME. URL/cases lists the names, one on
each line.

With --http2 or --http3, the suite uses that version: a client under test opens all of
these URLs by extended CONNECT. Cases about the handshake of HTTP/1.1 are skipped.
Without --tls, a client under test must start with HTTP/2 at once (prior knowledge).

A case is strict if the peer follows the RFC, tolerated if it deviates without harm, and
failed if it breaks the RFC.

--baseline takes the JSON report of an earlier run. The exit status then depends only on
cases with a worse result than in that run. Cases with a better result are also listed.

Exit status:
  0    no case failed; with --baseline, no case that had passed before failed
  1    a case failed, or the server died during the run
  2    invalid command line
  3    no connection: refused, timed out, invalid certificate, not a WebSocket server
  5    with --fail-on tolerated: a case is tolerated and none failed
  130  interrupted by Ctrl-C`

// Command returns wskit check.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "check URL | check --client [-- COMMAND [ARGS...]]",
		Short: "Test a server or a client for conformance",
		Long:  long,
		Example: `  wskit check ws://localhost:8080/echo
  wskit check --filter '^close/' --wire ws://localhost:8080/echo
  wskit check --report report.html --report report.json wss://example.com/echo
  wskit check --report check.sarif --report check.junit.xml --report badge.svg ws://localhost:8080/echo
  wskit check --baseline known.json ws://localhost:8080/echo   # made with --report known.json
  wskit check --client -- ./my-client --echo {url}
  wskit check --client --listen 127.0.0.1:9001
  wskit check --client --http3 --tls-save ca.pem -- ./my-client --ca ca.pem {url}
  wskit check --list
  wskit check --attacks ws://localhost:8080/echo`,
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	o.register(cmd)
	return cmd
}

func (o *options) register(cmd *cobra.Command) {
	flags := cmd.Flags()
	flags.SortFlags = false
	flags.BoolVar(&o.client, "client", false, "test a client: the command after --, or one that connects to --listen")
	flags.StringVar(&o.listen, "listen", "127.0.0.1:9001", "host:port to listen on for the client")
	flags.BoolVar(&o.tls, "tls", false, "with --client and --http2: use TLS, with a certificate generated at startup")
	flags.StringVar(&o.saveCert, "tls-save", "", "with --client and --tls or --http3: file to write that certificate to, for the client to trust")
	flags.DurationVar(&o.wait, "wait", 0, "how long to wait for the client to finish; 0: no limit")
	flags.BoolVar(&o.attacks, "attacks", false, "attack the server as hostile clients do, instead of testing it; use it only on your own servers")
	flags.IntVar(&o.connections, "connections", 50, "number of connections of an attack")
	flags.BoolVar(&o.list, "list", false, "list the cases and exit")
	flags.StringVarP(&o.filter, "filter", "f", "", "regular expression: run only the cases whose name matches")
	flags.IntVarP(&o.parallel, "parallel", "p", 16, "number of concurrent cases against a server")
	flags.DurationVar(&o.caseTimeout, "case-timeout", 20*time.Second, "time limit of a case")
	flags.DurationVar(&o.quiet, "quiet", time.Second, "how long to wait before probing whether the peer has ignored a fault")
	flags.BoolVar(&o.noEcho, "no-echo", false, "the server does not echo: skip the cases that need an echo")
	flags.Int64Var(&o.maxMessage, "max-message", 0, "maximum message size of the peer in bytes; the suite then tests that the peer enforces it")
	flags.BoolVar(&o.requireCompression, "require-compression", false, "fail the compression cases if the peer has no compression, instead of skipping them")
	flags.StringVar(&o.agent, "agent", "", "name of the implementation, for the report")
	flags.StringArrayVarP(&o.reports, "report", "o", nil, "file to write a report to: .json, .html, .txt, .sarif, .xml for JUnit, or .svg for a badge (repeatable)")
	flags.StringVar(&o.sarifFile, "sarif-file", "", "file in the repository that a SARIF report refers to (default: wskit-check)")
	flags.StringVar(&o.baseline, "baseline", "", "JSON report of an earlier run: only worse results cause an exit status other than 0")
	flags.BoolVar(&o.json, "json", false, "print JSON: the report with all frames, the attacks, or the list")
	flags.BoolVarP(&o.wire, "wire", "w", false, "print the frames of the cases that are not strict")
	flags.StringVar(&o.failOn, "fail-on", failOnFailed, "what causes an exit status other than 0: failed, tolerated or never")
	o.RegisterVersion(flags)
	o.RegisterRequest(flags)
	o.RegisterTLS(flags)
}

func (o *options) check(args []string) error {
	if _, err := regexp.Compile(o.filter); err != nil {
		return exit.Usagef("--filter: %v", err)
	}
	if !slices.Contains([]string{failOnFailed, failOnTolerated, failOnNever}, o.failOn) {
		return exit.Usagef("--fail-on %q: use failed, tolerated or never", o.failOn)
	}
	for _, name := range o.reports {
		if _, err := o.reporter(name); err != nil {
			return err
		}
		if err := exit.File("--report", name); err != nil {
			return err
		}
	}
	switch {
	case o.parallel < 1 || o.connections < 1:
		return exit.Usagef("--parallel and --connections: give 1 or more")
	case o.caseTimeout <= 0 || o.quiet <= 0 || o.wait < 0 || o.maxMessage < 0:
		return exit.Usagef("--case-timeout and --quiet: give positive times; --wait and --max-message cannot be negative")
	case o.attacks && (o.client || len(o.reports) > 0 || o.baseline != ""):
		return exit.Usagef("--attacks cannot be combined with --client, --report or --baseline")
	case !o.client && !o.list && len(args) != 1:
		return exit.Usagef("give the URL of a server, or --client")
	}
	return o.checkHost()
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	if err := o.check(args); err != nil {
		return err
	}
	if o.baseline != "" {
		known, err := readBaseline(o.baseline) // before --report overwrites it
		if err != nil {
			return err
		}
		o.known = known
	}
	if o.list {
		return o.printCases(cmd)
	}
	suite, closeAll, err := o.suite()
	if err != nil {
		return err
	}
	defer closeAll()
	if o.attacks {
		return o.runAttacks(cmd, args[0], suite)
	}
	report, err := o.ask(cmd, args, suite)
	if report != nil { // also after an interruption or the death of the server
		if err := o.publish(cmd.OutOrStdout(), report); err != nil {
			return err
		}
	}
	if err != nil {
		return err
	}
	if o.known != nil {
		return o.compare(cmd, report)
	}
	return o.verdict(report)
}

// compare returns the exit status of the report with a baseline.
func (o *options) compare(cmd *cobra.Command, r *wstest.Report) error {
	worse, better := o.known.compare(r, o.failOn == failOnTolerated)
	w := cmd.OutOrStdout()
	if o.json {
		w = cmd.ErrOrStderr()
	}
	printBaseline(w, o.baseline, worse, better)
	if o.failOn == failOnNever || len(worse) == 0 {
		return nil
	}
	for _, c := range worse {
		if c.new == wstest.Failed {
			return exit.With(exit.Failed, nil)
		}
	}
	return exit.With(statusTolerated, nil)
}

// suite returns the options of the suite, and a function that closes the
// connections that its WebSockets share.
func (o *options) suite() (suite *wstest.Options, closeAll func(), err error) {
	header, err := o.Header()
	if err != nil {
		return nil, nil, err
	}
	config, err := o.TLS()
	if err != nil {
		return nil, nil, err
	}
	suite = &wstest.Options{
		Agent: o.agent, Filter: o.filter, Parallel: o.parallel, Timeout: o.caseTimeout, Quiet: o.quiet, NoEcho: o.noEcho,
		MaxMessage: o.maxMessage, RequireCompression: o.requireCompression, Header: header, TLS: config,
	}
	if o.client {
		return suite, func() {}, nil
	}
	suite.Transport, closeAll = o.Transport(config)
	return suite, closeAll, nil
}

// ask runs the suite.
func (o *options) ask(cmd *cobra.Command, args []string, suite *wstest.Options) (*wstest.Report, error) {
	cases, err := suite.Cases(o.direction())
	if err != nil {
		return nil, err
	}
	if len(cases) == 0 {
		return nil, exit.Usagef("no case matches --filter %q: wskit check --list lists them", o.filter)
	}
	step, done := newProgress(cmd.ErrOrStderr(), len(cases))
	defer done()
	suite.OnResult = func(wstest.Result) { step() }
	if o.client {
		return o.askClient(cmd, args, suite)
	}
	u, err := o.Target(args[0])
	if err != nil {
		return nil, err
	}
	suite.Dial = o.NetDial()
	report, err := wstest.RunServer(cmd.Context(), u.String(), suite)
	if gone, ok := errors.AsType[*wstest.GoneError](err); ok {
		return report, exit.With(exit.Failed, gone)
	}
	if err != nil && !errors.Is(err, context.Canceled) {
		return nil, o.DirectReason(u, err)
	}
	return report, err
}

func (o *options) direction() wstest.Direction {
	if o.client {
		return wstest.Client
	}
	return wstest.Server
}

// printCases prints the cases of the direction that match the filter, for any
// version of HTTP.
func (o *options) printCases(cmd *cobra.Command) error {
	filter := regexp.MustCompile(o.filter) // check has compiled it before
	var cases []wstest.Case
	for _, c := range wstest.Cases() {
		if c.Direction&o.direction() != 0 && filter.MatchString(c.ID) {
			cases = append(cases, c)
		}
	}
	if o.json {
		return json.NewEncoder(cmd.OutOrStdout()).Encode(cases)
	}
	t := tabwriter.NewWriter(cmd.OutOrStdout(), 0, 0, 2, ' ', 0)
	for _, c := range cases {
		fmt.Fprintf(t, "%s\t%s\t%s\n", c.ID, c.Section, c.Requirement)
	}
	return t.Flush()
}

// verdict returns the exit status of the report.
func (o *options) verdict(r *wstest.Report) error {
	tolerated := 0
	for _, a := range r.Agents {
		tolerated += a.Counts.Tolerated
	}
	switch {
	case o.failOn == failOnNever:
		return nil
	case r.Failed() > 0:
		return exit.With(exit.Failed, nil)
	case o.failOn == failOnTolerated && tolerated > 0:
		return exit.With(statusTolerated, nil)
	}
	return nil
}
