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

const long = `Decode captured bytes and print a line for each frame: offset, direction, opcode, mask
key, length and payload. The input is a file or stdin: hexadecimal digits (also in the
formats of xxd and hexdump -C), raw bytes, or a pcap or pcapng file. It may begin with the
opening handshake. Violations of RFC 6455 are marked with "!" and the section. A line is
printed as soon as its frame is complete, or in hexadecimal input, as soon as the input
line is complete.

In raw bytes and hexadecimal, all frames have the same sender: the one of --from, or by
default the one that the mask bit of the first frame shows. In a capture, all WebSocket
connections are shown, each frame with the number of its TCP stream after the time.
WebSockets over HTTP/2 without TLS are included if the beginning of their TCP stream was
captured: 1.3 is HTTP/2 stream 3 in TCP stream 1, and offsets count the bytes of that
stream.

Exit status 1 means that a decoded frame had a fault, or that there was nothing to decode.`

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
	flags.StringVar(&o.from, "from", formatAuto, "sender of hex and raw input: auto, client or server")
	flags.IntVarP(&o.width, "width", "w", 64, "maximum number of payload bytes to show; -1: all")
	flags.BoolVar(&o.unmask, "unmask", true, "show payloads unmasked; false: as on the wire")
	flags.BoolVarP(&o.inflate, "inflate", "z", false, "show compressed messages (RFC 7692) decompressed, with lengths such as 7=40")
	flags.IntVar(&o.tcpStream, "stream", 0, "show only the TCP stream with this number, WebSocket or not; 0: all WebSocket streams")
	flags.BoolVar(&o.json, "json", false, "print a JSON object for each frame")
	return cmd
}

// check checks the values of the flags.
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
		return exit.Usagef("--width must be a number of bytes or -1, and --stream a number of at least 1")
	}
	if o.inflate && !o.unmask {
		return exit.Usagef("--inflate requires unmasked payloads: remove --unmask=false")
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

// decodeTo prints the frames until the input ends or printing fails, which out
// reports itself. It returns faults as an error without a text, because they
// have been printed.
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
