/** The host's side of a WebSocket: transports, hibernation, what waits and what is cut. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { endOf, freshSocket, restoredSocket } from "../../../emulator/hosts/node/surface/websocket.mjs";
import { WebSocketPair } from "../../../emulator/hosts/node/surface/websocket_pair.mjs";

const errors = [];
usePort({ flags: { web_socket_auto_reply_to_close: true }, unhandled: (error) => errors.push(error) });

/** A transport, or the events of a hibernatable end: keeps what it is told. */
function recorder() {
  const said = [];
  const keep =
    (name) =>
    (...args) =>
      said.push([name, ...args.filter((arg) => !(arg instanceof EventTarget))]);
  const names = ["sendText", "sendBinary", "close", "attachment", "cut", "text", "binary", "error"];
  return { said, ...Object.fromEntries(names.map((name) => [name, keep(name)])) };
}

const turn = () => new Promise((resolve) => setImmediate(resolve));

test("what was sent before there was a transport goes first, in order", () => {
  const [client, server] = new WebSocketPair();
  server.accept();
  server.send("to the peer");
  endOf(client).peer = null;
  endOf(server).peer = null;
  server.send("to nobody");
  server.close(4000, "bye");
  const transport = recorder();
  endOf(server).attach(transport);
  assert.deepEqual(transport.said, [
    ["sendText", "to nobody"],
    ["close", 4000, "bye"],
  ]);
});

test("what waits for the peer goes to the transport that takes its place", () => {
  const [client, server] = new WebSocketPair();
  server.accept();
  server.send("1");
  server.serializeAttachment("kept");
  const transport = recorder();
  endOf(server).attach(transport);
  server.send("2");
  assert.deepEqual(
    transport.said.filter(([name]) => name !== "attachment"),
    [
      ["sendText", "1"],
      ["sendText", "2"],
    ],
  );
  assert.equal(transport.said[0][0], "attachment");
  assert.equal(endOf(client).peer, null);
});

test("listeners hear one frame in each macrotask", async () => {
  const socket = freshSocket();
  socket.accept();
  const seen = [];
  const listen = () => socket.addEventListener("message", ({ data }) => seen.push(data), { once: true });
  listen();
  endOf(socket).attach(recorder());
  endOf(socket).deliverText("1");
  endOf(socket).deliverText("2");
  assert.deepEqual(seen, []);
  // Re-armed between frames, as code that awaits one message after the other does.
  setImmediate(() => {});
  const rearm = new Promise((resolve) => {
    socket.addEventListener("message", () => Promise.resolve().then(listen).then(resolve), { once: true });
  });
  await turn();
  await rearm;
  await turn();
  assert.deepEqual(seen, ["1", "2"]);
});

test("a hibernatable end tells the host, not listeners", async () => {
  const [, server] = new WebSocketPair();
  const events = recorder();
  events.close = (_socket, ...args) => events.said.push(["close", ...args]);
  server.addEventListener("message", assert.fail);
  endOf(server).acceptHibernatable(events);
  endOf(server).attach(recorder());
  endOf(server).deliverText("text");
  endOf(server).deliverClose(null);
  endOf(server).deliverLost();
  assert.deepEqual(events.said, [
    ["text", "text"],
    ["close", 1005, "", true],
    ["close", 1006, "WebSocket disconnected without sending Close frame.", false],
  ]);
  assert.throws(() => server.accept(), /after enabling hibernation/);
  assert.throws(() => endOf(server).acceptHibernatable(events), /already accepted/);
});

test("an end that accept() took is not for hibernation", () => {
  const [, server] = new WebSocketPair();
  server.accept();
  assert.throws(() => endOf(server).acceptHibernatable(recorder()), /already accepted via `accept\(\)`/);
});

test("a socket that outlived its object has its attachment and what it said", () => {
  const [, first] = new WebSocketPair();
  first.serializeAttachment({ a: 1 });
  const kept = { attachment: endOf(first).attachment, url: "ws://a/b", closeSent: true };
  const socket = restoredSocket(recorder(), kept);
  endOf(socket).attach(recorder());
  assert.deepEqual([socket.deserializeAttachment(), socket.url, socket.readyState], [{ a: 1 }, "ws://a/b", 2]);
  assert.throws(() => socket.send("x"), /after close/);
});

test("an end whose pair is in use is not for hibernation", () => {
  const [client, server] = new WebSocketPair();
  client.accept();
  assert.throws(() => endOf(server).acceptHibernatable(recorder()), {
    name: "Error",
    message: "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.",
  });
});

test("a listener that throws cuts the connection and is told of", async () => {
  const socket = freshSocket();
  socket.accept();
  const transport = recorder();
  endOf(socket).attach(transport);
  socket.addEventListener("message", () => {
    throw new Error("of the listener");
  });
  endOf(socket).deliverText("1");
  endOf(socket).deliverText("2");
  await turn();
  await turn();
  assert.deepEqual(transport.said, [["cut"]]);
  assert.deepEqual(errors.splice(0).map(String), ["Error: of the listener"]);
  assert.equal(socket.readyState, 3);
  socket.send("nobody hears this");
  assert.deepEqual(transport.said, [["cut"]]);
});

test("a connection that is lost closes its end", async () => {
  const socket = freshSocket();
  socket.accept();
  const transport = recorder();
  endOf(socket).attach(transport);
  const seen = [];
  socket.onclose = ({ code, wasClean }) => seen.push(code, wasClean, socket.readyState);
  endOf(socket).deliverLost();
  await turn();
  assert.deepEqual(seen, [1006, false, 3]);
  socket.close(1000);
  assert.deepEqual(transport.said, []);
});
