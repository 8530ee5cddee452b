/** `WebSocketPair` and `WebSocket`, both ends in one process. */

import { AsyncLocalStorage } from "node:async_hooks";
import { byName, sleep, tried } from "./telling.mjs";

const storage = new AsyncLocalStorage();
const pair = () => Object.values(new WebSocketPair());

/** Two accepted ends. */
function open() {
  const ends = pair();
  for (const end of ends) end.accept();
  return ends;
}

/** What both ends hear, in order. */
function heard(...ends) {
  const events = [];
  for (const [index, end] of ends.entries()) {
    for (const type of ["message", "close"]) {
      end.addEventListener(type, (event) => {
        const what = type === "message" ? event.data : [event.code, event.reason, event.wasClean, event.constructor.name];
        events.push([index, type, what, end.readyState]);
      });
    }
  }
  return events;
}

export function sockets() {
  return {
    pairs: () => {
      const both = new WebSocketPair();
      const [client, server, more] = both;
      return [
        Object.keys(both),
        client === both[0],
        server === both[1],
        more,
        client instanceof EventTarget,
        client.constructor === WebSocket,
      ];
    },
    "a fresh end": () => {
      const { url, protocol, extensions, readyState, binaryType, bufferedAmount, onmessage } = pair()[0];
      return { url, protocol, extensions, readyState, binaryType, bufferedAmount, onmessage };
    },
    constants: () => [
      WebSocket.CONNECTING,
      WebSocket.OPEN,
      WebSocket.CLOSING,
      WebSocket.CLOSED,
      WebSocket.READY_STATE_CLOSED,
      pair()[0].OPEN,
    ],
    "before accept": () => {
      const [end] = pair();
      return {
        send: tried(() => end.send("x")),
        close: tried(() => end.close()),
        "accept twice": tried(() => open()[0].accept()),
      };
    },
    "what is sent": async () => {
      const [a, b] = open();
      b.binaryType = "arraybuffer";
      const events = heard(b);
      const data = new Uint8Array([1, 2, 3]);
      a.send(data);
      data[0] = 9;
      a.send(data.buffer);
      a.send(new DataView(data.buffer, 1));
      for (const odd of ["text", 5, null, {}, new Blob(["x"])]) a.send(odd);
      await sleep(20);
      return [events.map(([, , what]) => what), tried(() => a.send())];
    },
    "binary types": () => {
      const [end] = pair();
      const seen = [end.binaryType];
      for (const type of ["arraybuffer", "foo", "blob"]) {
        end.binaryType = type;
        seen.push(end.binaryType);
      }
      return seen;
    },
    "a message as Blob": async () => {
      const [a, b] = open();
      b.binaryType = "blob";
      const events = heard(b);
      a.send(new Uint8Array(3));
      await sleep(20);
      return events.map(([, , what]) => what);
    },
    "a message event": async () => {
      const [a, b] = open();
      let seen;
      b.addEventListener("message", (event) => {
        const { type, data, origin, lastEventId, source, ports } = event;
        seen = { type, data, origin, lastEventId, source, ports, target: event.target === b, class: event.constructor.name };
      });
      a.send("hi");
      await sleep(20);
      return seen;
    },
    "handlers as properties": async () => {
      const [a, b] = open();
      const seen = [];
      b.onmessage = ({ data }) => seen.push(data);
      b.onclose = ({ code }) => seen.push(code);
      a.send("x");
      a.close(1001);
      await sleep(20);
      return seen;
    },
    "listeners come and go": async () => {
      const [a, b] = open();
      const seen = [];
      const gone = () => seen.push("gone");
      b.addEventListener("message", gone);
      b.removeEventListener("message", gone);
      b.addEventListener("message", { handleEvent: ({ data }) => seen.push(`object ${data}`) });
      b.addEventListener("message", () => seen.push("once"), { once: true });
      a.send("1");
      a.send("2");
      await sleep(20);
      return seen;
    },
    "close codes": () =>
      byName([0, 999, 1000, 1001, 1004, 1005, 1006, 1015, 1016, 2999, 3000, 4999, 5000, "abc", 1000.7, null], (code) =>
        open()[0].close(code),
      ),
    "close reasons": () => ({
      "without a code": tried(() => open()[0].close(undefined, "x")),
      "of 123 bytes": tried(() => open()[0].close(1000, "x".repeat(123))),
      "of 124 bytes": tried(() => open()[0].close(1000, "é".repeat(62))),
    }),
    "after close": () => {
      const [end] = open();
      end.close(1000);
      end.close(1001);
      return [end.readyState, tried(() => end.send("x"))];
    },
    "close is answered": async () => {
      const [a, b] = open();
      const events = heard(a, b);
      a.close(1000, "bye");
      const states = [a.readyState, b.readyState];
      await sleep(20);
      return [states, events, [a.readyState, b.readyState]];
    },
    "close is answered by a listener": async () => {
      const [a, b] = open();
      const events = heard(a);
      b.addEventListener("close", () => b.close(4001, "mine"));
      a.close(1000, "bye");
      await sleep(20);
      return events;
    },
    "close without a code": async () => {
      const [a, b] = open();
      const events = heard(a, b);
      a.close();
      await sleep(20);
      return events;
    },
    "half open": async () => {
      const [a, b] = pair();
      a.accept();
      b.accept({ allowHalfOpen: true });
      const events = heard(a, b);
      a.close(1000, "x");
      await sleep(20);
      b.send("late");
      await sleep(20);
      return [events, [a.readyState, b.readyState]];
    },
    "what waits for accept": async () => {
      const [a, b] = pair();
      const events = heard(b);
      a.accept();
      a.send("1");
      a.send("2");
      a.close(1000);
      await sleep(20);
      const before = events.length;
      b.accept();
      const atOnce = events.length;
      await sleep(20);
      return [before, atOnce, events];
    },
    "one message, then its microtasks": async () => {
      const [a, b] = open();
      const order = [];
      b.addEventListener("message", async ({ data }) => {
        order.push(`message ${data}`);
        await null;
        order.push(`microtask ${data}`);
      });
      a.send("1");
      a.send("2");
      order.push("sent");
      await sleep(20);
      return order;
    },
    "a listener that throws": async () => {
      const [a, b] = open();
      const seen = [];
      b.addEventListener("error", ({ message, error }) => seen.push(["error", message, error]));
      b.addEventListener("message", ({ data }) => {
        seen.push(data);
        throw new Error("of the listener");
      });
      a.addEventListener("close", ({ code, reason }) => seen.push(["close", code, reason]));
      a.send("1");
      a.send("2");
      await sleep(20);
      return [seen, a.readyState, b.readyState];
    },
    "the async context of listeners": async () => {
      const [a, b] = pair();
      const seen = [];
      storage.run("accept", () => b.accept());
      storage.run("add", () => b.addEventListener("message", () => seen.push(storage.getStore())));
      a.accept();
      storage.run("send", () => a.send("x"));
      await sleep(20);
      return seen;
    },
    attachments: () => {
      const [end] = pair();
      const before = end.deserializeAttachment();
      end.serializeAttachment({ x: 1, date: new Date(0), map: new Map([[1, 2]]) });
      const { x, date, map } = end.deserializeAttachment();
      WebSocket.prototype.serializeAttachment.call(end, undefined);
      return [before, x, date.getTime(), map.get(1), end.deserializeAttachment()];
    },
    "attachments that cannot be": () => {
      const [end] = pair();
      return {
        none: tried(() => end.serializeAttachment()),
        large: tried(() => end.serializeAttachment("x".repeat(16_384))),
        "a function": tried(() => end.serializeAttachment(() => 1)),
        "a symbol": tried(() => end.serializeAttachment({ s: Symbol("s") })),
      };
    },
    "properties over methods": () => {
      const [end] = pair();
      Object.defineProperties(end, { send: { value: () => "mine" }, readyState: { get: () => 7 }, id: { value: "i" } });
      Object.assign(end, { more: 1 });
      return [end.send(), end.readyState, end.id, end.more];
    },
    "automatic answers": () => {
      const answer = new WebSocketRequestResponsePair("a", 5);
      return [answer.request, answer.response, tried(() => new WebSocketRequestResponsePair("a"))];
    },
    "URLs of client sockets that cannot be": () =>
      byName(["nope", "ftp://x", "http://127.0.0.1:1/", "ws://127.0.0.1:1/#x"], (url) => new WebSocket(url)),
    "protocols that cannot be": () => byName(["a b", ""], (protocol) => new WebSocket("ws://127.0.0.1:1/", [protocol])),
    "protocols twice": () => new WebSocket("ws://127.0.0.1:1/", ["a", "a"]),
  };
}
