// The page has one connection at a time. What it sends and receives becomes frames. To
// its own server it opens a stream of events beside it, which tells what a browser does
// not show: compression, pings, pongs and close frames.

import * as chart from "./chart.js";
import * as chat from "./chat.js";
import {diagnose, urlOf} from "./diagnose.js";
import * as frames from "./frames.js";
import {watchProxy} from "./proxy.js";
import {$, byteSize, element, utf8} from "./util.js";

const id = Array.from(crypto.getRandomValues(new Uint8Array(8)), (b) => b.toString(16).padStart(2, "0")).join("");
const probePrefix = "wskit probe ";
const phone = matchMedia("(max-width: 48rem)");

let socket = null, conversation = null;

// ---- the connection ----

function address() {
  const endpoint = $("endpoint").value;
  if (endpoint === "") return urlOf($("url").value);
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
  conversation?.hub?.close();
  const endpoint = $("endpoint").value;
  const protocols = endpoint === "" ? $("protocols").value.split(",").map((s) => s.trim()).filter(Boolean) : [];
  let opened, url;
  try {
    url = address();
    opened = endpoint === "/hub" ? null : new WebSocket(url, protocols);
  } catch (e) {
    return problem(e.message);
  }
  socket = opened;
  conversation = {
    url, echoes: endpoint === "/echo", chats: endpoint === "/chat" || !opened, sent: [], probes: 0, opened: false,
    ...numbers(),
    total: {sent: 0, received: 0}, bytes: {sent: 0, received: 0}, recent: {sent: [], received: []},
  };
  const c = conversation;
  chart.reset();
  if (c.chats) chat.begin($("name").value || "anonymous");
  view(c.chats ? "chat" : "frames");
  $("switch").hidden = !c.chats;
  state("opening", "connecting…");
  $("note").textContent = endpoint !== "" ? "Sizes are those of payloads; “on the wire” is what this server has seen."
    : "Sizes are those of payloads. Control frames and compression show only on the endpoints of this server.";
  if (!opened) return connectHub(c);
  opened.binaryType = "arraybuffer";
  opened.onopen = () => {
    c.opened = true;
    const more = [opened.protocol && "subprotocol " + opened.protocol, opened.extensions || "no compression"];
    state("open", "connected, " + more.filter(Boolean).join(", "));
    if (phone.matches) $("connection").open = false;
    $("text").focus({preventScroll: true});
  };
  opened.onmessage = (e) => received(c, e.data);
  opened.onclose = async (e) => {
    if (socket !== opened) return;
    socket = null;
    stopScript();
    const reason = e.reason ? `, “${e.reason}”` : "";
    state("closed", `closed with ${e.code}${reason}${e.wasClean ? "" : ", not cleanly"}`);
    if (e.wasClean) return;
    const why = c.opened ? "The connection was cut off without a close frame." : await diagnose(c.url, endpoint !== "");
    if (conversation === c && !socket) problem(why);
  };
}

// numbers returns what counts the messages of a connection, for annotate.
function numbers() {
  return {frames: {sent: [], received: []}, count: {sent: 0, received: 0}, wire: {sent: [], received: []}};
}

// connectHub lets the client of the hub connect, as often as it has to.
async function connectHub(c) {
  class Watched extends WebSocket {
    constructor(url) {
      super(url);
      socket = this;
      Object.assign(c, numbers());
      this.addEventListener("message", (e) => received(c, e.data));
    }

    send(data) {
      super.send(data);
      sent(c, data, utf8(data).length);
    }
  }
  const states = {
    connecting: () => state("opening", "connecting…"),
    open: () => state("open", "connected; a lost connection is resumed"),
    away: () => state("closed", "lost, connecting again soon…"),
    closed: (code) => state("closed", code ? `closed with ${code}` : "closed"),
  };
  const {start} = await import("./hubchat.js");
  c.hub = await start(c.url, $("room").value, $("name").value || "anonymous", {
    WebSocket: Watched,
    state: (name, code) => { if (conversation === c) states[name](code); },
  });
}

function state(name, text) {
  $("state").dataset.state = name;
  $("state").textContent = text;
  const open = name === "open";
  for (const button of ["send", "send-file", "run", "again"]) $(button).disabled = !open;
  for (const button of $("saved").querySelectorAll(".send")) button.disabled = !open;
  $("connect").disabled = name !== "closed";
  $("connect-form").hidden = open;
  $("close-form").hidden = !open;
  if (name === "closed") $("connection").open = true;
  frames.setHint(open ? "No frames yet. Write a message and press Enter." : "Choose an endpoint and connect: what is sent and received appears here.");
}

function problem(text) { $("problem").textContent = text; }

function view(name) {
  $("chat").hidden = name !== "chat";
  $("frames").hidden = name !== "frames";
  $("filters").hidden = $("actions").hidden = name !== "frames";
  $("show-chat").setAttribute("aria-pressed", String(name === "chat"));
  $("show-frames").setAttribute("aria-pressed", String(name === "frames"));
  if (name === "chat") frames.select(null);
  frames.render();
}

// ---- messages ----

const isOpen = () => socket?.readyState === WebSocket.OPEN;

// send sends a message. A probe has no frame in the list.
function send(data, size, {probe = false, name} = {}) {
  if (!isOpen()) return false;
  WebSocket.prototype.send.call(socket, data); // also of a Watched one, which counts by itself
  sent(conversation, data, size, {probe, name});
  return true;
}

// sent notes a message that was sent.
function sent(c, data, size, {probe = false, name} = {}) {
  c.sent.push(performance.now());
  const opcode = typeof data === "string" ? "text" : "binary";
  count(c, "sent", size, probe ? null : frames.add({
    direction: "sent", opcode, size, name, data: typeof data === "string" ? data : new Uint8Array(data),
  }));
}

const sendText = (text) => conversation?.hub ? conversation.hub.say(text) : send(text, utf8(text).length);

function received(c, data) {
  const text = typeof data === "string";
  const probe = text && c.echoes && data.startsWith(probePrefix);
  if (c.echoes && c.sent.length) chart.sample(performance.now() - c.sent.shift());
  const size = text ? utf8(data).length : data.byteLength;
  if (c.chats && text && !c.hub) chat.take(data);
  count(c, "received", size, probe ? null : frames.add({
    direction: "received", opcode: text ? "text" : "binary", size, data: text ? data : new Uint8Array(data),
  }));
}

// count counts a message. frame is null if it has none.
function count(c, direction, size, frame) {
  c.frames[direction].push({n: ++c.count[direction], frame});
  annotate(c, direction);
  if (!frame) return;
  c.total[direction]++;
  c.bytes[direction] += size;
  c.recent[direction].push(performance.now());
  totals();
}

function totals() {
  const c = conversation, now = performance.now();
  for (const [direction, sign] of [["sent", "↑"], ["received", "↓"]]) {
    const recent = c ? c.recent[direction] : [];
    while (recent.length && recent[0] < now - 1000) recent.shift();
    const rate = recent.length ? `, ${recent.length}/s` : "";
    $("total-" + direction).textContent = c ? `${sign} ${c.total[direction]} · ${byteSize(c.bytes[direction])}${rate}` : sign + " 0";
  }
}

// seen takes what the server has seen: "in" is what we sent.
function seen(c, frame) {
  const direction = frame.direction === "in" ? "sent" : "received";
  if (frame.opcode === "text" || frame.opcode === "binary") {
    c.wire[direction].push(frame);
    annotate(c, direction);
    return;
  }
  frames.add({direction, opcode: frame.opcode, code: frame.code});
}

// annotate puts the messages and what the server saw of them together, by their numbers:
// of some the server may not have told.
function annotate(c, direction) {
  const mine = c.frames[direction], wire = c.wire[direction];
  while (mine.length && wire.length) {
    const apart = mine[0].n - wire[0].n;
    const own = apart <= 0 ? mine.shift() : null, told = apart >= 0 ? wire.shift() : null;
    if (own?.frame && told) frames.annotate(own.frame, told.wire);
  }
}

function probe() {
  totals();
  if (!isOpen() || !conversation.echoes || !$("probe").checked) return;
  const text = probePrefix + ++conversation.probes;
  send(text, text.length, {probe: true});
}

// ---- scripts ----

let script = null;

function runScript() {
  const lines = $("script").value.split("\n").filter((line) => line !== "");
  const every = Number($("every").value), rounds = Number($("rounds").value);
  if (!lines.length) return progress("Write a message in each line.");
  if (!(every >= 1 && Number.isInteger(rounds) && rounds >= 0)) return progress("Give 1 ms or more, and a whole number of rounds.");
  const total = rounds * lines.length || Infinity;
  let n = 0;
  const step = () => {
    if (!sendText(lines[n % lines.length].replaceAll("{n}", String(n + 1)))) return stopScript();
    progress(`sent ${++n}${total === Infinity ? "" : " of " + total}`);
    if (n === total) stopScript();
  };
  script = setInterval(step, every);
  $("run").textContent = "Stop";
  step();
}

function stopScript() {
  clearInterval(script);
  script = null;
  $("run").textContent = "Run";
}

function progress(text) { $("progress").textContent = text; }

// ---- what is kept in the browser ----

const store = {
  get: (key, otherwise) => {
    try {
      return JSON.parse(localStorage.getItem("wskit." + key)) ?? otherwise;
    } catch {
      return otherwise; // there is no storage, or something else in it
    }
  },
  set: (key, value) => {
    try {
      localStorage.setItem("wskit." + key, JSON.stringify(value));
    } catch {
      // it is kept until the page is closed
    }
  },
};

let saved = store.get("saved", []).filter((text) => typeof text === "string");

function renderSaved() {
  $("saved").replaceChildren(...saved.map((text, i) => {
    const li = element("li");
    const button = (label, className, onclick) => {
      const b = element("button", className, label);
      b.type = "button";
      b.onclick = onclick;
      return b;
    };
    const sender = button("Send", "send", () => sendText(text));
    sender.disabled = !isOpen();
    li.append(element("code", "", text), sender,
      button("Edit", "", () => { $("text").value = text; tab("message"); $("text").focus(); }),
      button("Delete", "", () => keep(saved.filter((_, j) => j !== i))));
    return li;
  }));
  $("saved-empty").hidden = saved.length > 0;
}

function keep(list) {
  saved = list;
  store.set("saved", saved);
  renderSaved();
}

// ---- tabs ----

const tabs = ["message", "file", "script", "saved"];

function tab(name, focus) {
  for (const t of tabs) {
    const chosen = t === name;
    $("tab-" + t).setAttribute("aria-selected", String(chosen));
    $("tab-" + t).tabIndex = chosen ? 0 : -1;
    $("panel-" + t).hidden = !chosen;
  }
  if (focus) $("tab-" + name).focus();
}

for (const [i, name] of tabs.entries()) {
  $("tab-" + name).onclick = () => tab(name);
  $("tab-" + name).onkeydown = (e) => {
    const next = {ArrowRight: i + 1, ArrowLeft: i - 1, Home: 0, End: tabs.length - 1}[e.key];
    if (next === undefined) return;
    e.preventDefault();
    tab(tabs[(next + tabs.length) % tabs.length], true);
  };
}

// ---- the forms ----

function fields() {
  $("chat-fields").hidden = !["/chat", "/hub"].includes($("endpoint").value);
  $("url-fields").hidden = $("endpoint").value !== "";
}
$("endpoint").onchange = fields;
$("connect-form").onsubmit = (e) => { e.preventDefault(); connect(); };
$("message-form").onsubmit = (e) => {
  e.preventDefault();
  if (sendText($("text").value)) $("text").value = "";
};
$("text").onkeydown = (e) => {
  if (e.key !== "Enter" || e.shiftKey || e.isComposing) return;
  e.preventDefault();
  if (!$("send").disabled) $("message-form").requestSubmit();
};
$("keep").onclick = () => {
  const text = $("text").value;
  if (text && !saved.includes(text)) keep([...saved, text]);
  tab("saved");
};
$("file-form").onsubmit = async (e) => {
  e.preventDefault();
  const file = $("file").files[0];
  if (!file) return problem("Choose a file first.");
  problem("");
  const data = await file.arrayBuffer();
  send(data, data.byteLength, {name: file.name});
};
$("script-form").onsubmit = (e) => {
  e.preventDefault();
  if (script) stopScript();
  else runScript();
};
function close() {
  problem("");
  try {
    socket?.close(Number($("code").value), $("reason").value);
  } catch {
    problem("A page may close with 1000 and 3000 to 4999, and a reason of at most 123 bytes.");
  }
}
$("close-form").onsubmit = (e) => { e.preventDefault(); close(); };

for (const name of ["direction", "opcode"]) $(name).onchange = frames.render;
$("search").oninput = frames.render;
$("pause").onclick = frames.togglePause;
$("clear").onclick = frames.clear;
$("save-json").onclick = frames.saveJSON;
$("save-har").onclick = () => frames.saveHAR(conversation?.url ?? location.href);
$("show-chat").onclick = () => view("chat");
$("show-frames").onclick = () => view("frames");
$("detail-form").onchange = frames.show;
$("detail-close").onclick = () => frames.select(null);
$("copy").onclick = async () => {
  try {
    await navigator.clipboard.writeText($("detail-body").textContent);
    $("copy").textContent = "Copied";
  } catch {
    $("copy").textContent = "Not allowed";
  }
  setTimeout(() => { $("copy").textContent = "Copy"; }, 1500);
};
$("again").onclick = () => {
  const f = frames.current();
  if (f?.data !== undefined) send(typeof f.data === "string" ? f.data : f.data.buffer, f.size, {name: f.name});
};

// ---- keys ----

const keys = {
  c: () => isOpen() ? close() : $("connect").disabled || connect(),
  m: () => { tab("message"); $("text").focus(); },
  "/": () => { if ($("frames").hidden) view("frames"); $("search").focus(); },
  j: () => frames.move(1),
  k: () => frames.move(-1),
  p: frames.togglePause,
  x: frames.clear,
  "?": () => $("help").showModal(),
};

document.addEventListener("keydown", (e) => {
  if (e.key === "Escape" && !$("help").open) return frames.select(null);
  const typing = e.target.matches("input:not([type=checkbox]), textarea, select");
  if (typing || e.ctrlKey || e.metaKey || e.altKey || $("help").open || !$("keys").checked) return;
  const act = Object.hasOwn(keys, e.key) ? keys[e.key] : null;
  if (!act) return;
  e.preventDefault();
  act();
});
$("help-open").onclick = () => $("help").showModal();
$("keys").checked = store.get("keys", true);
$("keys").onchange = () => store.set("keys", $("keys").checked);

// ---- begin ----

$("name").value = "guest-" + id.slice(0, 4);
if (phone.matches) $("timing").open = false;
$("hub-option").hidden = document.body.dataset.mode !== "hub";
fields();
renderSaved();
state("closed", "not connected");
if (document.body.dataset.mode === "proxy") {
  for (const key of ["c", "m"]) delete keys[key];
  watchProxy();
} else {
  setInterval(probe, 1000);
  new EventSource("/frames?id=" + id).onmessage = (e) => {
    if (conversation) seen(conversation, JSON.parse(e.data));
  };
}
document.body.dataset.ready = "";
