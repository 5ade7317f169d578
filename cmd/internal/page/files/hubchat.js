// A chat over the hub: its client connects again when the connection is lost, and gets
// what was said meanwhile.

import * as chat from "./chat.js";

// start joins a room, and returns how to speak there and how to leave. options are those
// of the client.
export async function start(url, room, name, options) {
  const {Hub} = await import("/hub.js");
  const topic = "chat." + encodeURIComponent(room).replace(/[.*]/g, (c) => "%" + c.charCodeAt(0).toString(16));
  const hub = new Hub(url, options);
  const event = (kind) => ({data}) => chat.show({kind, from: String(data), at: Date.now()});
  hub.subscribe(topic, {
    presence: name,
    message: ({data}) => chat.show({...data, kind: "text"}),
    join: event("join"),
    leave: event("leave"),
    gap: () => chat.note("Some messages are missing here: they are gone."),
    refused: (error) => chat.note(error.message),
  });
  return {
    say: (text) => {
      hub.publish(topic, {from: name, text, at: Date.now()}).catch((error) => chat.note(`“${text}” was not sent: ${error.message}.`));
      return true;
    },
    close: () => hub.close(),
  };
}
