/** A clock that stands until it is moved, and stopwatches on it. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { stopwatch } from "../../../emulator/hosts/node/time/stopwatch.mjs";
import { VirtualClock } from "../../../emulator/hosts/node/time/virtual_clock.mjs";

function rig() {
  const clock = new VirtualClock();
  const fired = [];
  const arm = (name, delayMs) => clock.after(delayMs, () => fired.push(name));
  const fireAll = () => {
    while (clock.fireFirst());
    return fired.splice(0);
  };
  return { clock, arm, fireAll };
}

test("timers fire by time, then in the order they were armed, and only when time has come", () => {
  const { clock, arm, fireAll } = rig();
  for (const [name, delayMs] of Object.entries({ c: 30, a: 10, b: 20.9, a2: 10, c2: 30 })) arm(name, delayMs);
  assert.equal(clock.nextMs(), 10);
  assert.deepEqual(fireAll(), []);
  clock.reach(20);
  assert.deepEqual(fireAll(), ["a", "a2", "b"]);
  clock.reach(10);
  assert.equal(clock.nowMs(), 20);
  arm("late", 10);
  clock.reach(30);
  assert.deepEqual(fireAll(), ["c", "c2", "late"]);
  assert.equal(clock.nextMs(), null);
});

test("what is cancelled never fires, and thousands of such timers leave nothing behind", () => {
  const { clock, arm, fireAll } = rig();
  const timers = Array.from({ length: 5000 }, (_, index) => arm(index, 1 + ((index * 7919) % 1000)));
  for (const timer of timers) if (timer.order % 10 !== 0) clock.cancel(timer);
  const kept = timers.filter((timer) => timer.callback !== null);
  assert.equal(kept.length, 500);
  clock.cancel(kept[0]);
  clock.cancel(kept[0]);
  clock.reach(1000);
  const order = kept.slice(1).sort((one, other) => one.whenMs - other.whenMs || one.order - other.order);
  assert.deepEqual(
    fireAll(),
    order.map(({ order: number }) => number - 1),
  );
});

test("no delay needs no clock, unless it is cancelled", async () => {
  const { clock, arm } = rig();
  const zero = await new Promise((resolve) => clock.after(0, () => resolve("fired")));
  assert.equal(zero, "fired");
  const never = arm("never", 0);
  clock.cancel(never);
  await new Promise((resolve) => setImmediate(resolve));
  assert.equal(never.callback, null);
  assert.equal(clock.nextMs(), null);
});

test("a callback runs in the context in which it was armed", () => {
  const { clock } = rig();
  const context = new AsyncLocalStorage();
  let found = null;
  context.run("armed", () =>
    clock.after(5, () => {
      found = context.getStore();
    }),
  );
  clock.reach(5);
  context.run("fired", () => clock.fireFirst());
  assert.equal(found, "armed");
});

test("a stopwatch says what has passed as Node does", () => {
  let nowMs = 0;
  const said = [];
  const watch = stopwatch(() => nowMs, { log: (...given) => said.push(given), warn: (text) => said.push(["warn", text]) });
  watch.time();
  nowMs = 5;
  watch.timeLog(undefined, "more");
  nowMs = 1500;
  watch.timeLog("default");
  nowMs = 3_723_004;
  watch.timeEnd();
  watch.timeEnd();
  watch.time("x");
  watch.time("x");
  nowMs += 61_500;
  watch.timeEnd("x");
  assert.deepEqual(said, [
    ["default: 5ms", "more"],
    ["default: 1.500s"],
    ["default: 1:02:03 (h:mm:ss)"],
    ["warn", "No such label 'default' for console.timeEnd()"],
    ["warn", "Label 'x' already exists for console.time()"],
    ["x: 1:01.500 (m:ss.mmm)"],
  ]);
});
