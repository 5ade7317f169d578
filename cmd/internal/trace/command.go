package trace

import (
	"bufio"
	"context"
	"errors"
	"fmt"
	"slices"

	"github.com/spf13/cobra"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/cmd/internal/ui"
)

// options are the flags.
type options struct {
	format, from          string
	width, tcpStream      int
	unmask, inflate, json bool
	direction             direction
}

const long = `Decode captured bytes into one line for each frame: offset, direction, opcode, mask
key, length and payload. The input is a file or stdin: hexadecimal digits (also as xxd
and hexdump -C print them), raw bytes, or a pcap or pcapng file. It may begin with the
opening handshake. What RFC 6455 forbids is marked with "!" and its section.

In raw bytes and hexadecimal, all frames are of one direction, which the first one's
mask bit decides unless --from does.

Exit status 1 says that there was a fault in what was decoded, or nothing to decode.`

// Command returns wskit trace.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "trace [FILE]",
		Short: "Decode captured frames, one line each",
		Long:  long,
		Example: `  echo 81 05 48 65 6c 6c 6f | wskit trace
  tcpdump -i lo -w ws.pcap tcp port 8080    # and then
  wskit trace --inflate ws.pcap
  wskit trace --json ws.pcap | jq 'select(.fault)'`,
		Args: exit.Args(cobra.MaximumNArgs(1)),
		RunE: func(cmd *cobra.Command, args []string) error { return o.run(cmd, args) },
	}
	flags := cmd.Flags()
	flags.StringVarP(&o.format, "format", "f", formatAuto, "format of the input: auto, hex, raw or pcap")
	flags.StringVar(&o.from, "from", formatAuto, "who sent the bytes of hex and raw input: auto, client or server")
	flags.IntVarP(&o.width, "width", "w", 64, "the most bytes of payload to show, -1 for all")
	flags.BoolVar(&o.unmask, "unmask", true, "show payloads unmasked; false: as they stood on the wire")
	flags.BoolVarP(&o.inflate, "inflate", "z", false, "show compressed messages (RFC 7692) inflated; lengths as 7=40")
	flags.IntVar(&o.tcpStream, "stream", 0, "number of the TCP stream in a capture with several")
	flags.BoolVar(&o.json, "json", false, "print an object of JSON for each frame")
	return cmd
}

// check looks at the values of the flags.
func (o *options) check() error {
	if !slices.Contains([]string{formatAuto, formatHex, formatRaw, formatPcap}, o.format) {
		return exit.Usagef("--format %q: use auto, hex, raw or pcap", o.format)
	}
	directions := map[string]direction{"auto": unknown, "client": fromClient, "server": fromServer}
	d, ok := directions[o.from]
	if !ok {
		return exit.Usagef("--from %q: use auto, client or server", o.from)
	}
	o.direction = d
	if o.inflate && !o.unmask {
		return exit.Usagef("--inflate needs payloads unmasked: leave out --unmask=false")
	}
	return nil
}

func (o *options) run(cmd *cobra.Command, args []string) error {
	if err := o.check(); err != nil {
		return err
	}
	if len(args) == 0 && ui.IsTerminal(cmd.InOrStdin()) {
		return exit.Usagef("give a file, or the bytes on stdin")
	}
	data, err := read(cmd.Context(), cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	out := bufio.NewWriter(cmd.OutOrStdout())
	defer out.Flush()
	print := lines{out, ui.For(cmd.OutOrStdout())}.print
	if o.json {
		print = objects{out}.print
	}
	return o.decodeTo(cmd.Context(), data, print)
}

// decodeTo prints the frames until printing fails, and returns the faults as an error
// that says nothing: they have been printed.
func (o options) decodeTo(ctx context.Context, data []byte, print func(frame) error) error {
	var failed error
	frames, faults := 0, 0
	err := o.decode(data, func(f frame) {
		frames++
		if f.fault != nil || f.end != nil {
			faults++
		}
		if failed == nil {
			failed = errors.Join(print(f), ctx.Err())
		}
	})
	switch {
	case err != nil:
		return err
	case failed != nil:
		return failed
	case frames == 0:
		return fmt.Errorf("no frames in the input")
	case faults > 0:
		return exit.With(exit.Failed, nil)
	}
	return nil
}
