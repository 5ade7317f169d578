// A client of package hubproto, for browsers and Node. One module, no build step.
//
//   import {Hub} from "./hub.js";
//   const hub = new Hub("wss://example.com/hub");
//   const sub = hub.subscribe("news", {message: ({data}) => show(data)});
//   await hub.publish("news", {text: "hello"});
//   sub.unsubscribe();
//   hub.close();
//
// It reconnects with backoff and jitter and resumes subscriptions from their
// positions. The protocol is described in docs/hub.md.

const defaults = {
  minDelay: 500, // ms: the longest first pause before a reconnect; it doubles
  maxDelay: 30_000, // ms: the longest pause
  stableAfter: 10_000, // ms: a connection that lasted so long ends a row of failures
  connectTimeout: 10_000, // ms
  pingAfter: 25_000, // ms of silence
  pongWithin: 10_000, // ms: no answer in this time ends the connection
  state: () => {}, // called with "connecting", "open", "away", or "closed" and the close code
  WebSocket: globalThis.WebSocket,
};

// Close codes after which it makes no sense to connect again.
const final = new Set([1000, 1002, 1003, 1007, 1008, 1009, 1010]);

// HubError is a refusal of the server, with its code, or has the code "lost": the
// connection was lost before the answer came.
export class HubError extends Error {
  constructor(code, text) {
    super(text || code);
    this.name = "HubError";
    this.code = code;
  }
}

export class Hub {
  #url;
  #options;
  #socket = null; // also while it connects
  #open = false;
  #closed = false;
  #failures = 0;
  #openedAt = 0;
  #timers = {}; // by name
  #lastID = 0;
  #calls = new Map(); // by ID: {resolve, reject}
  #waiting = []; // requests without a connection: {request, resolve, reject}
  #subs = new Map(); // by topic

  constructor(url, options = {}) {
    this.#url = url;
    this.#options = {...defaults, ...options};
    this.#connect();
  }

  // subscribe subscribes to a topic or pattern, again after each reconnect. The
  // handlers are all optional: message({topic, data, text, bytes, at, key}),
  // join({topic, member, data}), leave(...), live({at}), gap({topic}) if messages were
  // missed for good, and refused(error), after which the subscription has ended.
  // since continues from a position; presence is data that makes the client visible.
  subscribe(topic, {since = "", presence, ...handlers} = {}) {
    if (this.#subs.has(topic)) throw new HubError("subscribed", `already subscribed to ${topic}`);
    const sub = {topic, presence, handlers, at: since, seen: false, live: false, again: false};
    this.#subs.set(topic, sub);
    if (this.#open) this.#subscribe(sub);
    return {
      get position() { return sub.at; },
      unsubscribe: () => {
        if (this.#subs.get(topic) !== sub) return;
        this.#subs.delete(topic);
        if (this.#open) this.#send({do: "unsubscribe", topic}).catch(() => {});
      },
    };
  }

  // publish resolves to {at} once the server has taken data. key makes it a value of
  // which only the newest counts; once makes it safe to repeat after an error with
  // the code "lost", on topics with history.
  publish(topic, data, {key, once} = {}) {
    return this.#call({do: "publish", topic, data, key, once});
  }

  // presence resolves to {count, members}. The client has to be subscribed.
  async presence(topic, limit = 0) {
    const {count = 0, members = []} = await this.#call({do: "presence", topic, limit});
    return {count, members};
  }

  ping() {
    return this.#call({do: "ping"});
  }

  // close ends the client.
  close() {
    this.#closed = true;
    const socket = this.#socket;
    this.#lost();
    socket?.close(1000);
    this.#end();
  }

  #connect() {
    this.#options.state("connecting");
    const socket = new this.#options.WebSocket(this.#url);
    this.#socket = socket;
    const ended = (code) => {
      if (this.#socket !== socket) return;
      this.#lost();
      socket.close();
      this.#again(code);
    };
    this.#timer("connect", this.#options.connectTimeout, () => ended(1006));
    socket.onopen = () => {
      if (this.#socket === socket) this.#opened();
    };
    socket.onmessage = ({data}) => {
      if (this.#socket !== socket) return;
      this.#heard(() => ended(1006));
      try {
        this.#receive(data);
      } catch {
        ended(1002); // the server does not speak the protocol
      }
    };
    socket.onclose = ({code}) => ended(code);
    socket.onerror = () => {}; // close comes
  }

  #opened() {
    this.#timer("connect");
    this.#open = true;
    this.#openedAt = performance.now();
    this.#heard(() => this.#socket?.onclose({code: 1006}));
    for (const sub of this.#subs.values()) this.#subscribe(sub);
    for (const {request, resolve, reject} of this.#waiting.splice(0)) this.#send(request).then(resolve, reject);
    this.#options.state("open");
  }

  // heard notes that something has arrived. After a silence it sends a ping, whose
  // answer must come in time: dead is called otherwise.
  #heard(dead) {
    this.#timer("pong");
    this.#timer("ping", this.#options.pingAfter, () => {
      this.#send({do: "ping"}).catch(() => {});
      this.#timer("pong", this.#options.pongWithin, dead);
    });
  }

  // lost ends what depends on the connection.
  #lost() {
    for (const name of Object.keys(this.#timers)) this.#timer(name);
    this.#socket = null;
    this.#open = false;
    const calls = [...this.#calls.values()];
    this.#calls.clear();
    for (const {reject} of calls) reject(new HubError("lost", "the connection was lost before the answer came"));
  }

  // again connects again, after a pause that is random below a limit which doubles.
  #again(code) {
    if (this.#closed) return;
    if (final.has(code) || code >= 3000) {
      this.#closed = true;
      this.#end(code);
      return;
    }
    if (this.#openedAt && performance.now() - this.#openedAt >= this.#options.stableAfter) this.#failures = 0;
    this.#openedAt = 0;
    const limit = Math.min(this.#options.minDelay * 2 ** this.#failures++, this.#options.maxDelay);
    this.#timer("again", Math.random() * limit, () => this.#connect());
    this.#options.state("away");
  }

  // end rejects what waits for a connection that will not come.
  #end(code) {
    for (const {reject} of this.#waiting.splice(0)) reject(new HubError("closed", "the client is closed"));
    this.#options.state("closed", code);
  }

  #timer(name, after, f) {
    clearTimeout(this.#timers[name]);
    delete this.#timers[name];
    if (f) this.#timers[name] = setTimeout(f, after);
  }

  // call sends a request, once there is a connection.
  #call(request) {
    if (this.#closed) return Promise.reject(new HubError("closed", "the client is closed"));
    if (this.#open) return this.#send(request);
    return new Promise((resolve, reject) => this.#waiting.push({request, resolve, reject}));
  }

  #send(request) {
    return new Promise((resolve, reject) => {
      const id = ++this.#lastID;
      this.#calls.set(id, {resolve, reject});
      this.#socket.send(JSON.stringify({id, ...request}));
    });
  }

  #subscribe(sub) {
    const socket = this.#socket;
    const {topic, presence, at} = sub;
    sub.live = sub.again = false;
    const since = at || undefined;
    // The answer is taken before the next message: not in a promise, which is later.
    const id = ++this.#lastID;
    this.#calls.set(id, {
      resolve: (answer) => this.#subscribed(sub, since, answer),
      reject: (error) => this.#refused(sub, socket, error),
    });
    socket.send(JSON.stringify({id, do: "subscribe", topic, since, presence}));
  }

  #subscribed(sub, since, {at = "", prev, recovered}) {
    if (sub.again) return; // it was too late
    if (since && prev && !reached(sub.at, prev)) {
      this.#missed(sub.topic);
      return;
    }
    const missed = since ? !recovered : sub.seen && !at;
    sub.seen = sub.live = true;
    sub.at = at;
    if (missed) this.#tell(sub, "gap", {topic: sub.topic});
    this.#tell(sub, "live", {topic: sub.topic, at});
  }

  #refused(sub, socket, error) {
    if (error.code === "lost") return; // it is subscribed again
    if (error.code === "away" || error.code === "restart") {
      setTimeout(() => {
        if (this.#socket === socket && this.#subs.get(sub.topic) === sub) this.#subscribe(sub);
      }, 1000 + Math.random() * 2000);
      return;
    }
    if (this.#subs.get(sub.topic) !== sub) return;
    this.#tell(sub, "refused", error);
    this.#subs.delete(sub.topic);
  }

  // tell calls a handler. One that throws does not stop the others.
  #tell(sub, event, value) {
    if (this.#subs.get(sub.topic) !== sub) return;
    try {
      sub.handlers[event]?.(value);
    } catch (error) {
      queueMicrotask(() => { throw error; });
    }
  }

  #receive(text) {
    const m = JSON.parse(text);
    if (!(m instanceof Object) || Array.isArray(m)) throw new TypeError("no JSON object");
    if (m.re === undefined) {
      this.#dispatch(m);
      return;
    }
    const call = this.#calls.get(m.re);
    this.#calls.delete(m.re);
    if (m.error) call?.reject(new HubError(m.error, m.text));
    else call?.resolve(m);
  }

  #dispatch(m) {
    if (m.event === "gap") {
      this.#missed(m.topic);
      return;
    }
    if (m.bytes) m.bytes = Uint8Array.from(atob(m.bytes), (c) => c.charCodeAt(0));
    const exact = this.#subs.get(m.topic);
    const counts = () => exact && exact.live !== !!m.replay && !exact.again;
    if (counts() && exact.at && m.prev && !reached(exact.at, m.prev)) this.#missed(m.topic);
    if (counts() && !(m.at && reached(exact.at, m.at))) {
      exact.at = m.at || exact.at;
      this.#tell(exact, m.event ?? "message", m);
    }
    if (m.replay) return;
    for (const sub of this.#subs.values()) {
      if (sub !== exact && sub.live && matches(sub.topic, m.topic)) this.#tell(sub, m.event ?? "message", m);
    }
  }

  // missed takes the news that messages of a topic, or of any, were missed: they are
  // recovered if the position is known. Even the answer to a subscription may be
  // among them.
  #missed(topic) {
    for (const sub of [...this.#subs.values()]) {
      if (topic && topic !== sub.topic || sub.again) continue;
      if (sub.live && !sub.at) {
        this.#tell(sub, "gap", {topic: sub.topic});
        continue;
      }
      sub.live = false;
      sub.again = true; // it is ended at the server, in order to begin anew
      const id = ++this.#lastID;
      const again = () => {
        if (this.#subs.get(sub.topic) === sub) this.#subscribe(sub);
      };
      this.#calls.set(id, {resolve: again, reject: (error) => error.code !== "lost" && again()});
      this.#socket.send(JSON.stringify({id, do: "unsubscribe", topic: sub.topic}));
    }
  }
}

// matches reports whether a pattern matches a topic: "*" is one segment, ">" at the
// end one or more.
function matches(pattern, topic) {
  const p = pattern.split("."), s = topic.split(".");
  const rest = p.at(-1) === ">";
  if (rest ? s.length < p.length : s.length !== p.length) return false;
  return p.every((segment, i) => segment === "*" || segment === s[i] || rest && i === p.length - 1);
}

// reached reports whether a position is at or after another one of the same epoch.
// Positions of different epochs cannot be compared: false.
function reached(at, other) {
  const [epoch, offset] = at.split("-"), [otherEpoch, otherOffset] = other.split("-");
  return epoch === otherEpoch && BigInt(offset) >= BigInt(otherOffset);
}
