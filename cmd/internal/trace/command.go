package trace

import (
	"bufio"
	"errors"
	"io"
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
opening handshake. What RFC 6455 forbids is marked with "!" and its section. A line
is there as soon as its frame is complete (of hexadecimal, when the line of digits is).

In raw bytes and hexadecimal, all frames are of one direction, which the first one's
mask bit decides unless --from does. Of a capture all WebSocket connections are shown,
each frame with the number of its TCP stream behind the time. So are WebSockets over
HTTP/2 without TLS, if the beginning of their TCP stream was captured: 1.3 is stream 3
of HTTP/2 in TCP stream 1, and offsets count the bytes of that stream.

Exit status 1 says that there was a fault in what was decoded, or nothing to decode.`

// Command returns wskit trace.
func Command() *cobra.Command {
	var o options
	cmd := &cobra.Command{
		Use:   "trace [FILE]",
		Short: "Decode captured frames, one line each",
		Long:  long,
		Example: `  echo 81 05 48 65 6c 6c 6f | wskit trace
  tcpdump -i lo -U -w - tcp port 8080 | wskit trace --inflate
  wskit trace --stream 2 ws.pcapng
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
	flags.IntVar(&o.tcpStream, "stream", 0, "number of the only TCP stream to show, WebSocket or not; 0: all that are WebSocket")
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
	if o.width < -1 || o.tcpStream < 0 {
		return exit.Usagef("--width is a number of bytes or -1, --stream a number from 1 on")
	}
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
	in, file, err := open(cmd.Context(), cmd.InOrStdin(), args)
	if err != nil {
		return err
	}
	defer file.Close()
	out := bufio.NewWriter(cmd.OutOrStdout())
	print := lines{out, ui.For(cmd.OutOrStdout())}.print
	if o.json {
		print = objects{out}.print
	}
	err = o.decodeTo(prompt{in, out}, print)
	if flushed := out.Flush(); flushed != nil {
		return flushed
	}
	return err
}

// decodeTo prints the frames until the input ends or printing fails, which out reports by
// itself. It returns the faults as an error that says nothing: they have been printed.
func (o options) decodeTo(in io.Reader, print func(frame) error) error {
	frames, faults := 0, 0
	err := o.decode(in, func(f frame) {
		if f.peers == "" {
			frames++
		}
		if f.fault != nil || f.end != nil {
			faults++
		}
		print(f)
	})
	switch {
	case err != nil:
		return err
	case frames == 0:
		return errors.New("no frames in the input")
	case faults > 0:
		return exit.With(exit.Failed, nil)
	}
	return nil
}
