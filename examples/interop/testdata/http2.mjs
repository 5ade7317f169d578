// A server of HTTP/2 without TLS on node:http2, with the frames of ws. It accepts
// extended CONNECT (RFC 8441) and echoes; it prints the port it listens on, and how each
// WebSocket ended.
import http2 from "node:http2";
import { WebSocket } from "ws";

const server = http2.createServer({ settings: { enableConnectProtocol: true } });
server.on("stream", (stream, headers) => {
	if (headers[":method"] !== "CONNECT" || headers[":protocol"] !== "websocket") {
		stream.respond({ ":status": 400 }, { endStream: true });
		return;
	}
	if (headers[":path"] === "/refuse") {
		stream.respond({ ":status": 403 });
		stream.end("not you");
		return;
	}
	const offered = (headers["sec-websocket-protocol"] ?? "").split(/, */);
	stream.respond({ ":status": 200, ...(offered.includes("echo") && { "sec-websocket-protocol": "echo" }) });
	const ws = new WebSocket(null, undefined, { autoPong: true, closeTimeout: 30000 });
	ws.setSocket(stream, Buffer.alloc(0), { allowSynchronousEvents: true, maxPayload: 64 << 20, skipUTF8Validation: false });
	ws.on("error", (e) => console.error(e));
	ws.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
	ws.on("message", (data, binary) => {
		if (String(data) === "close") ws.close(4001, "bye €");
		else ws.send(data, { binary });
	});
	if (headers[":path"] === "/ping") {
		ws.on("pong", (data) => ws.send(`pong ${data}`));
		ws.ping("from the server");
	}
});
server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
