package trace

import (
	"bufio"
	"errors"
	"fmt"
	"io"
	"net"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// captureMagics are the first four bytes of capture files: pcap in both byte
// orders, with times in microseconds and nanoseconds, and pcapng.
var captureMagics = []string{
	"\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x0a\x0d\x0d\x0a",
}

// packetSource is a reader of a capture file.
type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

func openCapture(r *bufio.Reader) (packetSource, error) {
	if magic, _ := r.Peek(4); string(magic) == "\x0a\x0d\x0d\x0a" {
		return pcapgo.NewNgReader(r, pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(r)
}

// How long to wait for a lost packet, and how long to remember a silent
// connection, in the time of the capture.
const (
	patience   = 30 * time.Second
	mostSilent = time.Hour
)

// The approximate maximum number of packets to hold for one connection, and for
// all, while a packet is missing.
const (
	mostHeldOfOne = 4 << 10
	mostHeldOfAll = 32 << 10
)

// decodeCapture emits the frames of the WebSocket connections in a capture, or
// of the selected TCP stream.
func (o options) decodeCapture(r *bufio.Reader, emit func(frame)) error {
	source, err := openCapture(r)
	if err != nil {
		return fmt.Errorf("not a capture file: %w", err)
	}
	c := &capture{options: o, emit: emit}
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(c))
	assembler.MaxBufferedPagesPerConnection, assembler.MaxBufferedPagesTotal = mostHeldOfOne, mostHeldOfAll
	var tidied time.Time
	for {
		p, info, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // a truncated capture is decoded up to its end
		}
		if err != nil {
			return fmt.Errorf("reading the capture: %w", err)
		}
		packet := gopacket.NewPacket(p, source.LinkType(), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || packet.NetworkLayer() == nil {
			continue
		}
		assembler.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, at{info})
		if now := info.Timestamp; now.Sub(tidied) >= time.Second {
			tidied = now
			assembler.FlushWithOptions(reassembly.FlushOptions{T: now.Add(-patience), TC: now.Add(-mostSilent)})
		}
	}
	assembler.FlushAll()
	return c.problem()
}

// at passes the time of a packet to the assembler.
type at struct{ info gopacket.CaptureInfo }

func (a at) GetCaptureInfo() gopacket.CaptureInfo { return a.info }

// New is called for each connection that the assembler finds.
func (c *capture) New(network, transport gopacket.Flow, _ *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	source, destination := network.Endpoints()
	return &tcpStream{
		capture: c,
		client:  net.JoinHostPort(source.String(), transport.Src().String()),
		server:  net.JoinHostPort(destination.String(), transport.Dst().String()),
	}
}

// Accept accepts a stream even if its start was not captured.
func (s *tcpStream) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	*start = true
	return true
}

// ReassembledSG handles the next bytes of a direction.
func (s *tcpStream) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	direction, _, _, skipped := sg.Info()
	if n == 0 {
		return
	}
	p := piece{at: sg.CaptureInfo(0).Timestamp, from: fromServer, data: sg.Fetch(n), lost: max(skipped, 0)}
	if direction == reassembly.TCPDirClientToServer {
		p.from = fromClient
	}
	s.take(p)
}

// ReassemblyComplete removes a connection that has ended.
func (s *tcpStream) ReassemblyComplete(reassembly.AssemblerContext) bool {
	s.end()
	return true
}
