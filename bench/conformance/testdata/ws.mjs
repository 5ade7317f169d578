// An echo on Node's ws: "FOLDER LIMIT" is a server that prints its port, and "FOLDER LIMIT URL"
// a client that runs the cases of the suite at the URL. FOLDER is where ws is installed. It ends
// when its standard input does.
import { createRequire } from "node:module";

const [, , folder, limit, base] = process.argv;
const WebSocket = createRequire(import.meta.url)(folder);
const options = { perMessageDeflate: { threshold: 0 }, maxPayload: Number(limit) };
const atOnce = 16;

process.stdin.on("end", () => process.exit(0)).resume();

function echo(ws) {
	ws.on("error", () => {});
	ws.on("message", (data, binary) => ws.send(data, { binary }, () => {}));
}

function serve() {
	const server = new WebSocket.Server({ host: "127.0.0.1", port: 0, ...options });
	server.on("listening", () => console.log("listening", server.address().port));
	server.on("connection", echo);
}

// fetch reads the one message that is behind a URL.
function fetch(url) {
	return new Promise((resolve, reject) => {
		const ws = new WebSocket(url, options);
		ws.on("error", reject);
		ws.on("message", (data) => {
			ws.close();
			ws.on("close", () => resolve(String(data)));
		});
	});
}

// play opens a connection for a case and resolves when it has ended, however it does.
function play(n) {
	return new Promise((resolve) => {
		const ws = new WebSocket(`${base}/case?n=${n}`, { handshakeTimeout: 10_000, ...options });
		echo(ws);
		ws.on("close", resolve);
	});
}

async function drive() {
	const count = Number(await fetch(`${base}/count`));
	let next = 1;
	const worker = async () => {
		while (next <= count) await play(next++);
	};
	await Promise.all(Array.from({ length: atOnce }, worker));
	await fetch(`${base}/report`);
	process.exit(0);
}

if (base) await drive();
else serve();
