// Echo servers on the packages websocket and faye-websocket: "LIBRARY FOLDER LIMIT". FOLDER is
// where the package is installed. It prints its port, and ends when its standard input does.
import { createServer } from "node:http";
import { createRequire } from "node:module";

const [, , library, folder, limit] = process.argv;
const load = createRequire(import.meta.url);

process.stdin.on("end", () => process.exit(0)).resume();

function websocket(server) {
	const { server: Server } = load(folder);
	const size = Number(limit);
	const ws = new Server({ httpServer: server, autoAcceptConnections: true, maxReceivedFrameSize: size, maxReceivedMessageSize: size, keepalive: false });
	ws.on("connect", (conn) => {
		conn.on("error", () => {});
		conn.on("message", (m) => (m.type === "utf8" ? conn.sendUTF(m.utf8Data) : conn.sendBytes(m.binaryData)));
	});
}

function faye(server) {
	const WebSocket = load(folder);
	server.on("upgrade", (request, socket, head) => {
		socket.on("error", () => {});
		if (!WebSocket.isWebSocket(request)) return socket.end("HTTP/1.1 400 Bad Request\r\nConnection: close\r\n\r\n");
		const ws = new WebSocket(request, socket, head, [], { maxLength: Number(limit) });
		ws.on("error", () => {});
		ws.on("message", (event) => ws.send(event.data));
	});
}

const server = createServer((_, response) => response.writeHead(404).end());
({ websocket, faye })[library](server);
server.listen(0, "127.0.0.1", () => console.log("listening", server.address().port));
