// What may be wrong with a URL. A browser tells a page no more than that a connection
// failed; this finds out what else can be known.

// urlOf makes a WebSocket URL of what was entered, which may have no scheme, or http's.
export function urlOf(entered) {
  let text = entered.trim();
  if (text === "") throw new Error("Enter a URL.");
  const secure = location.protocol === "https:";
  if (!/^[a-z][a-z0-9+.-]*:\/\//i.test(text)) text = (secure ? "wss://" : "ws://") + text;
  const url = new URL(text);
  url.protocol = {"http:": "ws:", "https:": "wss:"}[url.protocol] ?? url.protocol;
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw new Error(`${url.protocol}// is not a scheme of WebSockets: use ws:// or wss://.`);
  url.hash = "";
  if (secure && url.protocol === "ws:" && !["localhost", "127.0.0.1", "[::1]"].includes(url.hostname)) {
    throw new Error("A page that was loaded by https may only open wss URLs.");
  }
  return url.href;
}

// diagnose says what may be wrong with a URL that could not be opened.
export async function diagnose(address, own) {
  if (!navigator.onLine) return "This device is not connected to a network.";
  const url = new URL(address);
  const probe = new URL("/", url);
  probe.protocol = url.protocol === "wss:" ? "https:" : "http:";
  let answers = true;
  try {
    await fetch(probe, {mode: "no-cors", cache: "no-store", credentials: "omit", signal: AbortSignal.timeout(4000)});
  } catch {
    answers = false;
  }
  if (own) return answers ? "The server answers, but did not open the connection." : "The server does not answer: is it still running?";
  if (answers) {
    return `${url.host} answers requests, but did not open a WebSocket at ${url.pathname}: the path may be wrong, or the server does not allow the origin ${location.origin}.`;
  }
  const tls = url.protocol === "wss:" ? ` Or the browser does not trust its certificate: open ${probe.origin} in a tab to see.` : " Or it wants TLS: try wss://.";
  return `Nothing that a page can reach answers at ${url.host}: the host or port may be wrong, or nothing listens there.${tls} A browser does not tell a page which of these it is.`;
}
