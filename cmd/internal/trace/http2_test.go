package trace

import (
	"bytes"
	"strings"
	"testing"

	"github.com/stretchr/testify/require"
	"golang.org/x/net/http2"
	"golang.org/x/net/http2/hpack"

	"github.com/wskit/wskit/ws"
)

// talk writes frames of one direction of HTTP/2.
type talk struct {
	*http2.Framer
	out    bytes.Buffer
	fields *hpack.Encoder
	block  bytes.Buffer
}

func newTalk() *talk {
	k := new(talk)
	k.Framer = http2.NewFramer(&k.out, nil)
	k.fields = hpack.NewEncoder(&k.block)
	return k
}

func (k *talk) encode(pairs ...string) []byte {
	k.block.Reset()
	for i := 0; i < len(pairs); i += 2 {
		k.fields.WriteField(hpack.HeaderField{Name: pairs[i], Value: pairs[i+1]})
	}
	return bytes.Clone(k.block.Bytes())
}

func (k *talk) head(id uint32, end bool, pairs ...string) {
	k.WriteHeaders(http2.HeadersFrameParam{StreamID: id, BlockFragment: k.encode(pairs...), EndHeaders: true, EndStream: end})
}

// next returns what was written since the last call.
func (k *talk) next() []byte {
	defer k.out.Reset()
	return bytes.Clone(k.out.Bytes())
}

func connectTo(path string) []string {
	return []string{":method", "CONNECT", ":protocol", "websocket", ":scheme", "http", ":path", path, ":authority", "a"}
}

// conversation is one of three streams: a page, and two WebSockets, of which the second
// has compression.
func conversation() (client, server [][]byte) {
	c, s := newTalk(), newTalk()
	c.out.WriteString(http2.ClientPreface)
	c.WriteSettings()
	s.WriteSettings(http2.Setting{ID: http2.SettingEnableConnectProtocol, Val: 1})
	client, server = append(client, c.next()), append(server, s.next())

	c.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/page", ":authority", "a")
	c.head(3, false, connectTo("/one")...)
	block := c.encode(append(connectTo("/two"), "x", "y")...)
	c.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: block[:3], PadLength: 7, Priority: http2.PriorityParam{Weight: 3}})
	c.WriteContinuation(5, true, block[3:])
	s.head(1, false, ":status", "200")
	s.WriteData(1, true, []byte("\x81\x02no"))
	s.head(3, false, ":status", "103")
	s.head(3, false, ":status", "200")
	s.head(5, false, ":status", "200", "sec-websocket-extensions", "permessage-deflate")
	client, server = append(client, c.next()), append(server, s.next())

	frame := ws.AppendFrame(nil, masked)
	c.WriteData(3, false, frame[:1])
	c.WriteDataPadded(3, false, frame[1:7], []byte("\x00\x00"))
	c.WriteData(3, false, nil)
	c.WriteData(3, false, frame[7:])
	s.WriteData(5, false, []byte("\xc1\x07\xf2\x48\xcd\xc9\xc9\x07\x00"))
	s.WriteData(3, false, []byte("\xc1\x00")) // nobody agreed on compression
	s.WriteData(3, true, []byte("\x88\x02\x03\xe8"))
	c.WriteData(3, true, nil)
	s.WriteData(5, false, []byte("\x81\x05He"))
	s.WriteRSTStream(5, http2.ErrCodeCancel)
	return append(client, c.next()), append(server, s.next())
}

var conversationShown = []string{
	"connection 10.0.0.1:5000 -> 10.0.0.2:80",
	"1.3 00000000 > handshake CONNECT /one HTTP/2",
	"1.5 00000000 > handshake CONNECT /two HTTP/2",
	"1.3 00000000 < handshake HTTP/2 103",
	"1.3 00000000 < handshake HTTP/2 200",
	"1.5 00000000 < handshake HTTP/2 200",
	`1.3 00000000 > text masked 37fa213d 5 "Hello"`,
	`1.5 00000000 < text rsv1 7=5 "Hello"`,
	"1.3 00000000 < text rsv1 0=0  ! reserved bit is set without an extension that defines it (RFC 6455, section 5.2)",
	"1.3 00000002 < close 2 1000",
	`1.5 00000009 < text 5 "He"...  ! the capture ends inside this frame`,
}

func TestHTTP2(t *testing.T) {
	client, server := conversation()
	for _, serverFirst := range []bool{false, true} {
		for _, step := range []int{1, 7, 1000} {
			packets := newCapture(t, false)
			k := packets.open(5000)
			send := func(from direction, p []byte) {
				for len(p) > 0 {
					n := min(step, len(p))
					k.send(from, p[:n])
					p = p[n:]
				}
			}
			for i := range client {
				if serverFirst && i == 0 {
					send(fromServer, server[i])
				}
				send(fromClient, client[i])
				if !serverFirst || i > 0 {
					send(fromServer, server[i])
				}
			}
			got, err := decoded(t, packets.bytes(), func(o *options) { o.inflate = true })
			require.Error(t, err, "there is a fault")
			require.Len(t, got, len(conversationShown), "%s", strings.Join(got, "\n"))
			for i, want := range conversationShown {
				require.Contains(t, got[i], want, "step %d", step)
			}
		}
	}
}

// HTTP/2 without a WebSocket is no WebSocket connection; what is lost is said.
func TestHTTP2Problems(t *testing.T) {
	c := newTalk()
	c.out.WriteString(http2.ClientPreface)
	c.WriteSettings()
	c.head(1, true, ":method", "GET", ":scheme", "http", ":path", "/", ":authority", "a")
	packets := newCapture(t, false)
	packets.open(5000).send(fromClient, c.next())
	_, err := decoded(t, packets.bytes(), nil)
	require.ErrorContains(t, err, "no WebSocket connection in the capture")

	for name, bad := range map[string]func(c *talk){
		"HPACK": func(c *talk) {
			c.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: []byte{0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff, 0xff}, EndHeaders: true})
		},
		"padding":  func(c *talk) { c.WriteRawFrame(http2.FrameData, http2.FlagDataPadded, 3, []byte{5, 1}) },
		"priority": func(c *talk) { c.WriteRawFrame(http2.FrameHeaders, http2.FlagHeadersPriority, 5, []byte{5, 1}) },
		"endless head": func(c *talk) {
			c.WriteHeaders(http2.HeadersFrameParam{StreamID: 5, BlockFragment: make([]byte, 10)})
			for range 5 {
				c.WriteContinuation(5, false, make([]byte, 16000))
			}
		},
	} {
		c := newTalk()
		c.out.WriteString(http2.ClientPreface)
		c.WriteSettings()
		c.head(3, false, connectTo("/")...)
		bad(c)
		packets := newCapture(t, false)
		k := packets.open(5000)
		for p := c.next(); len(p) > 0; {
			n := min(1000, len(p))
			k.send(fromClient, p[:n])
			p = p[n:]
		}
		got, err := decoded(t, packets.bytes(), nil)
		require.Error(t, err, name)
		require.Contains(t, got[len(got)-1], "not a frame  ! the", name)
	}
}
