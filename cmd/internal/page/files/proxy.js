// The page of wskit proxy: the frames of all connections that pass through it.

import * as frames from "./frames.js";
import {$, byteSize} from "./util.js";

const count = {sent: 0, received: 0}, bytes = {sent: 0, received: 0};

// watchProxy shows what passes, and hides what belongs to a connection of the page.
export function watchProxy() {
  document.title = document.querySelector("h1").textContent = "wskit proxy";
  $("side").hidden = $("again").hidden = true;
  $("note").textContent = "“Sent” is what clients send, “received” what the server sends. Compressed messages are shown inflated.";
  frames.setHint("Nothing has passed yet.");
  const events = new EventSource("/proxied");
  events.onopen = () => state("open", "watching");
  events.onerror = () => state("closed", "the proxy does not answer");
  events.onmessage = (e) => take(JSON.parse(e.data));
}

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
}

function fromHex(text) {
  return Uint8Array.from(text.match(/../g) ?? [], (b) => parseInt(b, 16));
}

// take adds a line of the proxy, which is that of wskit trace --json.
function take(line) {
  const at = new Date(line.time);
  if (line.connection) {
    frames.add({at, direction: "sent", opcode: "open", conn: line.stream, data: line.connection});
    return;
  }
  const direction = line.from === "client" ? "sent" : "received";
  const fault = [line.fault, line.end].filter(Boolean).join("; ");
  if (line.handshake) {
    frames.add({at, direction, opcode: "HTTP", conn: line.stream, data: line.handshake, fault});
    return;
  }
  const size = line.inflated ?? line.length;
  const frame = {at, direction, opcode: line.opcode ?? "bytes", conn: line.stream, size, fault, code: line.code};
  if (line.code) frame.reason = line.text;
  else frame.data = line.text ?? (line.hex ? fromHex(line.hex) : undefined);
  if (line.inflated !== undefined) frame.wire = line.length;
  frames.add(frame);
  count[direction]++;
  bytes[direction] += size ?? 0;
  $("total-sent").textContent = `↑ ${count.sent} · ${byteSize(bytes.sent)}`;
  $("total-received").textContent = `↓ ${count.received} · ${byteSize(bytes.received)}`;
}
