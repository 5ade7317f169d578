// The chat endpoint as a chat: names, own messages on the right.

import {$, element} from "./util.js";

const mostLines = 500;
let own = "";

// begin empties the chat, for somebody of this name.
export function begin(name) {
  own = name;
  $("chat").replaceChildren(element("li", "empty", "Nobody has written yet. What you write goes to everyone in the room."));
}

// take shows a message of the endpoint. It reports false if that is not one.
export function take(text) {
  let said;
  try {
    said = JSON.parse(text);
  } catch {
    return false;
  }
  return show(said);
}

// show shows what somebody has said or done.
export function show(said) {
  if (!said || typeof said.from !== "string") return false;
  const at = new Date(said.at).toLocaleTimeString([], {hour: "2-digit", minute: "2-digit", hour12: false});
  const li = element("li", said.kind === "text" ? (said.from === own ? "own" : "other") : "event");
  if (said.kind === "text") {
    li.append(element("b", "", said.from), element("time", "", at), element("p", "", said.text ?? ""));
  } else {
    li.append(`${said.from} ${said.kind === "join" ? "is here" : "has left"}`, element("time", "", at));
  }
  add(li, said.from === own);
  return true;
}

// note shows a text of the page's own.
export function note(text) {
  add(element("li", "event", text), false);
}

function add(li, mine) {
  const list = $("chat");
  list.querySelector(".empty")?.remove();
  const atEnd = list.scrollHeight - list.scrollTop - list.clientHeight < 40;
  list.append(li);
  while (list.childElementCount > mostLines) list.firstChild.remove();
  if (atEnd || mine) list.scrollTop = list.scrollHeight;
}
