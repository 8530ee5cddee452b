/** Timers belong to the owner that armed them, and get their time from one clock. */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { nextTick, setImmediate as soon } from "../../../emulator/hosts/node/originals.mjs";
import { currentOwner, Owner } from "../../../emulator/hosts/node/owner.mjs";
import { usePort } from "../../../emulator/hosts/node/surface/port.mjs";
import { after } from "../../../emulator/hosts/node/surface/scheduler.mjs";
import { clearTimeout, setImmediate, setInterval, setTimeout } from "../../../emulator/hosts/node/surface/timers.mjs";

/** A clock that stands until it is told to go. */
class StoppedClock {
  #nowMs = 0;
  #timers = new Set();

  nowMs = () => this.#nowMs;

  after(delayMs, callback) {
    const inContext = AsyncLocalStorage.snapshot();
    const timer = { atMs: this.#nowMs + delayMs, callback: () => inContext(callback) };
    this.#timers.add(timer);
    return timer;
  }

  cancel(timer) {
    this.#timers.delete(timer);
  }

  get armed() {
    return this.#timers.size;
  }

  advance(ms) {
    const end = this.#nowMs + ms;
    for (;;) {
      const due = [...this.#timers].filter((timer) => timer.atMs <= end).sort((a, b) => a.atMs - b.atMs)[0];
      if (due === undefined) break;
      this.#nowMs = due.atMs;
      this.#timers.delete(due);
      due.callback();
    }
    this.#nowMs = end;
  }
}

/** An owner whose input gate can be shut. */
class GatedOwner extends Owner {
  shut = false;
  #waiting = [];

  resume(_section, callback) {
    if (this.dead) return false;
    if (this.shut) this.#waiting.push(callback);
    else callback();
    return true;
  }

  open() {
    this.shut = false;
    for (const callback of this.#waiting.splice(0)) callback();
  }
}

function prepared({ nodejs_compat = true } = {}) {
  const clock = new StoppedClock();
  const errors = [];
  usePort({ clock, flags: { nodejs_compat }, unhandled: (error) => errors.push(error) });
  return { clock, errors, owner: new GatedOwner("Test/timers") };
}

test("a timer keeps its owner awake until it has fired, and runs as its code", () => {
  const { clock, owner } = prepared();
  const ran = [];
  owner.enter(() => setTimeout((name) => ran.push([name, currentOwner()]), 10, "timer"));
  assert.equal(owner.holdCounts.get("timer"), 1);
  clock.advance(9);
  assert.deepEqual(ran, []);
  clock.advance(1);
  assert.deepEqual(ran, [["timer", owner]]);
  assert.ok(owner.quiet);
});

test("a timer that is cleared lets its owner go", () => {
  const { clock, owner } = prepared();
  const timers = owner.enter(() => [setTimeout(assert.fail, 10), setInterval(assert.fail, 10), setImmediate(assert.fail)]);
  for (const timer of timers) clearTimeout(timer);
  assert.ok(owner.quiet);
  assert.equal(clock.armed, 0);
});

test("an interval keeps its owner awake from tick to tick", () => {
  const { clock, owner } = prepared();
  let ticks = 0;
  const timer = owner.enter(() =>
    setInterval(() => {
      ticks += 1;
      if (ticks === 3) clearTimeout(timer);
    }, 10),
  );
  clock.advance(20);
  assert.equal(owner.held, 1);
  clock.advance(100);
  assert.equal(ticks, 3);
  assert.ok(owner.quiet);
});

test("a timer that is due waits for its owner's gate, and may be cleared meanwhile", () => {
  const { clock, owner } = prepared();
  const ran = [];
  const cleared = owner.enter(() => {
    setTimeout(() => ran.push("kept"), 10);
    return setTimeout(() => ran.push("cleared"), 10);
  });
  owner.shut = true;
  clock.advance(10);
  assert.deepEqual(ran, []);
  clearTimeout(cleared);
  owner.open();
  assert.deepEqual(ran, ["kept"]);
  assert.ok(owner.quiet);
});

test("no timer of a dead owner fires", () => {
  const { clock, owner } = prepared();
  owner.enter(() => [setTimeout(assert.fail, 10), setInterval(assert.fail, 10)]);
  owner.kill();
  clock.advance(100);
  assert.equal(clock.armed, 0);
});

test("a timer that throws is told of, and goes on", () => {
  const { clock, errors, owner } = prepared();
  const timer = owner.enter(() =>
    setInterval(() => {
      throw new Error("of the timer");
    }, 10),
  );
  clock.advance(25);
  clearTimeout(timer);
  assert.deepEqual(
    errors.map(({ message }) => message),
    ["of the timer", "of the timer"],
  );
  assert.ok(owner.quiet);
});

test("without nodejs_compat a timer is a number", () => {
  const { clock } = prepared({ nodejs_compat: false });
  const timer = setTimeout(assert.fail, 10);
  assert.equal(typeof timer, "number");
  clearTimeout(timer);
  assert.equal(clock.armed, 0);
});

test("a promise of time is settled by the clock, or by its signal", async () => {
  const { clock } = prepared();
  const waited = after(1000, "value");
  clock.advance(1000);
  assert.equal(await waited, "value");
  const controller = new AbortController();
  const aborted = after(1000, "value", controller.signal);
  controller.abort(new RangeError("enough"));
  await assert.rejects(aborted, RangeError);
  assert.equal(clock.armed, 0);
});

test("the real clock waits no millisecond for a timer of none", async () => {
  usePort({ flags: { nodejs_compat: true }, unhandled: assert.fail });
  const order = [];
  setTimeout(() => order.push("timer"), 0);
  nextTick(() => order.push("tick"));
  await new Promise((resolve) => soon(resolve));
  assert.deepEqual(order, ["tick", "timer"]);
});

test("the real clock waits longer than Node's timers can", async () => {
  usePort({ flags: { nodejs_compat: true }, unhandled: assert.fail });
  const timer = setTimeout(assert.fail, 2 ** 31 + 10);
  await new Promise((resolve) => setTimeout(resolve, 5));
  clearTimeout(timer);
});
