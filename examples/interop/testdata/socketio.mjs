// A server or a client of socket.io, whose packets are messages of ours.
//
//     socketio.mjs server
//     socketio.mjs client URL
import { createServer } from "node:http";
import { Server } from "socket.io";
import { io } from "socket.io-client";

const [role, url] = process.argv.slice(2);

if (role === "server") {
	const http = createServer();
	const server = new Server(http, { pingInterval: 100, transports: ["websocket"], perMessageDeflate: { threshold: 0 } });
	server.on("connection", (socket) => {
		socket.on("echo", (value) => socket.emit("echo", value));
		socket.on("disconnect", (reason) => console.log("disconnected", reason));
	});
	http.listen(0, "127.0.0.1", () => console.log("listening", http.address().port));
} else {
	const socket = io(url, { transports: ["websocket"], reconnection: false });
	const echo = (value) => new Promise((resolve) => {
		socket.once("echo", resolve);
		socket.emit("echo", value);
	});
	socket.on("connect_error", (e) => console.log("error", e.message));
	socket.on("disconnect", (reason) => {
		console.log("disconnected", reason);
		process.exit(0);
	});
	socket.on("connect", async () => {
		console.log("text", await echo("hello €"));
		console.log("large", (await echo("x".repeat(1 << 20))).length);
		console.log("binary", Buffer.from(await echo(Buffer.from([1, 2, 3]))).toString("hex"));
		socket.emit("leave");
	});
}
