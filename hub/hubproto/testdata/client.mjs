// Follows a topic with the client in JavaScript, for a test: prints each event as a line
// of JSON, and does what the lines of its input say.

import {createInterface} from "node:readline";
import {Hub, HubError} from "../hub.js";

const say = (...line) => console.log(JSON.stringify(line));
const connect = () => new Hub(process.argv[2], {minDelay: 20, state: (name, code) => say("state", name, ...(code ? [code] : []))});
let hub = connect();
const subs = new Map();
const handlers = (topic) => ({
  message: (m) => say(topic, m.topic, m.data ?? m.text ?? [...m.bytes]),
  join: (m) => say(topic, "join", m.data),
  leave: (m) => say(topic, "leave", m.data),
  live: () => say(topic, "live"),
  gap: () => say(topic, "gap"),
  refused: (e) => say(topic, "refused", e instanceof HubError, e.code, e.message),
});
const commands = {
  subscribe: (topic, options = {}) => { subs.set(topic, hub.subscribe(topic, {...handlers(topic), ...options})); },
  unsubscribe: (topic) => subs.get(topic).unsubscribe(),
  publish: (topic, data, options) => hub.publish(topic, data, options),
  presence: async (topic) => (await hub.presence(topic, 10)).members.map((m) => m.data),
  ping: () => hub.ping(),
  close: () => hub.close(),
  connect: () => { hub = connect(); },
};
for await (const line of createInterface({input: process.stdin})) {
  const [name, ...args] = JSON.parse(line);
  try {
    const result = await commands[name](...args);
    say("done", name, ...(Array.isArray(result) ? [result] : []));
  } catch (e) {
    say("failed", name, e.code);
  }
}
