package serve

import (
	"context"
	"crypto/sha256"
	"crypto/tls"
	"crypto/x509"
	"encoding/base64"
	"io"
	"log/slog"
	"net"
	"testing"

	"github.com/stretchr/testify/require"

	"github.com/wskit/wskit/cmd/internal/certificate"
	"github.com/wskit/wskit/cmd/internal/chromium"
)

// TestHTTP3Chromium has a browser open WebSockets over HTTP/3 (RFC 9220), from a page that
// came over HTTP/3. Nothing listens on TCP: what works has used QUIC.
func TestHTTP3Chromium(t *testing.T) {
	if testing.Short() {
		t.Skip("starts a browser")
	}
	s, err := newServer(&options{compress: "takeover", maxMessage: 2 << 20, http3: true}, slog.New(slog.NewTextHandler(io.Discard, nil)))
	require.NoError(t, err)
	pair, err := certificate.Make("127.0.0.1:0", "")
	require.NoError(t, err)
	udp, err := s.startHTTP3(s.web(&tls.Config{Certificates: []tls.Certificate{pair}}), &net.TCPAddr{IP: net.IPv4(127, 0, 0, 1)})
	require.NoError(t, err)
	over, cancel := context.WithCancel(t.Context())
	cancel()
	defer udp.end(over) // and not when the browser closes its connection
	defer s.frames.close()

	leaf, err := x509.ParseCertificate(pair.Certificate[0])
	require.NoError(t, err)
	key := sha256.Sum256(leaf.RawSubjectPublicKeyInfo)
	addr := udp.conn.LocalAddr().String()
	b := chromium.Open(t, "https://"+addr+"/", "--origin-to-force-quic-on="+addr,
		"--ignore-certificate-errors-spki-list="+base64.StdEncoding.EncodeToString(key[:]), "--enable-features=EnableWebsocketsOverHttp3")
	var protocol string
	b.Eval(`performance.getEntriesByType("navigation")[0].nextHopProtocol`, &protocol)
	require.Equal(t, "h3", protocol)

	var results []string
	b.Eval(browserCases, &results)
	for _, r := range results {
		require.Contains(t, r, ": ok")
	}
	require.Len(t, results, 9)

	b.Eval(`new Promise((ready, failed) => {
		const ws = new WebSocket("wss://" + location.host + "/echo");
		globalThis.farewell = new Promise((done) => ws.onclose = (e) => done(e.code + " " + e.reason + " " + e.wasClean));
		ws.onopen = () => ready();
		ws.onerror = () => failed("refused");
	})`, nil)
	require.NoError(t, s.group.Shutdown(t.Context()))
	var farewell string
	b.Eval("farewell", &farewell)
	require.Equal(t, "1001 server is shutting down true", farewell)
}

// browserCases returns a line for each case: its name, and ok or what was wrong.
const browserCases = `(async () => {
	const url = "wss://" + location.host + "/echo";
	const next = (ws, type) => new Promise((resolve, reject) => {
		ws.addEventListener(type, resolve, {once: true});
		if (type !== "close") ws.addEventListener("close", (e) => reject(new Error("closed with " + e.code + " " + e.reason)), {once: true});
	});
	const open = async () => {
		const ws = new WebSocket(url);
		ws.binaryType = "arraybuffer";
		await next(ws, "open");
		return ws;
	};
	const check = (what, got, want) => { if (got !== want) throw new Error(what + ": got " + got + ", want " + want); };
	const close = async (ws, ...args) => {
		const closed = next(ws, "close");
		ws.close(...args);
		const e = await closed;
		check("clean", e.wasClean, true);
		return e;
	};
	const cases = {};
	for (const n of [0, 125, 126, 65536, 1 << 20]) {
		cases["messages of " + n] = async () => {
			const ws = await open();
			check("extensions", ws.extensions.startsWith("permessage-deflate"), true);
			const text = "0123456789 text ".repeat(n / 16 + 1).slice(0, n);
			ws.send(text);
			check("text", (await next(ws, "message")).data === text, true);
			const sent = Uint8Array.from({length: n}, (_, i) => i * 7 + (i >> 8));
			ws.send(sent);
			const got = new Uint8Array((await next(ws, "message")).data);
			check("binary", got.length === n && got.every((x, i) => x === sent[i]), true);
			await close(ws, 1000);
		};
	}
	cases["many in a row, on ten streams"] = async () => {
		const all = await Promise.all(Array.from({length: 10}, open));
		await Promise.all(all.map(async (ws) => {
			const got = [];
			const done = new Promise((resolve) => ws.addEventListener("message", (e) => { if (got.push(e.data) === 100) resolve(); }));
			for (let i = 0; i < 100; i++) ws.send("message " + i);
			await done;
			got.forEach((data, i) => check("order", data, "message " + i));
			await close(ws);
		}));
	};
	cases["close with code and reason"] = async () => {
		const e = await close(await open(), 4001, "bye €");
		check("code", e.code, 4001);
		check("reason", e.reason, "bye €");
	};
	cases["close without code"] = async () => check("code", (await close(await open())).code, 1005);
	cases["too big"] = async () => {
		const ws = await open();
		const closed = next(ws, "close");
		ws.send(new Uint8Array(4 << 20));
		check("code", (await closed).code, 1009);
	};
	const results = [];
	for (const [name, run] of Object.entries(cases)) {
		await run().then(() => results.push(name + ": ok"), (e) => results.push(name + ": " + e.message));
	}
	return results;
})()`
