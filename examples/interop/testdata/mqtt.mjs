// Two clients of MQTT over WebSocket: one publishes what the other one has subscribed to.
//
//     mqtt.mjs URL VERSION
import mqtt from "mqtt";

const [url, version] = process.argv.slice(2);
const options = (name) => ({ clientId: name + version, protocolVersion: Number(version), reconnectPeriod: 0, keepalive: 2 });

const reader = await mqtt.connectAsync(url, options("reader"));
const writer = await mqtt.connectAsync(url, options("writer"));
await reader.subscribeAsync(`news${version}/#`, { qos: 2 });

const received = [];
const all = new Promise((resolve) => reader.on("message", (topic, payload) => {
	received.push(`${topic.split("/")[1]} ${payload.length} ${payload.subarray(0, 5)}`);
	if (received.length === 4) {
		resolve();
	}
}));
await writer.publishAsync(`news${version}/a`, "hello", { qos: 0 });
await writer.publishAsync(`news${version}/b`, "", { qos: 1 });
await writer.publishAsync(`news${version}/c`, "x".repeat(300_000), { qos: 2 });
await new Promise((resolve) => setTimeout(resolve, 3500)); // longer than the broker waits for a silent client
await writer.publishAsync(`news${version}/d`, "again", { qos: 1 });
await all;
console.log(received.sort().join(", "));
await writer.endAsync();
await reader.endAsync();
console.log("ended");
