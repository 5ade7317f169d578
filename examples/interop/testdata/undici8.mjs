// A client on undici, which opens WebSockets over HTTP/2 where the server offers
// extended CONNECT. It runs the cases of browsers against the echo server at the URL
// given and prints a line for each; then it waits for the server to close.
import { Agent, WebSocket as Plain } from "undici8";
import "./cases.js";

const dispatcher = new Agent({ allowH2: true, connect: { rejectUnauthorized: false } });
class WebSocket extends Plain {
	constructor(url, protocols = []) {
		super(url, { protocols, dispatcher });
	}
}

const url = process.argv[2];
const { commonCases, runCases, awaitClose } = globalThis.interop;
await runCases(commonCases(WebSocket, url), (name, fault) => console.log(fault ? `${name}: ${fault}` : name));
console.log(await awaitClose(WebSocket, url, () => console.log("waiting")));
process.exit(0);
