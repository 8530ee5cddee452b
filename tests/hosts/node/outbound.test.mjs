/** Requests that leave the host: what crosses the link, and how answers, losses and aborts come back to the code that asked. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { send } from "../../../emulator/hosts/node/outbound.mjs";
import { Owner } from "../../../emulator/hosts/node/owner.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { Request } from "../../../emulator/hosts/node/surface/request.mjs";
import { LinkLost, RemoteError } from "../../../emulator/hosts/node/wire/exchange.mjs";

usePort({ flags: {} });

const bytes = (text) => new TextEncoder().encode(text);

/** A body on its way in that never ends by itself. */
class Endless {
  cancelled = null;
  #waiting = null;

  read() {
    return new Promise((resolve) => {
      this.#waiting = resolve;
    });
  }

  cancel(reason) {
    this.cancelled = reason;
    this.#waiting?.({ done: true, value: undefined });
  }
}

/** A host with one request on its way. */
class World {
  sent = null;
  cancelled = null;
  points = { on: false };
  socket = { opened: 0, ended: 0 };
  #answer = Promise.withResolvers();
  link = {
    request: (target, head, body, options) => {
      this.sent = { target, ...head, headers: [...head.headers], body, ...options };
      const cancel = (reason) => {
        this.cancelled ??= reason;
        this.#answer.reject(new Error("cancelled"));
      };
      return { id: 2, answer: this.#answer.promise, cancel };
    },
  };
  sockets = {
    standard: {
      expect: (_outgoing, end, owner) => {
        this.socket.end = end;
        this.socket.owner = owner;
        return { opened: () => (this.socket.opened += 1), end: () => (this.socket.ended += 1) };
      },
    },
  };

  answer({ status = 200, reason = "OK", headers = [], body = new Uint8Array(0), upgraded = false } = {}) {
    this.#answer.resolve({ id: 2, status, reason, headers, body, upgraded });
  }

  fail(error) {
    this.#answer.reject(error);
  }
}

const begin = (world, request, owner = new Owner("Test/a")) => ({ owner, response: owner.enter(() => send(world, "egress", request)) });

test("a request crosses as it is, and keeps its owner awake until the answer", async () => {
  const world = new World();
  const { owner, response } = begin(world, new Request("http://a/b#c", { method: "POST", body: "text", headers: { "X-A": "1" } }));
  const { target, method, url, headers, body, upgrade } = world.sent;
  assert.deepEqual(
    { target, method, url, body, upgrade },
    { target: "egress", method: "POST", url: "http://a/b#c", body: "text", upgrade: false },
  );
  assert.deepEqual(headers, [
    ["X-A", "1"],
    ["content-type", "text/plain;charset=UTF-8"],
  ]);
  assert.equal(owner.holdCounts.get("fetch"), 1);
  world.answer({ status: 201, reason: "Made", headers: [["b", "2"]], body: bytes("hi") });
  const got = await response;
  assert.deepEqual([got.status, got.statusText, got.headers.get("b"), got.url, got.redirected], [201, "Made", "2", "http://a/b", false]);
  assert.equal(await got.text(), "hi");
  assert.ok(owner.quiet);
});

test("redirects are the gateway's: whether to follow, and where it arrived", async () => {
  const world = new World();
  begin(world, new Request("http://a/", { redirect: "manual" }));
  assert.deepEqual(world.sent.headers, [["x-emu-redirect", "manual"]]);
  const followed = new World();
  const { response } = begin(followed, new Request("http://a/"));
  assert.deepEqual(followed.sent.headers, []);
  followed.answer({ headers: [["x-emu-url", "http://b/c"]] });
  const got = await response;
  assert.deepEqual([got.url, got.redirected, [...got.headers]], ["http://b/c", true, []]);
});

test("a streamed body is pulled as its owner's code", async () => {
  const world = new World();
  const { owner } = begin(world, new Request("http://a/", { method: "POST", body: new ReadableStream() }));
  assert.equal(owner.holdCounts.get("body"), 1);
  const read = world.sent.body.read();
  owner.kill();
  await assert.rejects(read, /stopped/);
});

test("the answer's body keeps its owner awake until it is cancelled", async () => {
  const world = new World();
  const { owner, response } = begin(world, new Request("http://a/"));
  const reader = new Endless();
  world.answer({ body: reader });
  const got = await response;
  assert.deepEqual([owner.held, owner.holdCounts.get("body")], [1, 1]);
  await got.body.cancel();
  assert.equal(reader.cancelled, "cancelled");
  assert.ok(owner.quiet);
});

test("failures arrive as the platform words them", async () => {
  const cases = [
    [new RemoteError({ name: "TypeError", message: "Too many redirects." }), { name: "TypeError", message: "Too many redirects." }],
    [new RemoteError({ name: "Odd", message: "m", props: { retryable: true } }), { name: "Odd", message: "m", retryable: true }],
    [new LinkLost("gone"), { name: "Error", message: "Network connection lost.", retryable: true }],
  ];
  for (const [failure, expected] of cases) {
    const world = new World();
    const { owner, response } = begin(world, new Request("http://a/"));
    world.fail(failure);
    await assert.rejects(response, expected);
    assert.ok(owner.quiet);
  }
});

test("a signal that was aborted lets nothing out", async () => {
  const world = new World();
  const { owner, response } = begin(world, new Request("http://a/", { signal: AbortSignal.abort(new RangeError("mine")) }));
  await assert.rejects(response, RangeError);
  assert.equal(world.sent, null);
  assert.ok(owner.quiet);
});

test("a signal that aborts meanwhile cancels the request", async () => {
  const world = new World();
  const controller = new AbortController();
  const { owner, response } = begin(world, new Request("http://a/", { signal: controller.signal }));
  controller.abort("why");
  assert.equal(world.cancelled, "aborted");
  assert.equal(await response.catch((reason) => reason), "why");
  assert.ok(owner.quiet);
});

test("a signal that aborts later breaks the body, and is let go of when the body has ended", async () => {
  const world = new World();
  const controller = new AbortController();
  const { owner, response } = begin(world, new Request("http://a/", { signal: controller.signal }));
  const reader = new Endless();
  world.answer({ body: reader });
  const text = (await response).text();
  controller.abort(new RangeError("mine"));
  await assert.rejects(text, RangeError);
  assert.equal(reader.cancelled, "aborted");
  assert.ok(owner.quiet);
});

test("an owner that is stopped takes its requests along", () => {
  const world = new World();
  const { owner } = begin(world, new Request("http://a/"));
  owner.kill();
  assert.equal(world.cancelled, "reset");
});

test("an upgrade that is granted is a response with a socket", async () => {
  const world = new World();
  const { owner, response } = begin(world, new Request("http://a/", { headers: { Upgrade: "WebSocket" } }));
  assert.equal(world.sent.upgrade, true);
  assert.equal(world.socket.owner, owner);
  world.answer({ status: 101, upgraded: true });
  const { status, webSocket } = await response;
  assert.deepEqual([status, webSocket, world.socket.opened], [101, world.socket.end.socket, 1]);
});

test("an upgrade that is refused, or lost, leaves no socket", async () => {
  const refused = new World();
  const asked = begin(refused, new Request("http://a/", { headers: { Upgrade: "websocket" } }));
  refused.answer({ status: 403 });
  const { status, webSocket } = await asked.response;
  assert.deepEqual([status, webSocket, refused.socket.ended], [403, null, 1]);
  const lost = new World();
  const { response } = begin(lost, new Request("http://a/", { headers: { Upgrade: "websocket" } }));
  lost.fail(new LinkLost("gone"));
  await assert.rejects(response);
  assert.equal(lost.socket.ended, 1);
});

test("the output gate holds a request back, and the input gate its answer", async () => {
  const effects = [];
  const answers = [];
  class Gated extends Owner {
    emit(effect) {
      effects.push(effect);
    }
    resume(_section, callback) {
      answers.push(callback);
      return true;
    }
  }
  const world = new World();
  const { response } = begin(world, new Request("http://a/"), new Gated("Test/b"));
  assert.equal(world.sent, null);
  effects.shift()();
  world.answer();
  let settled = false;
  response.then(() => {
    settled = true;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(settled, false);
  answers.shift()();
  assert.equal((await response).status, 200);
});
