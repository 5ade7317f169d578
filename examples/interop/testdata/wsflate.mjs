// All of permessage-deflate with Node's ws. "client URL OFFERS" makes a connection for each offer
// and prints "ok" when all messages came back; "server" agrees to what the query of the URL says
// and echoes.
import { once } from "node:events";
import { createServer } from "node:http";
import WebSocket, { WebSocketServer } from "ws";

// options are those of ws for parameters as Go writes them.
function options(p) {
	const o = {
		threshold: 0,
		serverNoContextTakeover: !!p.ServerNoContextTakeover,
		clientNoContextTakeover: !!p.ClientNoContextTakeover,
	};
	if (p.ServerMaxWindowBits) o.serverMaxWindowBits = p.ServerMaxWindowBits;
	if (p.ClientMaxWindowBits) o.clientMaxWindowBits = p.ClientMaxWindowBits;
	return o;
}

function messages() {
	const all = [];
	let seed = 1;
	const random = () => (seed = (seed * 48271) % 2147483647);
	for (let i = 0; i < 12; i++) {
		const ticks = Array.from({ length: 1 + i * i * 7 }, (_, k) => ({ symbol: ["BTC-USD", "ETH-USD"][k % 2], price: random() % 1000, id: k }));
		const text = Buffer.from(JSON.stringify(ticks));
		all.push(text, text.subarray(0, text.length >> 1), Buffer.from(Array.from({ length: 37 * i }, random)));
	}
	return all.concat(Buffer.alloc(0), all[0], Buffer.alloc(100000));
}

async function client(url, offers) {
	for (const [n, p] of offers.entries()) {
		const zlibDeflateOptions = { level: n % 10, strategy: n % 5 }; // all levels and strategies of zlib
		const ws = new WebSocket(url, { perMessageDeflate: { ...options(p), zlibDeflateOptions } });
		await once(ws, "open");
		let fault = ws.extensions === "permessage-deflate" ? "" : "no compression";
		for (const [i, m] of messages().entries()) {
			const echo = once(ws, "message");
			if (i % 3 === 2) {
				ws.send(m.subarray(0, m.length >> 1), { fin: false, binary: true });
				ws.send(m.subarray(m.length >> 1), { fin: true });
			} else {
				ws.send(m, { binary: true });
			}
			const [got] = await echo;
			if (!m.equals(got)) fault ||= `message ${i} differs`;
		}
		ws.close(1000);
		await once(ws, "close");
		console.log(fault || "ok");
	}
}

function server() {
	const http = createServer();
	http.on("upgrade", (request, socket, head) => {
		const p = JSON.parse(decodeURIComponent(request.url.slice(request.url.indexOf("?") + 1)));
		const wss = new WebSocketServer({ noServer: true, perMessageDeflate: options(p) });
		wss.handleUpgrade(request, socket, head, (ws) => {
			ws.on("error", (e) => console.error(e));
			ws.on("message", (data, binary) => ws.send(data, { binary }));
		});
	});
	http.listen(0, "127.0.0.1", () => console.log("listening", http.address().port));
}

if (process.argv[2] === "server") server();
else await client(process.argv[3], JSON.parse(process.argv[4]));
