package interop

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"net"
	"net/url"
	"strings"
	"sync"
	"testing"
	"time"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/examples/echo"
	"github.com/wskit/wskit/httphead"
	"github.com/wskit/wskit/ws"
	"github.com/wskit/wskit/wsflate"
	"github.com/wskit/wskit/wsutil"
)

// deflated is a connection that has agreed on compression, of either side, on
// package wsflate and no package above it.
type deflated struct {
	conn     net.Conn
	protocol *wsutil.Protocol
	sender   *wsflate.Sender
	receiver *wsflate.Receiver
	in       []byte // what has arrived and was not looked at yet
	buf      [4096]byte
	sent     int
	squeezed int // messages that were received compressed
}

func newDeflated(conn net.Conn, agreed wsflate.Parameters, side ws.State) *deflated {
	return &deflated{
		conn:     conn,
		protocol: wsutil.NewProtocol(&wsutil.Config{State: side | ws.StateRSV1}),
		sender:   wsflate.NewSender(agreed, side, nil),
		receiver: wsflate.NewReceiver(agreed, side),
	}
}

// read returns the next message. It answers control frames, and returns io.EOF
// after the closing handshake.
func (d *deflated) read() (op ws.OpCode, message []byte, err error) {
	for {
		ev, n, err := d.protocol.Next(d.in)
		d.in = d.in[n:]
		if err == io.ErrUnexpectedEOF {
			if n, err = d.conn.Read(d.buf[:]); err != nil {
				return 0, nil, err
			}
			d.in = append(d.in[:0], d.buf[:n]...)
			continue
		}
		if err != nil {
			return 0, nil, err
		}
		switch {
		case ev.OpCode.IsControl():
			if _, err = d.conn.Write(d.protocol.AppendReply(nil, ev)); err == nil && d.protocol.Closing().Done() {
				err = io.EOF
			}
		case ev.Rsv != 0:
			message, err = d.receiver.Append(message, ev.Payload, ev.Last(), maxMessage)
		default:
			message = append(message, ev.Payload...)
		}
		if err != nil {
			return 0, nil, err
		}
		if !ev.OpCode.IsControl() && ev.Last() {
			if ev.Rsv != 0 {
				d.squeezed++
			}
			return ev.OpCode, message, nil
		}
	}
}

// write sends a message in one frame, and every third one in two fragments.
func (d *deflated) write(op ws.OpCode, m []byte) (err error) {
	rsv1 := ws.Rsv(true, false, false)
	var wire []byte
	if d.sent++; d.sent%3 == 0 {
		wire, err = d.protocol.AppendFragment(wire, ws.Header{OpCode: op, Rsv: rsv1}, d.sender.AppendPart(nil, m[:len(m)/2], false))
		if err != nil {
			return err
		}
		wire, err = d.protocol.AppendFragment(wire, ws.Header{OpCode: op, Fin: true}, d.sender.AppendPart(nil, m[len(m)/2:], true))
	} else if payload, ok := d.sender.AppendMessage(nil, m); ok {
		wire, err = d.protocol.AppendFragment(wire, ws.Header{OpCode: op, Fin: true, Rsv: rsv1}, payload)
	} else {
		wire, err = d.protocol.AppendMessage(wire, op, m)
	}
	if err == nil {
		_, err = d.conn.Write(wire)
	}
	return err
}

// A met is how a connection of startDeflate went.
type met struct {
	agreed   wsflate.Parameters
	squeezed int
	err      error
}

// startDeflate starts an echo server with compression. The query of the URL is
// its policy, in the form of an offer without its name:
// "/?server_max_window_bits=9&client_no_context_takeover".
func startDeflate(t *testing.T) (addr string, connections <-chan met) {
	ln, err := net.Listen("tcp", "127.0.0.1:0")
	require.NoError(t, err)
	mets := make(chan met, 1000)
	var sessions sync.WaitGroup
	sessions.Go(func() {
		for {
			conn, err := ln.Accept()
			if err != nil {
				return
			}
			sessions.Go(func() {
				defer conn.Close()
				mets <- serveDeflate(conn)
			})
		}
	})
	t.Cleanup(func() {
		ln.Close()
		sessions.Wait()
	})
	return ln.Addr().String(), mets
}

func serveDeflate(conn net.Conn) (m met) {
	conn.SetDeadline(time.Now().Add(patience))
	e := wsflate.Extension{Adaptive: true}
	u := ws.Upgrader{
		OnRequest: func(uri []byte) error {
			_, query, _ := strings.Cut(string(uri), "?")
			policy, _ := httphead.ParseOptions([]byte(wsflate.ExtensionName+"; "+strings.ReplaceAll(query, "&", "; ")), nil)
			if query == "" || len(policy) != 1 {
				return nil
			}
			return e.Parameters.Parse(policy[0])
		},
		Negotiate: e.Negotiate,
	}
	if _, m.err = u.Upgrade(conn); m.err != nil {
		return m
	}
	var ok bool
	if m.agreed, ok = e.Accepted(); !ok {
		m.err = errors.New("no compression")
		return m
	}
	d := newDeflated(conn, m.agreed, ws.StateServerSide)
	for {
		op, message, err := d.read()
		m.squeezed = d.squeezed
		if err == nil {
			err = d.write(op, message)
		}
		if err == io.EOF {
			if conn.(*net.TCPConn).CloseWrite() == nil {
				io.Copy(io.Discard, conn) // until the peer closes
			}
			return m
		}
		if m.err = err; err != nil {
			return m
		}
	}
}

// agreements are the four combinations of takeover, with windows of all sizes
// in both directions.
func agreements() (all []wsflate.Parameters) {
	for combination := range 4 {
		for bits := 8; bits <= 15; bits++ {
			all = append(all, wsflate.Parameters{
				ServerNoContextTakeover: combination&1 != 0,
				ClientNoContextTakeover: combination&2 != 0,
				ServerMaxWindowBits:     wsflate.WindowBits(bits),
				ClientMaxWindowBits:     wsflate.WindowBits(23 - bits),
			})
		}
	}
	return all
}

// query returns p as the policy of startDeflate.
func query(p wsflate.Parameters) string {
	o, _ := httphead.AppendOptions(nil, []httphead.Option{p.Option()})
	return "?" + strings.ReplaceAll(strings.TrimPrefix(strings.TrimPrefix(string(o), wsflate.ExtensionName), "; "), "; ", "&")
}

// canDeflate reports whether a peer can compress with such a window: zlib has
// none of 8 bits, and Node, unlike Python, takes one of 9 bits then, of which
// it uses 250 bytes.
func canDeflate(r runtime, bits wsflate.WindowBits) bool {
	return r.name == "node with ws" || bits > 8
}

// TestWsflateServer has the peers' clients offer all that there is to offer,
// and send messages.
func TestWsflateServer(t *testing.T) {
	for _, r := range runtimes[:2] {
		t.Run(r.name, func(t *testing.T) {
			addr, mets := startDeflate(t)
			var offers []wsflate.Parameters
			for _, p := range agreements() {
				if canDeflate(r, p.ClientMaxWindowBits) {
					offers = append(offers, p)
				}
			}
			asked, err := json.Marshal(offers)
			require.NoError(t, err)
			p := r.start(t, r.deflate, "client", "ws://"+addr+"/", string(asked))
			for _, offer := range offers {
				require.Equal(t, "ok", p.line(t), "%+v", offer)
				m := <-mets
				require.NoError(t, m.err)
				require.Equal(t, offer, m.agreed)
				require.NotZero(t, m.squeezed)
			}
		})
	}
}

// TestWsflateClient has our client offer all that there is to offer to the
// peers' servers.
func TestWsflateClient(t *testing.T) {
	for _, r := range runtimes[:2] {
		t.Run(r.name, func(t *testing.T) {
			p := r.start(t, r.deflate, "server")
			base := "ws://127.0.0.1:" + p.port(t) + "/?"
			for _, offer := range agreements() {
				if canDeflate(r, offer.ServerMaxWindowBits) {
					ask, err := json.Marshal(offer)
					require.NoError(t, err)
					echoDeflated(t, base+url.QueryEscape(string(ask)), offer)
				}
			}
			// What browsers offer.
			echoDeflated(t, base+url.QueryEscape("{}"), wsflate.Parameters{ClientMaxWindowBits: wsflate.AnyWindowBits})
		})
	}
}

func echoDeflated(t *testing.T, url string, offer wsflate.Parameters) {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	conn, _, hs, err := ws.Dialer{Extensions: []httphead.Option{offer.Option()}}.Dial(ctx, url)
	require.NoError(t, err)
	defer conn.Close()
	require.NoError(t, conn.SetDeadline(time.Now().Add(patience)))
	require.Len(t, hs.Extensions, 1, "%+v", offer)
	agreed, err := offer.Confirm(hs.Extensions[0])
	require.NoError(t, err)

	d := newDeflated(conn, agreed, ws.StateClientSide)
	for i, m := range deflateMessages() {
		op := []ws.OpCode{ws.OpText, ws.OpBinary}[i%2]
		require.NoError(t, d.write(op, m))
		gotOp, got, err := d.read()
		require.NoError(t, err, "%+v: message %d", agreed, i)
		require.Equal(t, op, gotOp)
		require.True(t, bytes.Equal(m, got), "%+v: message %d", agreed, i)
	}
	require.Greater(t, d.squeezed, 5)
	wire, err := d.protocol.AppendClose(nil, ws.StatusNormalClosure, "")
	require.NoError(t, err)
	_, err = conn.Write(wire)
	require.NoError(t, err)
	_, _, err = d.read()
	require.Equal(t, io.EOF, err)
}

// deflateMessages are short and long, and repeat what was said before at many
// distances.
func deflateMessages() (all [][]byte) {
	for i := range 12 {
		var m []byte
		for k := range 1 + i*i*7 {
			m = fmt.Appendf(m, `{"type":"trade","symbol":"%s","price":%d,"id":%d}`, []string{"BTC-USD", "ETH-USD"}[k%2], i*k*7919%1000, k)
		}
		all = append(all, m, m[:len(m)/2])
	}
	return append(all, nil, all[0])
}

// TestWsflateChromium makes a browser send messages with all parameters that
// our server may request.
func TestWsflateChromium(t *testing.T) {
	addr, mets := startDeflate(t)
	home, _ := startServer(t, (*echo.Server).ServeHTTP) // the page that the script runs in
	b := startChromium(t, "http://"+home+"/")
	for _, policy := range append(agreements(), wsflate.Parameters{}, wsflate.DefaultParameters, wsflate.SmallWindow()) {
		var got string
		b.eval(`(async () => {
			const ws = new WebSocket(`+quote("ws://"+addr+"/"+query(policy))+`);
			const next = (type) => new Promise((resolve, reject) => {
				ws.addEventListener(type, resolve, { once: true });
				ws.addEventListener("close", (e) => reject(new Error("closed " + e.code)), { once: true });
			});
			await next("open");
			for (let i = 0; i < 12; i++) {
				const text = Array.from({ length: 1 + i * i * 7 }, (_, k) =>
					JSON.stringify({ type: "trade", symbol: ["BTC-USD", "ETH-USD"][k % 2], price: i * k * 7919 % 1000, id: k })).join("");
				ws.send(text);
				const { data } = await next("message");
				if (data !== text) return "message " + i;
			}
			const closed = new Promise((resolve) => ws.addEventListener("close", resolve));
			ws.close(1000);
			return ws.extensions + " " + (await closed).code;
		})()`, &got)
		answer, _ := httphead.AppendOptions(nil, []httphead.Option{policy.Option()})
		require.Equal(t, string(answer)+" 1000", got)
		m := <-mets
		require.NoError(t, m.err)
		require.Equal(t, policy, m.agreed)
		require.Equal(t, 12, m.squeezed)
	}
}
