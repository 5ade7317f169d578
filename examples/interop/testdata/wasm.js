"use strict";

// runTests runs test.wasm, the tests of package browser, and returns their exit code and
// what they print. It works in a page and in a worker, behind wasm_exec.js.
async function runTests(server) {
	const go = globalThis.interopGo = new Go();
	const decoder = new TextDecoder();
	let code, output = "";
	go.argv = ["browser.test", "-test.v"];
	go.env = {INTEROP_SERVER: server};
	go.exit = (c) => { code = c; };
	globalThis.fs.writeSync = (fd, bytes) => {
		output += decoder.decode(bytes, {stream: true});
		return bytes.length;
	};
	const {instance} = await WebAssembly.instantiateStreaming(fetch(location.origin + "/test.wasm"), go.importObject);
	await go.run(instance);
	return {code, output};
}

// runTestsInWorker does it in a worker.
function runTestsInWorker(server) {
	const script = `
		importScripts("${location.origin}/wasm_exec.js", "${location.origin}/wasm.js");
		onmessage = async (e) => postMessage(
			await runTests(e.data).catch((error) => ({code: -1, output: String(error)})));`;
	const worker = new Worker(URL.createObjectURL(new Blob([script], {type: "text/javascript"})));
	worker.postMessage(server);
	return new Promise((resolve, reject) => {
		worker.onmessage = (e) => resolve(e.data);
		worker.onerror = (e) => reject(new Error(e.message));
	});
}
