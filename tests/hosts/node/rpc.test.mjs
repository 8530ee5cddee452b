/** References between owners: who stays awake, what ends when, which gates a call passes (durable-objects.md 2, 8; S-99, S-108 to S-110). */

import assert from "node:assert/strict";
import { test } from "node:test";
import { setFlagsFromString } from "node:v8";
import { runInNewContext } from "node:vm";
import { loopbackClass, loopbackService } from "../../../emulator/hosts/node/exports.mjs";
import { IdSpace } from "../../../emulator/hosts/node/ids.mjs";
import { resetError } from "../../../emulator/hosts/node/instance.mjs";
import { namespaceOf } from "../../../emulator/hosts/node/namespace.mjs";
import { ObjectHandle } from "../../../emulator/hosts/node/objects.mjs";
import { Owner } from "../../../emulator/hosts/node/owner.mjs";
import { RpcTarget } from "../../../emulator/hosts/node/rpc/bases.mjs";
import { requestBinding } from "../../../emulator/hosts/node/rpc/fetcher.mjs";
import { callByHand } from "../../../emulator/hosts/node/rpc/operation.mjs";
import { realClock } from "../../../emulator/hosts/node/surface/clock.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { receivedResponse, Response } from "../../../emulator/hosts/node/surface/response.mjs";

setFlagsFromString("--expose-gc");
const collect = runInNewContext("gc");

usePort({ flags: {} });

const macrotask = () => new Promise((resolve) => setImmediate(resolve));

async function settled() {
  for (let round = 0; round < 20; round += 1) await macrotask();
}

/** Storage of which only the turn's transaction matters. */
class FakeStorage {
  isDirty = false;

  constructor(hooks) {
    this.hooks = hooks;
  }

  write() {
    if (!this.isDirty) this.hooks.dirty();
    this.isDirty = true;
  }

  commit() {
    this.isDirty = false;
  }

  writeName() {}
  revoke() {}
  close() {}
}

class Counter extends RpcTarget {
  constructor(log) {
    super();
    this.log = log;
  }

  count() {
    this.log.push("count");
    return this.log.length;
  }

  [Symbol.dispose]() {
    this.log.push("end");
  }
}

/** A namespace of objects that the test writes, and a Worker's invocation to call them from. */
function rig(methods) {
  const handles = new Map();
  const world = {
    idleMs: 0,
    clock: realClock,
    points: { on: false },
    turnEnded() {},
    storageOf: (_handle, hooks) => new FakeStorage(hooks),
    construct: (instance) => instance.enter(() => Object.assign(Object.create(methods), { instance })),
    indexAlarm: async () => {},
    objectChanged() {},
    autoResponseChanged() {},
    userError() {},
  };
  const find = (id, name) => {
    if (!handles.has(id)) handles.set(id, new ObjectHandle({ world, className: "Probe", id, name, path: "/nowhere/x.sqlite" }));
    return handles.get(id);
  };
  const ids = new IdSpace("worker", "Probe");
  const namespace = namespaceOf({ className: "Probe", ids, find });
  const worker = new Owner("worker");
  return {
    namespace,
    worker,
    handle: (name) => find(ids.idFromName(name), name),
    /** Run code of the Worker. */
    run: (work) => worker.enter(work),
  };
}

test("a lent object keeps its owner awake until its last stub has ended", async () => {
  const log = [];
  const { namespace, run, handle } = rig({
    counter: () => new Counter(log),
  });
  const stub = await run(() => namespace.getByName("a").counter());
  const twin = run(() => stub.dup());
  assert.deepEqual(handle("a").awakeBecause(), ["1 stub"]);
  stub[Symbol.dispose]();
  assert.deepEqual(handle("a").awakeBecause(), ["1 stub"]);
  assert.equal(await run(() => twin.count()), 1);
  twin[Symbol.dispose]();
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), []);
  assert.deepEqual(log, ["count", "end"]);
});

test("stubs end with the code that holds them", async () => {
  const log = [];
  const { namespace, run, handle, worker } = rig({
    pair: () => ({ one: new Counter(log), two: () => 1 }),
  });
  await run(() => namespace.getByName("a").pair());
  assert.deepEqual(handle("a").awakeBecause(), ["2 stub"]);
  worker.kill();
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), []);
  assert.deepEqual(log, ["end"]);
});

test("a result that comes for nobody is disposed of", async () => {
  const log = [];
  const answer = Promise.withResolvers();
  const { namespace, run, handle, worker } = rig({
    counter: () => answer.promise.then(() => new Counter(log)),
  });
  run(() => {
    namespace.getByName("a").counter();
  });
  await settled();
  worker.kill();
  answer.resolve();
  await settled();
  assert.deepEqual(log, ["end"]);
  assert.deepEqual(handle("a").awakeBecause(), []);
});

test("a stub that nobody can reach any more ends", async () => {
  const log = [];
  const { namespace, run, handle } = rig({
    counter: () => new Counter(log),
  });
  await run(async () => {
    await namespace.getByName("a").counter();
  });
  for (let round = 0; round < 20 && log.length === 0; round += 1) {
    await new Promise((resolve) => setTimeout(resolve, 5));
    collect();
  }
  assert.deepEqual(log, ["end"]);
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), []);
});

test("an object that lends a function for one call is awake for that call alone", async () => {
  const { namespace, run, handle } = rig({
    ask() {
      return namespace.getByName("b").use(() => "called back");
    },
    async use(call) {
      return [await call(), handle("a").awakeBecause().includes("1 stub")];
    },
  });
  assert.deepEqual(await run(() => namespace.getByName("a").ask()), ["called back", true]);
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), []);
});

test("what was packed before something that cannot be is let go", async () => {
  const log = [];
  const { namespace, run } = rig({ use() {} });
  await assert.rejects(
    run(async () => namespace.getByName("a").use(new Counter(log), new URL("http://x"))),
    { name: "DataCloneError" },
  );
  await settled();
  assert.deepEqual(log, ["end"]);
});

test("a caller is busy until its answer comes", async () => {
  const answer = Promise.withResolvers();
  const { namespace, run, handle } = rig({
    ask: () => namespace.getByName("b").later().then(String),
    later: () => answer.promise,
  });
  const asked = run(() => namespace.getByName("a").ask());
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), ["1 call", "event ask"]);
  answer.resolve(5);
  assert.equal(await asked, "5");
  await settled();
  assert.deepEqual(handle("a").awakeBecause(), []);
});

test("a call waits for what its caller has written", async () => {
  const order = [];
  const { namespace, run } = rig({
    async ask() {
      const { storage } = this.instance;
      storage.commit = () => {
        order.push("commit");
        storage.isDirty = false;
      };
      storage.write();
      await namespace.getByName("b").hear();
      order.push("answer");
    },
    hear() {
      order.push("called");
    },
  });
  await run(() => namespace.getByName("a").ask());
  assert.deepEqual(order.slice(0, 3), ["commit", "called", "answer"]);
});

test("calls on a promised result are made before its caller goes on, in the order asked", async () => {
  const order = [];
  const { namespace, run } = rig({
    counter: () => ({ call: (text) => order.push(text) }),
  });
  await run(async () => {
    const promise = namespace.getByName("a").counter();
    promise.call("first");
    promise.call("second");
    const result = await promise;
    order.push("caller");
    await result.call("third");
  });
  assert.deepEqual([order.indexOf("first") < order.indexOf("second"), order.indexOf("second") < order.indexOf("third")], [true, true]);
});

test("a reset breaks a stub and what was lent, an expiry breaks neither", async () => {
  const { namespace, run, handle } = rig({ hello: () => "hello", lend: () => () => "lent" });
  const stub = namespace.getByName("a");
  await run(() => stub.hello());
  handle("a").retire();
  assert.equal(await run(() => stub.hello()), "hello");
  const lent = await run(() => stub.lend());
  handle("a").reset(resetError("enough"));
  await assert.rejects(
    run(async () => stub.hello()),
    { message: "enough", durableObjectReset: true },
  );
  await assert.rejects(
    run(async () => lent()),
    { message: "The execution context which hosts this callback is no longer running." },
  );
  assert.equal(await run(() => namespace.getByName("a").hello()), "hello");
});

test("JSON.stringify calls nobody", async () => {
  let called = 0;
  const { namespace, run } = rig({
    toJSON() {
      called += 1;
      return "json";
    },
  });
  const stub = namespace.getByName("a");
  assert.equal(JSON.stringify({ stub }), '{"stub":{"name":"a","id":{"name":"a"}}}');
  await settled();
  assert.equal(called, 0);
  assert.equal(await run(() => stub.toJSON()), "json");
});

test("a caller's copy of an error keeps its place", async () => {
  const { namespace, run } = rig({
    fail() {
      throw new Error("here");
    },
  });
  const error = await run(() => namespace.getByName("a").fail()).catch((reason) => reason);
  assert.match(error.stack, /^Error: here\n.*rpc\.test\.mjs/);
});

test("calls by hand give JSON", async () => {
  const circular = {};
  circular.self = circular;
  const { handle } = rig({
    echo: (value) => value,
    kinds: () => ({
      map: new Map([["a", 1]]),
      set: new Set([1]),
      date: new Date(0),
      bytes: new Uint8Array([1, 255]),
      nothing: undefined,
      big: 10n,
      infinite: Number.POSITIVE_INFINITY,
      url: new URL("http://x/"),
      circular,
    }),
    call: () => () => 1,
    alarm() {},
  });
  assert.deepEqual(await callByHand(handle("a"), "echo", [{ a: [1, null] }]), { a: [1, null] });
  assert.deepEqual(await callByHand(handle("a"), "kinds", []), {
    map: { a: 1 },
    set: [1],
    date: "1970-01-01T00:00:00.000Z",
    bytes: "01ff",
    nothing: null,
    big: "10",
    infinite: "Infinity",
    url: "http://x/",
    circular: { self: "[circular]" },
  });
  assert.equal(await callByHand(handle("a"), "call", []), "() => 1");
  await assert.rejects(callByHand(handle("a"), "missing", []), { message: 'The RPC receiver does not implement the method "missing".' });
  await assert.rejects(callByHand(handle("a"), "alarm", []), { message: "'alarm' is a reserved method and cannot be called over RPC." });
});

test("a binding that takes requests only", async () => {
  const asked = [];
  const binding = requestBinding(async (request) => {
    asked.push(`${request.method} ${request.url} ${await request.text()}`);
    return receivedResponse(200, "OK", [], "answer", { url: request.url });
  });
  const response = await binding.fetch("http://assets/a#b", { method: "POST", body: "text" });
  assert.deepEqual([asked, await response.text(), response.url], [["POST http://assets/a text"], "answer", "http://assets/a"]);
  await assert.rejects(
    binding.anything().then((value) => value),
    { message: 'The RPC receiver does not implement the method "anything".' },
  );
});

test("an entrypoint's invocation is told that its answer is out, and has its props for itself", async () => {
  const begun = [];
  const world = {
    begin(entrypoint, props) {
      const owner = new Owner(entrypoint);
      const entry = {
        owner,
        context: [],
        answers: 0,
        receiver: Object.create({
          props: () => {
            props.changed = true;
            return props;
          },
        }),
        fetch: async () => new Response("fetched"),
        answered: () => {
          entry.answers += 1;
        },
      };
      begun.push(entry);
      return entry;
    },
  };
  const entry = loopbackService("Entry", world);
  const given = { who: "me" };
  const withProps = entry({ props: given });
  assert.deepEqual(await withProps.props().then(({ who, changed }) => [who, changed]), ["me", true]);
  assert.equal(await (await withProps.fetch("http://x/")).text(), "fetched");
  await assert.rejects(entry.missing().then((value) => value));
  assert.deepEqual(
    begun.map(({ answers }) => answers),
    [1, 1, 1],
  );
  assert.deepEqual(given, { who: "me" });
  assert.throws(() => entry({ props: { call() {} } }), { name: "DataCloneError" });
});

test("a class that has no namespace is good for facets alone", () => {
  const exported = loopbackClass("Child", null);
  assert.equal(Object.prototype.toString.call(exported), "[object LoopbackDurableObjectClass]");
  assert.equal(exported.idFromName, undefined);
  assert.equal(Object.prototype.toString.call(exported({ props: { a: 1 } })), "[object DurableObjectClass]");
});
