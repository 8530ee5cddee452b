/** Sockets of objects inside the host (durable-objects.md 5; S-79, S-80, S-82 to S-86, S-91, S-93, S-95, S-97, S-101, S-102). */

import assert from "node:assert/strict";
import { test } from "node:test";
import { DurableObjectState } from "../../../emulator/hosts/node/context.mjs";
import { ObjectTable } from "../../../emulator/hosts/node/objects.mjs";
import { wayBack } from "../../../emulator/hosts/node/owner.mjs";
import { realClock } from "../../../emulator/hosts/node/surface/clock.mjs";
import { SocketHub } from "../../../emulator/hosts/node/sockets.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { WebSocketPair } from "../../../emulator/hosts/node/surface/websocket_pair.mjs";
import { Turn } from "../../../emulator/hosts/node/turns.mjs";
import { CLEAN, CUT, closePayload, Frame, Kind } from "../../../emulator/hosts/node/wire/frames.mjs";

usePort({ flags: { web_socket_auto_reply_to_close: true }, unhandled: (error) => assert.fail(error) });

const KIND = Object.fromEntries(Object.entries(Kind).map(([name, number]) => [number, name]));

/** What the host sends, as [kind, id, payload, flags] with payloads that can be read. */
class FakeLink {
  sent = [];

  send(kind, id, payload = "", flags = 0) {
    const readable = kind === Kind.CLOSE ? close(payload) : payload;
    this.sent.push([KIND[kind], id, readable, ...(flags ? [flags] : [])]);
  }

  sendJson(kind, value, id = 0) {
    this.sent.push([KIND[kind], id, value]);
  }

  take() {
    return this.sent.splice(0);
  }
}

function close(payload) {
  return [payload.readUInt16LE(0), payload.toString("utf8", 2)];
}

function frame(kind, id, payload = "", flags = 0) {
  const bytes = Buffer.from(payload);
  return new Frame(kind, flags, id, 5_000, bytes, 0, bytes.length);
}

const storage = () => ({ isDirty: false, commit() {}, revoke() {}, close() {}, writeName() {} });
const settled = async () => {
  for (let round = 0; round < 10; round += 1) await new Promise((resolve) => setImmediate(resolve));
};

/** A host of one class, whose methods are `handlers`. */
function rig(handlers = {}) {
  const link = new FakeLink();
  const errors = [];
  const world = {
    idleMs: 0,
    clock: realClock,
    points: { on: false },
    turnEnded() {},
    exports: {},
    storageOf: storage,
    objectChanged() {},
    autoResponseChanged() {},
    userError: (where, error) => errors.push(`${where}: ${error.message}`),
    construct: (instance) => Object.assign(Object.create(handlers), { ctx: new DurableObjectState(instance, world) }),
  };
  world.objects = new ObjectTable(world, "test", "/nowhere");
  world.sockets = new SocketHub(world, link, world.points);
  const handle = world.objects.get("Room", world.objects.ids("Room").idFromName("a"), "a");
  const inObject = (work) =>
    new Promise((resolve, reject) => handle.deliver(new Turn("test", ({ userObject }) => work(userObject), resolve, reject)));
  /** A client connects as socket `id`; `accept` is the object's part. */
  const connect = async (id, accept = (object, socket) => object.ctx.acceptWebSocket(socket)) => {
    const pair = new WebSocketPair();
    await inObject((object) => accept(object, pair[1]));
    const incoming = { id, url: `http://h/${id}`, upgradeWith: (headers) => link.sent.push(["101", id, headers]) };
    world.sockets.bind(incoming, { webSocket: pair[0] }, [], handle.instance);
    return pair[1];
  };
  return { world, link, errors, handle, inObject, connect };
}

const texts = (sent) => sent.filter(([kind]) => kind === "TEXT").map(([, , text]) => text);

test("messages reach webSocketMessage as string or ArrayBuffer, in order, and what it sends goes to its client", async () => {
  const { world, link, connect } = rig({
    webSocketMessage(ws, message) {
      ws.send(typeof message === "string" ? `text ${message}` : `${message.constructor.name} of ${message.byteLength}`);
    },
  });
  await connect(3);
  assert.deepEqual(link.take().slice(0, 2), [
    ["101", 3, []],
    ["ACCEPTED", 3, { class: "Room", id: world.objects.ids("Room").idFromName("a"), name: "a", tags: [], url: "http://h/3" }],
  ]);
  world.sockets.take(frame(Kind.TEXT, 3, "one"));
  world.sockets.take(frame(Kind.BINARY, 3, "12345"));
  world.sockets.take(frame(Kind.TEXT, 3, "two"));
  await settled();
  assert.deepEqual(texts(link.take()), ["text one", "ArrayBuffer of 5", "text two"]);
});

test("what is sent before the response waits for the client", async () => {
  const { link, connect } = rig();
  await connect(3, (object, socket) => {
    object.ctx.acceptWebSocket(socket, ["t", "t", "u"]);
    socket.serializeAttachment({ who: "me" });
    socket.send("early");
    assert.deepEqual(object.ctx.getTags(socket), ["t", "u"]);
  });
  assert.deepEqual(
    link.take().map(([kind]) => kind),
    ["101", "ACCEPTED", "ATTACHMENT", "TEXT"],
  );
});

test("a handler that throws is told of and harms nothing", async () => {
  const { world, errors, connect, handle } = rig({
    webSocketMessage() {
      throw new Error("oops");
    },
  });
  await connect(3);
  const instance = handle.instance;
  world.sockets.take(frame(Kind.TEXT, 3, "x"));
  await settled();
  assert.deepEqual(errors, ["webSocketMessage: oops"]);
  assert.equal(handle.instance, instance);
  assert.equal(handle.sockets.size, 1);
});

test("a client's Close is heard once, with the socket still listed, and answered when the handler did not", async () => {
  const heard = [];
  const { world, link, connect, handle } = rig({
    webSocketClose(ws, code, reason, wasClean) {
      heard.push([code, reason, wasClean, this.ctx.getWebSockets().length]);
      if (code === 4000) ws.close(4001, "mine");
    },
  });
  for (const id of [3, 5, 7, 9]) await connect(id);
  link.take();
  world.sockets.take(frame(Kind.CLOSE, 3, closePayload(1000, "bye"), CLEAN));
  world.sockets.take(frame(Kind.CLOSE, 5, closePayload(4000, ""), CLEAN));
  world.sockets.take(frame(Kind.CLOSE, 7, closePayload(null, ""), CLEAN));
  world.sockets.take(frame(Kind.CLOSE, 9, closePayload(1006, "lost")));
  await settled();
  assert.deepEqual(heard, [
    [1000, "bye", true, 4],
    [4000, "", true, 3],
    [1005, "", true, 2],
    [1006, "lost", false, 1],
  ]);
  assert.deepEqual(link.take(), [
    ["CLOSE", 3, [1000, "bye"]],
    ["CLOSE", 5, [4001, "mine"]],
    ["CLOSE", 7, [0, ""]],
  ]);
  assert.equal(handle.sockets.size, 0);
});

test("a fault is webSocketError only", async () => {
  const heard = [];
  const { world, connect, handle } = rig({
    webSocketError: (_ws, error) => heard.push(error.message),
    webSocketClose: () => heard.push("close"),
  });
  await connect(3);
  world.sockets.take(frame(Kind.FAULT, 3, "too large"));
  await settled();
  assert.deepEqual(heard, ["too large"]);
  assert.equal(handle.sockets.size, 0);
});

test("a hibernated object is built anew for a message, with its socket, tags and attachment", async () => {
  const { world, link, connect, handle, inObject } = rig({
    webSocketMessage(ws, message) {
      ws.send(`${message} ${ws.deserializeAttachment().who} ${this.ctx.getTags(ws)} ${this.ctx.getWebSockets("t").includes(ws)}`);
    },
  });
  const before = await connect(3, (object, socket) => {
    object.ctx.acceptWebSocket(socket, ["t"]);
    socket.serializeAttachment({ who: "me" });
  });
  handle.retire();
  assert.equal(handle.lifecycle.state, "hibernated");
  link.take();
  world.sockets.take(frame(Kind.TEXT, 3, "after"));
  await settled();
  assert.deepEqual(texts(link.take()), ["after me t true"]);
  assert.notEqual((await inObject((object) => object.ctx.getWebSockets()))[0], before);
  assert.equal(handle.lifecycle.generation, 2);
});

test("sockets that outlived their host are listed in the constructor of the next life", async () => {
  const { world, link, handle, inObject } = rig({
    webSocketMessage(ws, message) {
      ws.send(`${message} ${ws.deserializeAttachment()}`);
    },
  });
  const { serialize } = await import("node:v8");
  world.sockets.restore(
    [
      {
        socket: 3,
        class: "Room",
        id: handle.id,
        name: "a",
        tags: ["t"],
        url: "http://h/",
        attachment: serialize(7).toString("base64"),
        answered_ms: 4_000,
        closing: false,
      },
    ],
    [{ class: "Room", id: handle.id, request: "ping", response: "pong" }],
  );
  assert.equal(handle.lifecycle.state, "hibernated");
  const seen = await inObject(({ ctx }) => {
    const [socket] = ctx.getWebSockets("t");
    const pair = ctx.getWebSocketAutoResponse();
    return [ctx.getWebSocketAutoResponseTimestamp(socket).getTime(), pair.request, pair.response];
  });
  assert.deepEqual(seen, [4_000, "ping", "pong"]);
  world.sockets.take(frame(Kind.ANSWERED, 3));
  world.sockets.take(frame(Kind.TEXT, 3, "hello"));
  await settled();
  assert.deepEqual(texts(link.take()), ["hello 7"]);
  assert.equal(handle.sockets.values().next().value.answeredMs, 5_000);
});

test("a reset drops sockets without a Close frame and without an event", async () => {
  const heard = [];
  const { link, connect, handle, inObject } = rig({ webSocketClose: () => heard.push("close") });
  await connect(3);
  await connect(5, (_object, socket) => socket.accept());
  link.take();
  handle.reset(new Error("reset"));
  assert.deepEqual(link.take(), [
    ["CLOSE", 5, [0, ""], CUT],
    ["CLOSE", 3, [0, ""], CUT],
  ]);
  assert.deepEqual(await inObject((object) => object.ctx.getWebSockets()), []);
  assert.deepEqual(heard, []);
});

test("a socket accepted by accept() keeps its object awake until it is gone", async () => {
  const heard = [];
  const { world, link, connect, handle } = rig();
  const socket = await connect(3, (_object, accepted) => {
    accepted.accept();
    accepted.addEventListener("message", ({ data }) => heard.push(data));
    accepted.addEventListener("close", ({ code, reason, wasClean }) => heard.push([code, reason, wasClean]));
  });
  assert.deepEqual(handle.awakeBecause(), ["1 socket"]);
  link.take();
  world.sockets.take(frame(Kind.TEXT, 3, "one"));
  world.sockets.take(frame(Kind.TEXT, 3, "two"));
  world.sockets.take(frame(Kind.CLOSE, 3, closePayload(4002, "cl"), CLEAN));
  await settled();
  assert.deepEqual(heard, ["one", "two", [4002, "cl", true]]);
  assert.equal(socket.readyState, 3);
  assert.deepEqual(
    link.take().filter(([kind]) => kind !== "CREDIT"),
    [["CLOSE", 3, [4002, "cl"]]],
  );
  world.sockets.take(frame(Kind.GONE, 3));
  assert.deepEqual(handle.awakeBecause(), []);
  assert.equal(world.sockets.standard.size, 0);
});

test("a handler that runs too long is cut off", async () => {
  const noted = [];
  let answer;
  const { world, connect, handle, inObject } = rig({
    async webSocketMessage() {
      const back = wayBack("fetch");
      await new Promise((resolve) => {
        answer = () => back(resolve);
      });
      noted.push("never");
    },
  });
  await connect(3);
  await inObject(({ ctx }) => ctx.setHibernatableWebSocketEventTimeout(5));
  await settled();
  world.sockets.take(frame(Kind.TEXT, 3, "x"));
  assert.deepEqual(handle.awakeBecause(), ["1 fetch", "event webSocketMessage"]);
  while (handle.awakeBecause().length > 1) await new Promise((resolve) => setTimeout(resolve, 5));
  answer();
  await settled();
  assert.deepEqual(noted, []);
  assert.deepEqual(handle.awakeBecause(), []);
  assert.equal(handle.sockets.size, 1);
});

test("the gateway may read on from a client once the handlers have started", async () => {
  const { world, link, connect } = rig({ webSocketMessage() {} });
  await connect(3);
  link.take();
  const size = 200 * 1024;
  world.sockets.take(frame(Kind.BINARY, 3, Buffer.alloc(size)));
  world.sockets.take(frame(Kind.BINARY, 3, Buffer.alloc(size)));
  await settled();
  assert.deepEqual(
    link.take().map(([kind, id, payload]) => [kind, id, payload.readUInt32LE()]),
    [["CREDIT", 3, 2 * size]],
  );
});

test("a socket whose other end is in this process outlives a sleep too", async () => {
  const heard = [];
  const { handle, inObject } = rig({
    webSocketMessage(ws, message) {
      ws.send(`life ${handle.lifecycle.generation}: ${message}`);
    },
  });
  const pair = new WebSocketPair();
  await inObject(({ ctx }) => ctx.acceptWebSocket(pair[1]));
  pair[0].accept();
  pair[0].addEventListener("message", ({ data }) => heard.push(data));
  pair[0].send("one");
  await settled();
  handle.retire();
  assert.equal(handle.lifecycle.state, "hibernated");
  pair[0].send("two");
  pair[0].send("three");
  await settled();
  assert.deepEqual(heard, ["life 1: one", "life 2: two", "life 2: three"]);
});
