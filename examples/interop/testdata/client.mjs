// A client on Node's ws. It runs its cases against the echo server at the URL
// given and prints a line for each; then it waits for the server to close.
import { once } from "node:events";
import WebSocket from "ws";
import "./cases.js";

const url = process.argv[2];
const { check, open, close, next, commonCases, runCases, awaitClose } = globalThis.interop;
const cases = commonCases(WebSocket, url);

cases["ping"] = async () => {
	const ws = await open(WebSocket, url);
	for (const payload of ["", "payload", "p".repeat(125)]) {
		ws.ping(payload);
		const [got] = await once(ws, "pong");
		check("payload", String(got), payload);
	}
	await close(ws, 1000);
};

cases["pong unasked"] = async () => {
	const ws = await open(WebSocket, url);
	ws.pong("unasked");
	ws.send("after");
	check("text", (await next(ws, "message")).data, "after");
	await close(ws, 1000);
};

cases["fragments with a ping between"] = async () => {
	const ws = await open(WebSocket, url);
	const both = Promise.all([once(ws, "pong"), next(ws, "message")]);
	ws.send("frag", { fin: false });
	ws.ping("between");
	ws.send("", { fin: false });
	ws.send("ments", { fin: true });
	const [[pong], message] = await both;
	check("pong", String(pong), "between");
	check("text", message.data, "fragments");
	await close(ws, 1000);
};

cases["text is not UTF-8"] = async () => {
	const ws = await open(WebSocket, url);
	const closed = next(ws, "close");
	ws.send(Buffer.from([0xff]), { binary: false });
	check("code", (await closed).code, 1007);
};

await runCases(cases, (name, fault) => console.log(fault ? `${name}: ${fault}` : name));
console.log(await awaitClose(WebSocket, url, () => console.log("waiting")));
