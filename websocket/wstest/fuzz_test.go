package wstest

import (
	"strings"
	"testing"
	"testing/synctest"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
)

// What an agent sends is read by parsers of this package. None may panic, hang,
// or take more memory than was sent.

// received returns the suite's end of a connection on which the agent has sent
// some bytes and hung up.
func received(t *testing.T, client bool, wire []byte) *peer {
	a, b := Pipe(&PipeOptions{Buffer: len(wire) + 1})
	_, err := b.Write(wire)
	require.NoError(t, err)
	require.NoError(t, b.Close())
	p := newPeer(a, client, (&Options{}).orDefaults())
	p.request, p.target = nil, target{}
	t.Cleanup(p.shut)
	return p
}

func FuzzReceivedFrames(f *testing.F) {
	var seed []byte
	for _, fr := range []ws.Frame{
		ws.NewTextFrame([]byte("hello")), ws.NewFrame(ws.OpText, false, []byte("he")), ws.NewPingFrame([]byte("x")),
		ws.NewFrame(ws.OpContinuation, true, []byte("llo")), ws.NewPongFrame(nil),
		ws.NewBinaryFrame(make([]byte, 300)), ws.NewCloseFrame(ws.NewCloseFrameBody(ws.StatusNormalClosure, "bye")),
	} {
		seed = ws.AppendFrame(seed, fr)
		f.Add(ws.AppendFrame(nil, fr), true, false)
		f.Add(ws.AppendFrame(nil, ws.MaskFrame(fr)), false, false)
	}
	squeezed := ws.NewTextFrame(deflate(nil, []byte("hello, hello, hello"), 1<<15))
	squeezed.Header.Rsv = rsv1
	f.Add(ws.AppendFrame(nil, squeezed), true, true)
	f.Add(seed, true, true)
	f.Fuzz(func(t *testing.T, wire []byte, client, compressed bool) {
		p := received(t, client, wire)
		if compressed {
			p.use(deflateParams{})
		}
		for n := 0; ; n++ {
			ev, err := p.next()
			if err != nil || ev.over() {
				return
			}
			require.Less(t, n, len(wire), "events out of nothing")
			require.NotEqual(t, timedOut, ev.kind)
		}
	})
}

func FuzzAnswerHead(f *testing.F) {
	key := "dGhlIHNhbXBsZSBub25jZQ=="
	const agreed = "permessage-deflate; server_max_window_bits=10"
	f.Add(head(httphead.AppendStatusLine(nil, 101, "Switching Protocols"))(
		"Upgrade", "websocket", "Connection", "Upgrade", "Sec-WebSocket-Accept", acceptOf(key), "Sec-WebSocket-Extensions", agreed), agreed)
	f.Add(head(httphead.AppendStatusLine(nil, 404, "Not Found"))("Content-Length", "0"), "permessage-deflate")
	f.Fuzz(func(t *testing.T, wire []byte, offer string) {
		p := received(t, true, wire)
		res, err := p.answer()
		if err != nil || res == nil {
			return
		}
		q := &request{key: key, offered: []string{"chat"}}
		if checkAnswer(q, res) != nil {
			return
		}
		answer := strings.Join(res.Header["Sec-Websocket-Extensions"], ", ")
		wanted := deflateParams{clientBitsHint: true}
		if list := parseExtensions(offer); len(list) > 0 {
			if d, err := parseDeflate(list[0], true); err == nil {
				wanted = d
			}
		}
		got, err := p.agreement(wanted, answer)
		if err == nil && got != nil {
			require.True(t, wanted.serverBits == 15 || permits(wanted, *got), "%v for %v", *got, wanted)
			again, err := parseDeflate(parseExtensions(got.String())[0], false)
			require.NoError(t, err)
			require.Equal(t, *got, again)
		}
	})
}

func FuzzRequestHead(f *testing.F) {
	for _, q := range seedRequests("/case?n=1") {
		f.Add(q)
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		p := received(t, false, wire)
		if p.readRequest() != nil {
			return
		}
		if checkRequest(p.request, pipeAddr{}) == nil {
			require.Equal(t, "GET", p.request.Method)
			require.Len(t, p.accept, 28)
		}
		p.compressClient(deflateParams{serverBits: 10})
	})
}

// FuzzCaseProtocol is what a client may ask for beside the cases.
func FuzzCaseProtocol(f *testing.F) {
	for _, target := range []string{
		"/count", "/cases", "/report", "/case?n=1", "/case?n=1&id=length/text/1", "/case?id=length/text/2",
		"/broken?n=1&why=panic", "/case?n=9", "/broken?id=x", "/other", "/case?n=-1",
	} {
		for _, q := range seedRequests(target) {
			f.Add(q)
		}
	}
	f.Fuzz(func(t *testing.T, wire []byte) {
		synctest.Test(t, func(t *testing.T) {
			l := Listen(nil)
			o := (&Options{Filter: `^length/text/[12]$`, Listener: l}).orDefaults()
			cases, err := o.Cases(Client)
			require.NoError(t, err)
			h := newHost(t.Context(), cases, o)
			_, err = h.open()
			require.NoError(t, err)
			conn, err := l.DialContext(t.Context(), "", "")
			require.NoError(t, err)
			go func() {
				conn.Write(wire)
				conn.(interface{ CloseWrite() error }).CloseWrite()
			}()
			for buf := make([]byte, 1<<10); ; {
				if _, err := conn.Read(buf); err != nil {
					break
				}
			}
			conn.Close()
			h.finish()
			require.Len(t, h.results, 2)
			require.Zero(t, count(h.results).Skipped)
		})
	})
}

// seedRequests are requests that are in order, with and without an offer.
func seedRequests(target string) (list [][]byte) {
	fields := []string{
		"Host", "suite.example", "Upgrade", "websocket", "Connection", "Upgrade",
		"Sec-WebSocket-Key", "dGhlIHNhbXBsZSBub25jZQ==", "Sec-WebSocket-Version", "13",
	}
	list = append(list, head(httphead.AppendRequestLine(nil, "GET", target))(fields...))
	fields = append(fields, "Sec-WebSocket-Extensions", twinOffer)
	return append(list, head(httphead.AppendRequestLine(nil, "GET", target))(fields...))
}

// head returns a function that appends names and values to a first line.
func head(line []byte, err error) func(fields ...string) []byte {
	return func(fields ...string) []byte {
		for i := 0; i < len(fields) && err == nil; i += 2 {
			line, err = httphead.AppendField(line, fields[i], fields[i+1])
		}
		if err != nil {
			panic(err) // a seed that is not in order
		}
		return append(line, "\r\n"...)
	}
}
