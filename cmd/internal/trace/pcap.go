package trace

import (
	"bytes"
	"errors"
	"fmt"
	"io"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/gopacket/gopacket/reassembly"
)

// The first four bytes of capture files: pcap in both byte orders, with times in
// microseconds and nanoseconds, and pcapng.
var captureMagics = []string{
	"\xd4\xc3\xb2\xa1", "\xa1\xb2\xc3\xd4", "\x4d\x3c\xb2\xa1", "\xa1\xb2\x3c\x4d", "\x0a\x0d\x0d\x0a",
}

func looksCaptured(p []byte) bool {
	for _, magic := range captureMagics {
		if bytes.HasPrefix(p, []byte(magic)) {
			return true
		}
	}
	return false
}

// packetSource is a reader of a capture file.
type packetSource interface {
	ReadPacketData() ([]byte, gopacket.CaptureInfo, error)
	LinkType() layers.LinkType
}

func openCapture(data []byte) (packetSource, error) {
	if bytes.HasPrefix(data, []byte("\x0a\x0d\x0d\x0a")) {
		return pcapgo.NewNgReader(bytes.NewReader(data), pcapgo.DefaultNgReaderOptions)
	}
	return pcapgo.NewReader(bytes.NewReader(data))
}

// piece is bytes of one direction of a TCP stream, in order.
type piece struct {
	at   time.Time
	from direction
	data []byte
	lost int // bytes that the capture misses before this piece
}

// tcpStream is what a capture has of one TCP connection.
type tcpStream struct {
	name   string
	pieces []piece
}

// webSocket reports whether the stream begins with a request that asks for an upgrade.
func (t *tcpStream) webSocket() bool {
	for _, p := range t.pieces {
		if p.from == fromClient {
			return bytes.HasPrefix(p.data, []byte("GET ")) &&
				bytes.Contains(bytes.ToLower(p.data), []byte("\r\nsec-websocket-key:"))
		}
	}
	return false
}

// streams puts the TCP streams of a capture together, in the order of their beginning.
func streams(data []byte) ([]*tcpStream, error) {
	source, err := openCapture(data)
	if err != nil {
		return nil, fmt.Errorf("not a capture file: %w", err)
	}
	f := new(factory)
	assembler := reassembly.NewAssembler(reassembly.NewStreamPool(f))
	for {
		p, info, err := source.ReadPacketData()
		if errors.Is(err, io.EOF) || errors.Is(err, io.ErrUnexpectedEOF) {
			break // a capture that was cut off is read as far as it goes
		}
		if err != nil {
			return nil, fmt.Errorf("reading the capture file: %w", err)
		}
		packet := gopacket.NewPacket(p, source.LinkType(), gopacket.DecodeOptions{Lazy: true, NoCopy: true})
		tcp, ok := packet.Layer(layers.LayerTypeTCP).(*layers.TCP)
		if !ok || packet.NetworkLayer() == nil {
			continue
		}
		assembler.AssembleWithContext(packet.NetworkLayer().NetworkFlow(), tcp, at{info})
	}
	assembler.FlushAll()
	return f.streams, nil
}

// at tells the assembler when a packet was captured.
type at struct{ info gopacket.CaptureInfo }

func (a at) GetCaptureInfo() gopacket.CaptureInfo { return a.info }

// factory collects the streams that the assembler finds.
type factory struct{ streams []*tcpStream }

func (f *factory) New(network, transport gopacket.Flow, tcp *layers.TCP, _ reassembly.AssemblerContext) reassembly.Stream {
	source, destination := network.Endpoints()
	s := &tcpStream{name: fmt.Sprintf("%v:%d -> %v:%d", source, tcp.SrcPort, destination, tcp.DstPort)}
	f.streams = append(f.streams, s)
	return &assembled{tcpStream: s}
}

// assembled is a tcpStream as the assembler sees it.
type assembled struct{ *tcpStream }

// Accept takes a stream also if its beginning was not captured.
func (s *assembled) Accept(_ *layers.TCP, _ gopacket.CaptureInfo, _ reassembly.TCPFlowDirection, _ reassembly.Sequence, start *bool, _ reassembly.AssemblerContext) bool {
	*start = true
	return true
}

func (s *assembled) ReassembledSG(sg reassembly.ScatterGather, _ reassembly.AssemblerContext) {
	n, _ := sg.Lengths()
	direction, _, _, skipped := sg.Info()
	if n == 0 {
		return
	}
	p := piece{at: sg.CaptureInfo(0).Timestamp, from: fromServer, data: bytes.Clone(sg.Fetch(n)), lost: max(skipped, 0)}
	if direction == reassembly.TCPDirClientToServer {
		p.from = fromClient
	}
	s.pieces = append(s.pieces, p)
}

func (s *assembled) ReassemblyComplete(reassembly.AssemblerContext) bool { return false }
