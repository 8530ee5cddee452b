/** A host's operations, its Worker's invocations and its end (wire/README.md; durable-objects.md 4.3, 6.3, 7). */

import assert from "node:assert/strict";
import { after, beforeEach, test } from "node:test";
import { RpcRig } from "./rpc_rig.mjs";

const project = {
  name: "host-test",
  bindings: [{ kind: "durable_object", name: "ROOM", class: "Room" }],
  classes: { Room: "sqlite" },
};
const rig = await RpcRig.start(new URL("./host_worker.mjs", import.meta.url), project);
const { seen } = await import("./host_worker.mjs");
const { host } = rig;
const operate = (op, fields = {}) => host.operations.operate({ op, class: "Room", name: "a", ...fields });
const call = async (method, ...args) => (await operate("rpc", { method, args })).result;
const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));
const DUE_MS = 5_000_000_000_000;

after(() => rig.stop());
beforeEach(() => {
  seen.length = 0;
  rig.link.notes.length = 0;
});

const idOf = (name) => host.objects.ids("Room").idFromName(name);
const ring = (scheduledMs, retry = 0) => operate("alarm", { id: idOf("a"), scheduled_ms: scheduledMs, retry });

test("an alarm runs with its count and time, and is gone", async () => {
  await call("arm", DUE_MS);
  assert.deepEqual(await ring(DUE_MS), { outcome: "done", rearmed: false });
  assert.deepEqual(seen, [{ retryCount: 0, isRetry: false, scheduledTime: DUE_MS, name: "a" }]);
  assert.equal(await call("armed"), null);
});

test("an alarm that sets itself again is armed", async () => {
  await call("arm", DUE_MS, "again");
  assert.deepEqual(await ring(DUE_MS), { outcome: "done", rearmed: true });
  assert.equal(await call("armed"), DUE_MS + 1);
});

test("an alarm the object does not have is not run", async () => {
  await call("arm", DUE_MS);
  assert.deepEqual(await ring(DUE_MS - 1), { outcome: "dropped", rearmed: true });
  assert.deepEqual(seen, []);
});

test("a failing alarm keeps its time until the last try", async () => {
  await call("arm", DUE_MS, "throw");
  assert.deepEqual(await ring(DUE_MS, 5), { outcome: "failed", rearmed: true });
  assert.deepEqual(seen, [{ retryCount: 5, isRetry: true, scheduledTime: DUE_MS, name: "a" }]);
  assert.deepEqual(await ring(DUE_MS, 6), { outcome: "failed", rearmed: false });
  assert.equal(await call("armed"), null);
  const told = rig.link.notes.filter(({ op }) => op === "exception").map(({ where, error }) => [where, error.message]);
  assert.deepEqual(told, [
    ["alarm", "not today"],
    ["alarm", "not today"],
  ]);
});

test("an alarm that resets its object is tried again, unless it says no", async () => {
  await call("arm", DUE_MS, "abort");
  assert.deepEqual(await ring(DUE_MS), { outcome: "aborted", rearmed: false });
  assert.equal(await call("armed"), DUE_MS);
  const told = () => rig.link.notes.filter(({ op }) => op === "exception").length;
  const before = told();
  await call("arm", DUE_MS, "give up");
  assert.deepEqual(await ring(DUE_MS), { outcome: "dropped", rearmed: false });
  assert.equal(await call("armed"), null);
  assert.equal(told(), before, "who ends for good has not failed");
});

test("evict waits for what is in flight, and says what keeps an object awake", async () => {
  const slow = call("slow", 60);
  while (seen.length === 0) await later(1);
  const told = (await operate("awake")).map(({ what, text }) => `${what}: ${text}`);
  assert.deepEqual(told, ["timer: setTimeout 60 ms", "event: slow"]);
  const generation = (await operate("objects"))[0].generation;
  assert.deepEqual(await operate("evict", { sockets: "hibernate" }), { evicted: true });
  assert.deepEqual(seen, ["begun", "ended"]);
  assert.equal(await slow, "slow");
  assert.deepEqual(await operate("objects"), []);
  assert.deepEqual(await operate("evict"), { evicted: false, why: "the object is not in memory" });
  await call("armed");
  assert.equal((await operate("objects"))[0].generation, 1, `a new handle begins to count again, it was ${generation}`);
});

test("abort resets an object with its reason", async () => {
  const slow = call("slow", 60);
  while (seen.length === 0) await later(1);
  assert.deepEqual(await operate("abort", { reason: "for a test" }), { aborted: true });
  await assert.rejects(slow, { message: "for a test", durableObjectReset: true });
  await later(70);
  assert.deepEqual(seen, ["begun"]);
  assert.deepEqual(await operate("abort"), { aborted: false, why: "the object is not in memory" });
});

test("a cron tick reaches the scheduled handler", async () => {
  assert.deepEqual(await operate("scheduled", { cron: "* * * * *", scheduled_ms: 7 }), {});
  assert.deepEqual(seen, [["* * * * *", 7]]);
});

test("an unknown operation is refused", async () => {
  await assert.rejects(operate("dance"), { message: "unknown operation dance" });
});

/** A request of a client; `answer` is what the link was told. */
function request(path) {
  const { promise, resolve } = Promise.withResolvers();
  return {
    method: "GET",
    url: `http://h${path}`,
    headers: [["host", "h"]],
    body: null,
    upgrade: false,
    onCancel: null,
    respond: (status, _reason, _headers, body) => resolve({ status, body: String(body) }),
    fail: ({ name, message }) => resolve({ name, message }),
    answer: promise,
  };
}

function ask(path) {
  const incoming = request(path);
  host.requests.take(incoming);
  return incoming;
}

test("what a Worker leaves running after its response ends with it", async () => {
  assert.deepEqual(await ask("/late").answer, { status: 200, body: "at once" });
  await later(20);
  assert.deepEqual(seen, []);
});

test("waitUntil keeps all of an invocation running", async () => {
  assert.deepEqual(await ask("/waits").answer, { status: 200, body: "at once" });
  await later(60);
  assert.deepEqual(seen, ["timer meanwhile", "waited for"]);
});

test("the code of a client that left stops at its next await", async () => {
  const incoming = ask("/leaves");
  await later(5);
  incoming.onCancel("gone");
  await later(90);
  assert.deepEqual(seen, ["begun"]);
});

test("what cannot be answered is an error", async () => {
  assert.deepEqual(await ask("/throws").answer, { name: "TypeError", message: "oops" });
  assert.deepEqual(await ask("/socket").answer, {
    name: "TypeError",
    message: 'Worker tried to return WebSocket in a response to a request without the header "Upgrade: websocket".',
  });
});

test("a drain lets answers come, and resets what takes too long", async () => {
  const answered = ask("/slow").answer;
  while (seen.length === 0) await later(1);
  assert.equal(await host.drain(1_000, "the code was updated"), 0);
  assert.deepEqual(await answered, { status: 200, body: "slow" });
  const late = call("slow", 200);
  while (seen.length < 3) await later(1);
  const reset = assert.rejects(late, { message: "the code was updated", durableObjectReset: true, retryable: true });
  assert.equal(await host.drain(10, "the code was updated"), 1);
  await reset;
});
