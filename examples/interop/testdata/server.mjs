// A server on Node's ws. The path of the URL says what it does with a
// connection; it prints the port it listens on, and how each connection ended.
import { WebSocketServer } from "ws";

const behaviours = {
	"/echo": (ws) => ws.on("message", (data, binary) => ws.send(data, { binary })),
	"/greet": (ws) => ["one", "two", "three"].forEach((text) => ws.send(text)),
	"/ping": (ws) => {
		ws.on("pong", (data) => ws.send(`pong ${data}`));
		ws.ping("from the server");
	},
	"/fragments": (ws) => {
		ws.send("frag", { fin: false });
		ws.ping("between");
		ws.send("ments", { fin: true });
	},
	"/close": (ws) => ws.close(4001, "bye €"),
};

const server = new WebSocketServer({
	host: "127.0.0.1",
	port: 0,
	perMessageDeflate: true,
	handleProtocols: (offered) => offered.has("echo") && "echo",
});
server.on("listening", () => console.log("listening", server.address().port));
server.on("connection", (ws, request) => {
	ws.on("error", (e) => console.error(e));
	ws.on("close", (code, reason) => console.log(`closed ${code} ${reason}`));
	behaviours[request.url](ws);
});
