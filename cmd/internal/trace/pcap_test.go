package trace

import (
	"bytes"
	"net"
	"strings"
	"testing"
	"time"

	"github.com/gopacket/gopacket"
	"github.com/gopacket/gopacket/layers"
	"github.com/gopacket/gopacket/pcapgo"
	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/exit"
	"github.com/wskit/wskit/ws"
)

// captured writes packets of TCP connections as a capture file.
type captured struct {
	t *testing.T
	w interface {
		WritePacket(gopacket.CaptureInfo, []byte) error
	}
	buf  bytes.Buffer
	at   time.Time
	done func() error
}

func newCapture(t *testing.T, ng bool) *captured {
	c := &captured{t: t, at: time.Date(2026, 1, 2, 3, 4, 5, 0, time.UTC), done: func() error { return nil }}
	if ng {
		w, err := pcapgo.NewNgWriter(&c.buf, layers.LinkTypeEthernet)
		require.NoError(t, err)
		c.w, c.done = w, w.Flush
		return c
	}
	w := pcapgo.NewWriter(&c.buf)
	require.NoError(t, w.WriteFileHeader(65536, layers.LinkTypeEthernet))
	c.w = w
	return c
}

func (c *captured) bytes() []byte {
	require.NoError(c.t, c.done())
	return c.buf.Bytes()
}

// conn is one TCP connection in a capture.
type conn struct {
	*captured
	port     uint16
	sequence map[direction]uint32
}

func (c *captured) open(port uint16) *conn {
	k := &conn{c, port, map[direction]uint32{fromClient: 100, fromServer: 900}}
	k.packet(fromClient, k.sequence[fromClient], layers.TCP{SYN: true}, nil)
	k.packet(fromServer, k.sequence[fromServer], layers.TCP{SYN: true, ACK: true}, nil)
	k.sequence[fromClient]++
	k.sequence[fromServer]++
	return k
}

func (k *conn) packet(from direction, sequence uint32, tcp layers.TCP, payload []byte) {
	ip := layers.IPv4{Version: 4, TTL: 64, Protocol: layers.IPProtocolTCP, SrcIP: net.IP{10, 0, 0, 1}, DstIP: net.IP{10, 0, 0, 2}}
	tcp.SrcPort, tcp.DstPort, tcp.Seq, tcp.Window = layers.TCPPort(k.port), 80, sequence, 1000
	if from == fromServer {
		ip.SrcIP, ip.DstIP = ip.DstIP, ip.SrcIP
		tcp.SrcPort, tcp.DstPort = tcp.DstPort, tcp.SrcPort
	}
	require.NoError(k.t, tcp.SetNetworkLayerForChecksum(&ip))
	ethernet := layers.Ethernet{SrcMAC: make([]byte, 6), DstMAC: make([]byte, 6), EthernetType: layers.EthernetTypeIPv4}
	b := gopacket.NewSerializeBuffer()
	require.NoError(k.t, gopacket.SerializeLayers(b, gopacket.SerializeOptions{FixLengths: true, ComputeChecksums: true},
		&ethernet, &ip, &tcp, gopacket.Payload(payload)))
	k.at = k.at.Add(time.Millisecond)
	info := gopacket.CaptureInfo{Timestamp: k.at, CaptureLength: len(b.Bytes()), Length: len(b.Bytes())}
	require.NoError(k.t, k.w.WritePacket(info, b.Bytes()))
}

// send is a segment in order.
func (k *conn) send(from direction, p []byte) {
	k.packet(from, k.sequence[from], layers.TCP{ACK: true, PSH: true}, p)
	k.sequence[from] += uint32(len(p))
}

const request = "GET /chat HTTP/1.1\r\nHost: a\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" +
	"Sec-WebSocket-Key: dGhlIHNhbXBsZSBub25jZQ==\r\nSec-WebSocket-Version: 13\r\n\r\n"

func answer(extra string) string {
	return "HTTP/1.1 101 Switching Protocols\r\nUpgrade: websocket\r\nConnection: Upgrade\r\n" + extra +
		"Sec-WebSocket-Accept: s3pPLMBiTxaQ9kYGzzhZRbK+xOo=\r\n\r\n"
}

var masked = ws.MaskFrameWith(ws.NewTextFrame([]byte("Hello")), [4]byte{0x37, 0xfa, 0x21, 0x3d})

// decoded returns the lines of a trace.
func decoded(t *testing.T, data []byte, change func(*options)) (lines_ []string, err error) {
	o := options{format: formatAuto, from: formatAuto, width: 64, unmask: true}
	if change != nil {
		change(&o)
	}
	require.NoError(t, o.check())
	var b bytes.Buffer
	err = o.decodeTo(bytes.NewReader(data), lines{w: &b}.print)
	return strings.Split(strings.TrimSpace(b.String()), "\n"), err
}

func TestCapture(t *testing.T) {
	for name, ng := range map[string]bool{"pcap": false, "pcapng": true} {
		t.Run(name, func(t *testing.T) {
			c := newCapture(t, ng)
			k := c.open(5000)
			k.send(fromClient, []byte(request))
			k.send(fromServer, []byte(answer("")+"\x89\x02hi")) // a ping right after the response
			wire, _ := ws.CompileFrame(masked)
			k.send(fromClient, wire[:3])
			k.send(fromServer, []byte("\x81\x01a"))
			k.send(fromClient, wire[3:])
			k.send(fromServer, []byte("\x81\x02\xc3\xa4"))

			got, err := decoded(t, c.bytes(), nil)
			require.NoError(t, err)
			for i, line := range got {
				_, got[i], _ = strings.Cut(line, " ") // the times are those of packets
			}
			require.Equal(t, []string{
				`1 connection 10.0.0.1:5000 -> 10.0.0.2:80`,
				`1 00000000 > handshake GET /chat HTTP/1.1`,
				`1 00000000 < handshake HTTP/1.1 101 Switching Protocols`,
				`1 00000081 < ping 2 "hi"`,
				`1 00000085 < text 1 "a"`,
				`1 00000090 > text masked 37fa213d 5 "Hello"`,
				`1 00000088 < text 2 "ä"`,
			}, got)
		})
	}
}

// Segments that come twice, in another order, or not at all.
func TestCaptureSegments(t *testing.T) {
	c := newCapture(t, false)
	k := c.open(5000)
	p := []byte("\x82\x06abcdef\x89\x00")
	start := k.sequence[fromServer]
	segment := func(from, to int) {
		k.packet(fromServer, start+uint32(from), layers.TCP{ACK: true}, p[from:to])
	}
	segment(0, 3)
	segment(5, 10)
	segment(0, 3)
	segment(3, 5)
	got, err := decoded(t, c.bytes(), nil)
	require.NoError(t, err)
	require.Len(t, got, 3)
	require.Contains(t, got[1], "< binary 6 616263646566")

	segment(10, 10)
	k.packet(fromServer, start+20, layers.TCP{ACK: true}, []byte("\x81\x00")) // ten bytes are missing
	got, err = decoded(t, c.bytes(), nil)
	require.Equal(t, exit.Failed, exit.Status(err))
	require.Contains(t, got[len(got)-1], "! the capture misses 10 bytes here")
}

// RSV1 is a fault unless the server has agreed on compression (RFC 7692, section 6).
func TestCaptureCompression(t *testing.T) {
	for _, agreed := range []bool{false, true} {
		c := newCapture(t, false)
		k := c.open(5000)
		k.send(fromClient, []byte(request))
		extension := ""
		if agreed {
			extension = "Sec-WebSocket-Extensions: permessage-deflate\r\n"
		}
		k.send(fromServer, []byte(answer(extension)+"\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
		got, err := decoded(t, c.bytes(), func(o *options) { o.inflate = true })
		require.Contains(t, got[3], `text rsv1 7=5 "Hello"`)
		if agreed {
			require.NoError(t, err)
			continue
		}
		require.Equal(t, exit.Failed, exit.Status(err))
		require.Contains(t, got[3], "! reserved bit is set")
	}
}

// All WebSocket connections of a capture are shown, and nothing else, unless --stream
// names a stream.
func TestCaptureStreams(t *testing.T) {
	c := newCapture(t, false)
	c.open(5000).send(fromClient, []byte("\x16\x03\x01 something else"))
	_, err := decoded(t, c.bytes(), nil)
	require.Equal(t, exit.Usage, exit.Status(err))
	require.ErrorContains(t, err, "--stream N: 1 is 10.0.0.1:5000 -> 10.0.0.2:80")

	k := c.open(5001)
	k.send(fromClient, []byte(request[:30])) // a head in two packets
	k.send(fromClient, []byte(request[30:]))
	page := c.open(5002)
	page.send(fromClient, []byte("GET / HTTP/1.1\r\nHost: a\r\n\r\n"))
	page.send(fromServer, []byte("HTTP/1.1 200 OK\r\nContent-Length: 1\r\n\r\nx"))
	c.open(5003).send(fromClient, []byte(request))
	k.send(fromServer, []byte(answer("")))
	got, err := decoded(t, c.bytes(), nil)
	require.NoError(t, err)
	for i, want := range []string{
		"2 connection 10.0.0.1:5001", "2 00000000 > handshake GET /chat", "4 connection 10.0.0.1:5003",
		"4 00000000 > handshake GET /chat", "2 00000000 < handshake HTTP/1.1 101",
	} {
		require.Contains(t, got[i], want)
	}
	require.Len(t, got, 5)

	got, err = decoded(t, c.bytes(), func(o *options) { o.tcpStream = 4 })
	require.NoError(t, err)
	require.Len(t, got, 2)
	_, err = decoded(t, c.bytes(), func(o *options) { o.tcpStream = 5 })
	require.ErrorContains(t, err, "the capture has 4 TCP streams")
}

// In a capture that begins inside a connection, the mask bit identifies the
// sides.
func TestCaptureLate(t *testing.T) {
	c := newCapture(t, false)
	k := &conn{c, 5000, map[direction]uint32{fromClient: 100, fromServer: 900}}
	k.send(fromServer, []byte("\x81\x01a"))
	wire, _ := ws.CompileFrame(masked)
	k.send(fromClient, wire)
	got, err := decoded(t, c.bytes(), nil)
	require.NoError(t, err)
	require.Contains(t, got[0], "1 connection 10.0.0.1:5000 -> 10.0.0.2:80")
	require.Contains(t, got[1], `< text 1 "a"`)
	require.Contains(t, got[2], `> text masked 37fa213d 5 "Hello"`)
}

// However the bytes are cut, the same frames come out.
func TestCuts(t *testing.T) {
	var wire []byte
	for _, f := range []ws.Frame{masked, ws.NewPingFrame(nil), ws.NewBinaryFrame(make([]byte, 300)), ws.NewTextFrame([]byte("ä€"))} {
		wire = ws.AppendFrame(wire, f)
	}
	trace := func(size int) (all []frame) {
		o := options{width: 10, unmask: true}
		s := o.stream(unknown, func(f frame) { all = append(all, f) })
		for p := bytes.Clone(wire); len(p) > 0; {
			n := min(size, len(p))
			s.feed(time.Time{}, p[:n])
			p = p[n:]
		}
		s.end(time.Time{})
		return all
	}
	want := trace(len(wire))
	require.Len(t, want, 4)
	for size := 1; size < 20; size++ {
		require.Equal(t, want, trace(size), size)
	}
}

func FuzzDecode(f *testing.F) {
	f.Add([]byte("81 05 48 65 6c 6c 6f"))
	f.Add([]byte(request + "\x81\x85\x37\xfa\x21\x3d\x7f\x9f\x4d\x51\x58"))
	f.Add([]byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
	c := newCapture(&testing.T{}, false)
	c.open(1).send(fromClient, []byte(request))
	f.Add(c.bytes())
	f.Fuzz(func(t *testing.T, data []byte) {
		o := options{format: formatAuto, width: 16, unmask: true, inflate: true}
		var b bytes.Buffer
		o.decodeTo(bytes.NewReader(data), objects{&b}.print)
	})
}
