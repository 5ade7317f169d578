// A client on Node's ws that compresses. It meets the echo server at the URL given with all
// parameters of permessage-deflate and prints a line for each set.
import { once } from "node:events";
import WebSocket from "ws";

const url = process.argv[2];
const messages = [
	"",
	"short",
	"the same again and again, ".repeat(500),
	JSON.stringify(Array.from({ length: 200 }, (_, i) => ({ id: i, name: `item ${i}`, even: i % 2 === 0 }))),
	"the same again and again, ".repeat(500),
	"x".repeat(100_000),
];

async function run(options) {
	const ws = new WebSocket(url, { perMessageDeflate: { threshold: 0, ...options } });
	await once(ws, "open");
	if (!ws.extensions.startsWith("permessage-deflate")) throw new Error(`extensions: ${ws.extensions}`);
	for (const sent of messages) {
		ws.send(sent);
		const [got] = await once(ws, "message");
		if (String(got) !== sent) throw new Error("another message came back");
	}
	ws.close(1000);
	const [code] = await once(ws, "close");
	if (code !== 1000) throw new Error(`closed with ${code}`);
}

for (const serverNoContextTakeover of [false, true]) {
	for (const clientNoContextTakeover of [false, true]) {
		for (const bits of [9, 10, 11, 12, 13, 14, 15]) {
			const name = `server ${serverNoContextTakeover} client ${clientNoContextTakeover} bits ${bits}`;
			try {
				// false would forbid it to the server, undefined leaves it free
				await run({ serverNoContextTakeover, clientNoContextTakeover: clientNoContextTakeover || undefined, serverMaxWindowBits: bits, clientMaxWindowBits: bits });
				console.log(name);
			} catch (e) {
				console.log(`${name}: ${e.message}`);
			}
		}
	}
}
