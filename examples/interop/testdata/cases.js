// What every client with the WebSocket interface of browsers does with the echo
// server: Chromium and Node run this file alike.
"use strict";

const sizes = [0, 125, 126, 65535, 65536, 1 << 20];
const tooBig = 4 << 20; // the tests' server takes 2 MiB

function check(what, got, want) {
	if (got !== want) throw new Error(`${what}: got ${got}, want ${want}`);
}

// next resolves with the next event of the type; a connection that closes
// instead rejects.
function next(ws, type) {
	return new Promise((resolve, reject) => {
		ws.addEventListener(type, resolve, { once: true });
		if (type === "close") return;
		ws.addEventListener("close", (e) => reject(new Error(`closed with ${e.code} ${e.reason}`)), { once: true });
	});
}

async function open(WebSocket, url, protocols = []) {
	const ws = new WebSocket(url, protocols);
	ws.binaryType = "arraybuffer";
	ws.addEventListener("error", () => {}); // close tells the story
	await next(ws, "open");
	return ws;
}

async function close(ws, ...args) {
	const closed = next(ws, "close");
	ws.close(...args);
	const e = await closed;
	check("clean", e.wasClean, true);
	return e;
}

function bytes(n) {
	return Uint8Array.from({ length: n }, (_, i) => i * 7 + (i >> 8));
}

function same(a, b) {
	return a.length === b.length && a.every((x, i) => x === b[i]);
}

// commonCases returns named functions that throw when something is wrong.
function commonCases(WebSocket, url) {
	const connect = (protocols) => open(WebSocket, url, protocols);
	const cases = {};
	for (const n of sizes) {
		cases[`text ${n}`] = async () => {
			const ws = await connect();
			const text = "0123456789 text ".repeat(n / 16 + 1).slice(0, n);
			ws.send(text);
			const { data } = await next(ws, "message");
			check("type", typeof data, "string");
			check("same", data === text, true);
			await close(ws, 1000);
		};
		cases[`binary ${n}`] = async () => {
			const ws = await connect();
			const sent = bytes(n);
			ws.send(sent);
			const { data } = await next(ws, "message");
			check("same", same(new Uint8Array(data), sent), true);
			await close(ws, 1000);
		};
	}
	cases["many in a row"] = async () => {
		const ws = await connect();
		const got = [];
		const all = new Promise((resolve) => {
			ws.addEventListener("message", (e) => {
				got.push(e.data);
				if (got.length === 100) resolve();
			});
		});
		for (let i = 0; i < 100; i++) ws.send("message " + i);
		await all;
		got.forEach((data, i) => check("order", data, "message " + i));
		await close(ws, 1000);
	};
	cases["characters of all lengths"] = async () => {
		const ws = await connect();
		ws.send("aé€😀\u0000");
		check("text", (await next(ws, "message")).data, "aé€😀\u0000");
		await close(ws, 1000);
	};
	cases["subprotocol"] = async () => {
		const ws = await connect(["chat", "echo"]);
		check("protocol", ws.protocol, "echo");
		await close(ws, 1000);
	};
	cases["deflate declined"] = async () => {
		const ws = await connect();
		check("extensions", ws.extensions, "");
		check("protocol", ws.protocol, "");
		await close(ws, 1000);
	};
	cases["close with code and reason"] = async () => {
		const e = await close(await connect(), 4001, "bye €");
		check("code", e.code, 4001);
		check("reason", e.reason, "bye €");
	};
	cases["close without code"] = async () => {
		const e = await close(await connect());
		check("code", e.code, 1005);
		check("reason", e.reason, "");
	};
	cases["too big"] = async () => {
		const ws = await connect();
		const closed = next(ws, "close");
		ws.send(new Uint8Array(tooBig));
		check("code", (await closed).code, 1009);
	};
	return cases;
}

// runCases reports each case by its name and what was wrong with it, "" if
// nothing was.
async function runCases(cases, report) {
	for (const [name, run] of Object.entries(cases)) {
		try {
			await run();
			report(name, "");
		} catch (e) {
			report(name, e.message);
		}
	}
}

// awaitClose says hello, calls ready, and tells how the server closes then.
async function awaitClose(WebSocket, url, ready) {
	const ws = await open(WebSocket, url);
	ws.send("hello");
	await next(ws, "message");
	const closed = next(ws, "close");
	ready();
	const e = await closed;
	return `closed ${e.code} ${e.reason} ${e.wasClean ? "clean" : "not clean"}`;
}

globalThis.interop = { check, open, close, next, commonCases, runCases, awaitClose };
