"use strict";

// The page has one connection at a time. What it sends and receives becomes rows of a
// table. To its own server it opens a stream of events beside it, which tells what a
// browser does not show: compression, pings, pongs and close frames.

const $ = (id) => document.getElementById(id);
const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const probePrefix = "wskit probe ";
const mostRows = 500, mostSamples = 120;

let socket = null, events = null, conversation = null;
const samples = [];

// ---- connecting ----

function address() {
  const endpoint = $("endpoint").value;
  if (endpoint === "") return $("url").value.trim();
  const url = new URL(endpoint, location.href);
  url.protocol = location.protocol === "https:" ? "wss:" : "ws:";
  url.searchParams.set("id", id);
  if (endpoint === "/chat") {
    url.searchParams.set("room", $("room").value);
    url.searchParams.set("name", $("name").value);
  }
  return url.href;
}

function connect() {
  problem("");
  const own = $("endpoint").value !== "", echoes = $("endpoint").value === "/echo";
  let opened;
  try {
    opened = new WebSocket(address());
  } catch (e) {
    return problem(e.message);
  }
  socket = opened;
  socket.binaryType = "arraybuffer";
  conversation = {echoes, sent: [], rows: {in: [], out: []}, count: {in: 0, out: 0}, wire: {in: [], out: []}, probes: 0};
  state("opening", "connecting…");
  const c = conversation;
  opened.onopen = () => {
    const more = [opened.protocol && "subprotocol " + opened.protocol, opened.extensions || "no compression"];
    state("open", "connected, " + more.filter(Boolean).join(", "));
    $("text").focus({preventScroll: true});
  };
  opened.onmessage = (e) => received(c, e.data);
  opened.onclose = (e) => {
    if (socket !== opened) return;
    socket = null;
    const reason = e.reason ? `, “${e.reason}”` : "";
    state("closed", `closed with ${e.code}${reason}${e.wasClean ? "" : ", not cleanly"}`);
  };
  $("note").textContent = own ? "Sizes are those of payloads in bytes; “on the wire” is what this server has seen."
    : "Sizes are those of payloads in bytes. Control frames and compression show only on the endpoints of this server.";
}

function watch() {
  events = new EventSource("/frames?id=" + id);
  events.onmessage = (e) => {
    if (conversation) seen(conversation, JSON.parse(e.data));
  };
}

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
  const open = name === "open";
  for (const button of ["send", "send-file", "close"]) $(button).disabled = !open;
  $("connect").disabled = name !== "closed";
}

function problem(text) { $("problem").textContent = text; }

// ---- messages ----

function send(data, size, shown) {
  if (!socket || socket.readyState !== WebSocket.OPEN) return;
  const c = conversation;
  socket.send(data);
  c.sent.push(performance.now());
  const opcode = typeof data === "string" ? "text" : "binary";
  message(c, "in", shown === null ? null : row("sent", opcode, size, shown));
}

function received(c, data) {
  const text = typeof data === "string";
  const probe = text && c.echoes && data.startsWith(probePrefix);
  if (c.echoes && c.sent.length) sample(performance.now() - c.sent.shift());
  const size = text ? new TextEncoder().encode(data).length : data.byteLength;
  message(c, "out", probe ? null : row("received", text ? "text" : "binary", size, text ? data : bytes(data)));
}

// seen takes what the server has seen: "in" is what we sent.
function seen(c, frame) {
  if (frame.opcode === "text" || frame.opcode === "binary") {
    c.wire[frame.direction].push(frame);
    annotate(c, frame.direction);
    return;
  }
  const direction = frame.direction === "in" ? "sent" : "received";
  row(direction, frame.opcode, "", frame.code ? String(frame.code) : "");
}

// message counts a message. tr is its row, or null if it has none.
function message(c, direction, tr) {
  c.rows[direction].push({n: ++c.count[direction], tr});
  annotate(c, direction);
}

// annotate puts the messages and what the server saw of them together, by their numbers:
// of some the server may not have told.
function annotate(c, direction) {
  const rows = c.rows[direction], wire = c.wire[direction];
  while (rows.length && wire.length) {
    const apart = rows[0].n - wire[0].n;
    const cell = apart <= 0 ? rows.shift().tr?.cells[4] : null, frame = apart >= 0 ? wire.shift() : null;
    if (!cell || !frame) continue;
    cell.textContent = frame.wire === frame.size ? `${frame.wire}, plain` : `${frame.wire}, compressed`;
  }
}

function bytes(buffer) {
  const start = new Uint8Array(buffer, 0, Math.min(32, buffer.byteLength));
  const hex = Array.from(start, (b) => b.toString(16).padStart(2, "0")).join(" ");
  const part = document.createDocumentFragment();
  const save = document.createElement("a");
  save.href = URL.createObjectURL(new Blob([buffer]));
  save.download = "message.bin";
  save.textContent = "save";
  part.append(hex + (buffer.byteLength > 32 ? " … " : " "), save);
  return part;
}

function row(direction, opcode, size, payload) {
  const tr = document.createElement("tr");
  tr.className = direction;
  const time = new Date().toLocaleTimeString([], {hour12: false}) + "." + String(Date.now() % 1000).padStart(3, "0");
  const arrow = direction === "sent" ? "→" : "←";
  for (const text of [time, arrow, opcode, size, "", ""]) {
    const td = document.createElement("td");
    td.append(text);
    tr.append(td);
  }
  const shown = document.createElement("div"); // which scrolls when it is long
  shown.append(typeof payload === "string" && payload.length > 4000 ? payload.slice(0, 4000) + "…" : payload);
  tr.cells[5].append(shown);
  $("frames").prepend(tr);
  while ($("frames").rows.length > mostRows) drop($("frames").lastChild);
  return tr;
}

function drop(tr) {
  const link = tr.querySelector("a");
  if (link) URL.revokeObjectURL(link.href);
  tr.remove();
}

// ---- the chart ----

function sample(ms) {
  samples.push(ms);
  if (samples.length > mostSamples) samples.shift();
  const top = nice(Math.max(...samples));
  const step = 600 / Math.max(samples.length - 1, 20);
  $("line").setAttribute("points", samples.map((v, i) => `${(i * step).toFixed(1)},${(118 - 116 * v / top).toFixed(1)}`).join(" "));
  const sorted = [...samples].sort((a, b) => a - b);
  $("rtt").textContent = `last ${ms.toFixed(1)} ms, median ${sorted[sorted.length >> 1].toFixed(1)} ms`;
  $("scale").textContent = `0 to ${top} ms; the last ${samples.length} messages.`;
}

function nice(v) {
  for (let unit = 1; ; unit *= 10) {
    for (const step of [1, 2, 5]) if (v <= step * unit) return step * unit;
  }
}

function probe() {
  if (!socket || socket.readyState !== WebSocket.OPEN || !conversation.echoes || !$("probe").checked) return;
  const text = probePrefix + ++conversation.probes;
  send(text, text.length, null);
}

// ---- the forms ----

$("endpoint").onchange = () => {
  $("chat-fields").hidden = $("endpoint").value !== "/chat";
  $("url-field").hidden = $("endpoint").value !== "";
};
$("connect-form").onsubmit = (e) => { e.preventDefault(); connect(); };
$("send-form").onsubmit = (e) => {
  e.preventDefault();
  const text = $("text").value;
  send(text, new TextEncoder().encode(text).length, text);
  $("text").value = "";
};
$("text").onkeydown = (e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  if (!$("send").disabled) $("send-form").requestSubmit();
};
$("file-form").onsubmit = async (e) => {
  e.preventDefault();
  const file = $("file").files[0];
  if (!file) return problem("Choose a file first.");
  problem("");
  const data = await file.arrayBuffer();
  send(data, data.byteLength, `${file.name}`);
};
$("close-form").onsubmit = (e) => {
  e.preventDefault();
  problem("");
  try {
    socket?.close(Number($("code").value), $("reason").value);
  } catch {
    problem("A page may close with 1000 and 3000 to 4999, and a reason of at most 123 bytes.");
  }
};
$("clear").onclick = () => { while ($("frames").firstChild) drop($("frames").firstChild); };

$("name").value = "guest-" + id.slice(0, 4);
setInterval(probe, 1000);
watch();
