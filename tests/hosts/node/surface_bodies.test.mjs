/** Bodies between user code and the link: what passes as it is, what keeps an owner awake, and how each side hears that the other has gone. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { NetworkBody } from "../../../emulator/hosts/node/network_body.mjs";
import { OwnedBody, ownedResponse } from "../../../emulator/hosts/node/owned_body.mjs";
import { currentOwner, Owner } from "../../../emulator/hosts/node/owner.mjs";
import { contentOf } from "../../../emulator/hosts/node/surface/body.mjs";
import { FixedLengthStream } from "../../../emulator/hosts/node/surface/identity_streams.mjs";
import { fromIncoming, intoResponse } from "../../../emulator/hosts/node/surface/incoming.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { Request } from "../../../emulator/hosts/node/surface/request.mjs";
import { Response } from "../../../emulator/hosts/node/surface/response.mjs";

usePort({ flags: {} });

const bytes = (text) => new TextEncoder().encode(text);
const text = (chunk) => new TextDecoder().decode(chunk);

/** The link's end of a body: gives what it is told to. */
class Reader {
  cancelled = null;
  #steps;

  constructor(...steps) {
    this.#steps = steps;
  }

  async read() {
    const step = this.#steps.shift();
    if (step === undefined) return { done: true, value: undefined };
    if (step instanceof Error) throw step;
    return step instanceof Promise ? step : { done: false, value: step };
  }

  cancel(reason) {
    this.cancelled ??= reason;
  }
}

/** An exchange that keeps what it is answered. */
function exchange({ method = "GET", body = null, headers = [] } = {}) {
  const incoming = { method, url: "http://a/b", headers, body, upgrade: false, answer: null };
  incoming.respond = (status, reason, lines, content, encoded) => {
    incoming.answer = { status, reason, lines, content, encoded };
  };
  return incoming;
}

async function all(source) {
  const chunks = [];
  for (let step = await source.read(); !step.done; step = await source.read()) chunks.push(text(step.value));
  return chunks;
}

test("known text and bytes go back as they are, and no stream is made of them", () => {
  const owner = new Owner("worker");
  const body = bytes("hi");
  const incoming = exchange({ method: "POST", body, headers: [["X-A", "1"]] });
  const request = fromIncoming(incoming, owner);
  assert.equal(contentOf(request), body);
  assert.equal(intoResponse(new Response("text", { status: 201, headers: { B: "2" } }), incoming, owner), null);
  assert.deepEqual(incoming.answer, {
    status: 201,
    reason: "",
    lines: [
      ["B", "2"],
      ["content-type", "text/plain;charset=UTF-8"],
    ],
    content: "text",
    encoded: false,
  });
  assert.ok(owner.quiet);
});

test("headers go as they came, text beyond ASCII as UTF-8", () => {
  const lines = [
    ["X-Case", "1"],
    ["x-utf8", "\u00c3\u00a9"],
  ];
  const request = fromIncoming(exchange({ headers: lines }), new Owner("worker"));
  assert.equal(request.headers.get("x-utf8"), "é");
  const incoming = exchange();
  intoResponse(new Response(null, { headers: request.headers }), incoming, new Owner("worker"));
  assert.deepEqual(incoming.answer.lines, lines);
});

test("a body that is passed on is read by nobody in between", async () => {
  const owner = new Owner("worker");
  const incoming = exchange({ method: "POST", body: new Reader(bytes("a"), bytes("b")) });
  const request = fromIncoming(incoming, owner);
  const forwarded = new Request("http://b/", request);
  assert.ok(request.bodyUsed);
  const stream = forwarded.body;
  const body = intoResponse(new Response(stream), incoming, owner);
  assert.ok(stream.locked);
  assert.deepEqual(await all(body), ["a", "b"]);
  assert.ok(owner.quiet);
});

test("a streamed body keeps its owner awake, is pulled as its code, and lets go at its end", async () => {
  const owner = new Owner("Test/a");
  const seen = [];
  let left = 2;
  const source = {
    pull(controller) {
      seen.push(currentOwner());
      left -= 1;
      if (left === 0) controller.close();
      else controller.enqueue("text");
    },
  };
  const response = owner.enter(() => new Response(new ReadableStream(source, { highWaterMark: 0 })));
  const incoming = exchange();
  const body = intoResponse(response, incoming, owner);
  assert.equal(incoming.answer.content, body);
  assert.equal(owner.holdCounts.get("body"), 1);
  assert.deepEqual(await all(body), ["text"]);
  assert.deepEqual(seen, [owner, owner]);
  assert.ok(owner.quiet && !body.isOpen);
});

test("a promised length is announced", () => {
  const incoming = exchange();
  const { readable } = new FixedLengthStream(5);
  intoResponse(new Response(readable), incoming, new Owner("worker")).cancel();
  assert.deepEqual(incoming.answer.lines, [["content-length", "5"]]);
});

test("a body that is packed by hand says so, also behind another object", () => {
  const owner = new Owner("worker");
  const gzip = { "content-encoding": "gzip" };
  const automatic = exchange();
  intoResponse(new Response("hello", { headers: gzip }), automatic, owner);
  assert.equal(automatic.answer.encoded, false);
  const manual = exchange();
  const response = new Response("packed", { headers: gzip, encodeBody: "manual" });
  intoResponse(ownedResponse(new Response("packed", response), owner), manual, owner);
  assert.equal(manual.answer.encoded, true);
  assert.equal(manual.answer.content, "packed");
});

test("a body that fails says why; one whose client has gone is cancelled", async () => {
  const owner = new Owner("worker");
  const failing = new OwnedBody(
    contentOf(
      new Response(
        new ReadableStream({
          pull() {
            throw new RangeError("mid");
          },
        }),
      ),
    ),
    owner,
  );
  await assert.rejects(failing.read(), { name: "RangeError", message: "mid" });
  let reason = null;
  const endless = new ReadableStream({
    pull: (controller) => controller.enqueue(bytes("x")),
    cancel(why) {
      reason = [why, currentOwner()];
    },
  });
  const body = new OwnedBody(contentOf(new Response(endless)), owner);
  await body.read();
  body.cancel("the client has gone");
  assert.deepEqual(reason, ["the client has gone", owner]);
  assert.ok(owner.quiet);
});

test("chunks leave by the output gate", async () => {
  const waiting = [];
  class Dirty extends Owner {
    emit(effect) {
      waiting.push(effect);
    }
  }
  const body = new OwnedBody(contentOf(new Response(stream("a"))), new Dirty("Test/b"));
  let read = null;
  body.read().then((step) => {
    read = step;
  });
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(read, null);
  waiting.shift()();
  await null;
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(text(read.value), "a");
});

test("who reads the body of an owner that is stopped hears of it", async () => {
  const owner = new Owner("Test/c");
  const body = new OwnedBody(contentOf(new Response(new ReadableStream())), owner);
  const read = body.read();
  owner.kill();
  await assert.rejects(read, /stopped/);
  assert.deepEqual(await body.read(), { done: true, value: undefined });
});

test("an arriving body keeps its owner awake until its end, its loss, or its cancellation", async () => {
  const owner = new Owner("Test/d");
  const whole = new NetworkBody(new Reader(bytes("a")), owner);
  assert.equal(owner.held, 1);
  assert.deepEqual(await all(whole), ["a"]);
  assert.equal(owner.held, 0);
  const lost = new NetworkBody(new Reader(bytes("a"), new Error("broken")), owner);
  await lost.read();
  await assert.rejects(lost.read(), { name: "Error", message: "Network connection lost." });
  assert.equal(owner.held, 0);
  const reader = new Reader(bytes("a"));
  new NetworkBody(reader, owner).cancel();
  assert.equal(reader.cancelled, "cancelled");
  assert.equal(owner.held, 0);
});

test("an arriving body of an owner that is stopped is cancelled", () => {
  const owner = new Owner("Test/e");
  const reader = new Reader();
  new NetworkBody(reader, owner);
  owner.kill();
  assert.equal(reader.cancelled, "reset");
});

test("an aborted body fails with the reason, also while it is read", async () => {
  const never = new Promise(() => {});
  const reader = new Reader(bytes("a"), never);
  reader.cancel = function (reason) {
    this.cancelled = reason;
    this.settle?.({ done: true, value: undefined });
  };
  reader.read = ((read) =>
    function () {
      return Promise.race([read.call(this), new Promise((resolve) => (this.settle = resolve))]);
    })(reader.read);
  const body = new NetworkBody(reader, new Owner("Test/f"));
  await body.read();
  const read = body.read();
  body.abort(new RangeError("mine"));
  await assert.rejects(read, RangeError);
  await assert.rejects(body.read(), RangeError);
  assert.equal(reader.cancelled, "aborted");
});

test("what an owner answers to another is its own no more, but for what still runs", async () => {
  const owner = new Owner("Test/g");
  const given = new Response("known", { status: 201, statusText: "Fine", headers: { a: "1" } });
  const got = ownedResponse(given, owner);
  assert.deepEqual([got.status, got.statusText, got.headers.get("a"), await got.text()], [201, "Fine", "1", "known"]);
  assert.throws(() => got.headers.set("a", "2"), /immutable/);
  assert.ok(given.bodyUsed && owner.quiet);
  const streamed = ownedResponse(new Response(stream("a", "b")), owner);
  assert.equal(owner.held, 1);
  assert.equal(await streamed.text(), "ab");
  assert.equal(owner.held, 0);
});

function stream(...chunks) {
  return new ReadableStream({
    start(controller) {
      for (const chunk of chunks) controller.enqueue(bytes(chunk));
      controller.close();
    },
  });
}
