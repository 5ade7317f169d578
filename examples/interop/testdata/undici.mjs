// A client on undici, the WebSocket of Node itself. It runs the cases of
// browsers against the echo server at the URL given and prints a line for each;
// then it waits for the server to close.
import { WebSocket } from "undici";
import "./cases.js";

const url = process.argv[2];
const { commonCases, runCases, awaitClose } = globalThis.interop;
await runCases(commonCases(WebSocket, url), (name, fault) => console.log(fault ? `${name}: ${fault}` : name));
console.log(await awaitClose(WebSocket, url, () => console.log("waiting")));
process.exit(0);
