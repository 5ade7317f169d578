// The frames of a conversation: kept with their payload up to a bound, filtered, shown as
// a list with the newest first, and one of them in detail.

import {$, byteSize, clock, download, element, utf8} from "./util.js";

const mostFrames = 2000, mostBytes = 32 << 20, mostRows = 500, mostShown = 64 << 10;

const frames = []; // the oldest first
let held = 0; // bytes of payload in frames
let selected = null, paused = false, missed = 0, nextNumber = 1;

// add adds a frame: {direction, opcode, size, data, code, at, conn, fault}. data is a string,
// a Uint8Array or nothing; conn is the number of a connection of wskit proxy.
export function add(frame) {
  frame.number = nextNumber++;
  frame.at ??= new Date();
  frames.push(frame);
  held += frame.size || 0;
  while (frames.length > mostFrames || held > mostBytes && frames.length > 1) {
    const old = frames.shift();
    held -= old.size || 0;
    old.row?.remove();
    if (old === selected) select(null);
  }
  if (paused) {
    missed++;
    $("pause").textContent = `Go on (${missed})`;
  } else if (matches(frame)) {
    $("frames").prepend(makeRow(frame));
    trim();
  }
  empty();
  return frame;
}

// annotate tells of a message how many bytes the server saw on the wire.
export function annotate(frame, wire) {
  frame.wire = wire;
  if (frame.row) frame.row.querySelector(".wire").textContent = wireText(frame);
  if (frame === selected) show();
}

export function clear() {
  frames.length = held = missed = 0;
  select(null);
  render();
}

// retext sets what an empty list says.
let hint = "";
export function setHint(text) {
  hint = text;
  empty();
}

function empty() {
  const rows = $("frames").childElementCount;
  $("frames-empty").hidden = rows > 0 || $("frames").hidden;
  $("frames-empty").textContent = frames.length && !rows ? "No frame matches the filter." : hint;
}

function wireText(frame) {
  if (frame.wire === undefined) return "";
  return frame.wire === frame.size ? `${frame.wire} on the wire, plain` : `${frame.wire} on the wire, compressed`;
}

const isControl = (frame) => ["close", "ping", "pong"].includes(frame.opcode);

function matches(frame) {
  const direction = $("direction").value, opcode = $("opcode").value, search = $("search").value.toLowerCase();
  if (direction && frame.direction !== direction) return false;
  if (opcode === "control" ? !isControl(frame) : opcode && frame.opcode !== opcode) return false;
  return !search || preview(frame, Infinity).toLowerCase().includes(search);
}

// preview is the payload in one line.
function preview(frame, most) {
  if (typeof frame.data === "string") return frame.data.length > most ? frame.data.slice(0, most) + "…" : frame.data;
  const p = frame.data;
  if (!p) return frame.code ? `${frame.code} ${frame.reason || ""}`.trim() : "";
  const start = Array.from(p.subarray(0, Math.min(32, most)), (b) => b.toString(16).padStart(2, "0")).join(" ");
  return (frame.name ? frame.name + ": " : "") + start + (p.length > 32 ? " …" : "");
}

function makeRow(frame) {
  const li = element("li", frame.direction);
  const button = element("button", "frame");
  button.type = "button";
  button.setAttribute("aria-pressed", String(frame === selected));
  const arrow = element("span", "arrow", frame.direction === "sent" ? "↑" : "↓");
  arrow.setAttribute("aria-hidden", "true");
  button.append(
    element("span", "time", clock(frame.at)), element("span", "conn", frame.conn ? "#" + frame.conn : ""), arrow, element("span", "hidden", frame.direction),
    element("span", "opcode", frame.opcode), element("span", "size", frame.size === undefined ? "" : byteSize(frame.size)),
    element("span", "preview", preview(frame, 300)), element("span", "fault", frame.fault ?? ""), element("span", "wire", wireText(frame)));
  button.onclick = () => select(frame === selected ? null : frame);
  li.append(button);
  frame.row = li;
  return li;
}

function trim() {
  while ($("frames").childElementCount > mostRows) $("frames").lastChild.remove();
}

// render makes the whole list anew.
export function render() {
  const list = [];
  for (let i = frames.length - 1; i >= 0 && list.length < mostRows; i--) {
    frames[i].row = null;
    if (matches(frames[i])) list.push(makeRow(frames[i]));
  }
  $("frames").replaceChildren(...list);
  empty();
}

export function togglePause() {
  paused = !paused;
  missed = 0;
  $("pause").setAttribute("aria-pressed", String(paused));
  $("pause").textContent = paused ? "Go on" : "Pause";
  if (!paused) render();
}

// ---- one frame ----

let saveURL = null;

export function select(frame) {
  selected?.row?.firstChild.setAttribute("aria-pressed", "false");
  selected = frame;
  $("detail").hidden = !frame;
  if (!frame) return;
  frame.row?.firstChild.setAttribute("aria-pressed", "true");
  frame.row?.scrollIntoView({block: "nearest"});
  $("detail-form").value = typeof frame.data !== "string" ? "hex" : json(frame.data) ? "json" : "text";
  show();
}

// move selects the frame that is n rows further down the list.
export function move(n) {
  const rows = Array.from($("frames").children);
  const at = rows.indexOf(selected?.row);
  const next = rows[Math.min(Math.max(at + n, 0), rows.length - 1)];
  const frame = frames.find((f) => f.row === next);
  if (frame) select(frame);
}

export const current = () => selected;

function json(text) {
  if (!/^\s*[[{]/.test(text)) return null;
  try {
    return JSON.stringify(JSON.parse(text), null, 2);
  } catch {
    return null;
  }
}

const payload = (frame) => typeof frame.data === "string" ? utf8(frame.data) : frame.data || new Uint8Array();

export function show() {
  const frame = selected;
  if (!frame) return;
  const words = [`#${frame.number}`, frame.direction, frame.opcode];
  if (frame.size !== undefined) words.push(byteSize(frame.size));
  if (frame.wire !== undefined) words.push(wireText(frame));
  if (frame.conn) words.push(`connection ${frame.conn}`);
  if (frame.fault) words.push(frame.fault);
  $("detail-title").textContent = words.join(", ");
  $("detail-body").textContent = shown(frame, $("detail-form").value);
  if (saveURL) URL.revokeObjectURL(saveURL);
  saveURL = URL.createObjectURL(new Blob([payload(frame)]));
  $("save").href = saveURL;
  $("save").download = frame.name || (typeof frame.data === "string" ? "message.txt" : "message.bin");
}

function shown(frame, form) {
  const cut = (s) => s.length > mostShown ? s.slice(0, mostShown) + "\n… cut here; Save has all of it" : s;
  if (form === "hex") return hexDump(payload(frame));
  const text = typeof frame.data === "string" ? frame.data : frame.data ? new TextDecoder().decode(frame.data) : preview(frame, Infinity);
  return cut(form === "json" ? json(text) ?? text : text);
}

export function hexDump(p) {
  const lines = [];
  for (let i = 0; i < p.length && i < mostShown / 4; i += 16) {
    const row = Array.from(p.subarray(i, i + 16));
    const hex = row.map((b) => b.toString(16).padStart(2, "0")).join(" ").padEnd(47);
    const text = row.map((b) => b > 31 && b < 127 ? String.fromCharCode(b) : "·").join("");
    lines.push(`${i.toString(16).padStart(6, "0")}  ${hex}  ${text}`);
  }
  if (p.length > mostShown / 4) lines.push("… cut here; Save has all of it");
  return lines.join("\n");
}

// ---- files ----

function base64(p) {
  let s = "";
  for (let i = 0; i < p.length; i += 0x8000) s += String.fromCharCode(...p.subarray(i, i + 0x8000));
  return btoa(s);
}

export function saveJSON() {
  const list = frames.map((f) => {
    const o = {at: f.at.toISOString(), direction: f.direction, opcode: f.opcode, size: f.size, wire: f.wire, code: f.code, reason: f.reason};
    if (typeof f.data === "string") o.text = f.data;
    else if (f.data) o.base64 = base64(f.data);
    return o;
  });
  download("frames.json", "application/json", JSON.stringify(list, null, 1));
}

// saveHAR writes HTTP Archive 1.2 with the field _webSocketMessages, as browsers do.
export function saveHAR(url) {
  const opcodes = {text: 1, binary: 2, close: 8, ping: 9, pong: 10};
  const messages = frames.map((f) => ({
    type: f.direction === "sent" ? "send" : "receive", time: f.at.getTime() / 1000, opcode: opcodes[f.opcode],
    data: typeof f.data === "string" ? f.data : f.data ? base64(f.data) : preview(f, Infinity),
  }));
  const none = {headers: [], cookies: [], headersSize: -1, bodySize: -1, httpVersion: "HTTP/1.1"};
  const started = (frames[0]?.at ?? new Date()).toISOString();
  download("frames.har", "application/json", JSON.stringify({log: {
    version: "1.2", creator: {name: "wskit serve", version: "1"},
    entries: [{
      startedDateTime: started, time: 0, cache: {}, timings: {send: 0, wait: 0, receive: 0}, _resourceType: "websocket",
      request: {...none, method: "GET", url, queryString: []},
      response: {...none, status: 101, statusText: "Switching Protocols", redirectURL: "", content: {size: 0, mimeType: ""}},
      _webSocketMessages: messages,
    }],
  }}, null, 1));
}
