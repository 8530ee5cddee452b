/** One life of an object: order, gates, resets (durable-objects.md 1.6, 2; S-09, S-10, S-17 to S-22, S-25, S-29 to S-32, S-105). */

import assert from "node:assert/strict";
import { AsyncLocalStorage } from "node:async_hooks";
import { test } from "node:test";
import { ObjectHandle } from "../../../emulator/hosts/node/objects.mjs";
import { currentOwner, emit, wayBack } from "../../../emulator/hosts/node/owner.mjs";
import { realClock } from "../../../emulator/hosts/node/surface/clock.mjs";
import { CommitFailed } from "../../../emulator/hosts/node/storage/storage_errors.mjs";
import { Turn } from "../../../emulator/hosts/node/turns.mjs";

const macrotask = () => new Promise((resolve) => setImmediate(resolve));

async function settled() {
  for (let round = 0; round < 20; round += 1) await macrotask();
}

/** Storage of which only the turn's transaction matters. */
class FakeStorage {
  isDirty = false;
  commits = 0;
  refuse = null;

  constructor(hooks) {
    this.hooks = hooks;
  }

  write() {
    if (!this.isDirty) this.hooks.dirty();
    this.isDirty = true;
  }

  commit() {
    if (!this.isDirty) return;
    this.isDirty = false;
    if (this.refuse !== null) throw this.refuse;
    this.commits += 1;
  }

  writeName() {}
  revoke() {}
  close() {}
}

class World {
  idleMs = 0;
  clock = realClock;
  points = { on: false };
  errors = [];
  changes = [];
  indexed = [];
  construct = () => ({});

  storageOf(_handle, hooks) {
    return new FakeStorage(hooks);
  }

  indexAlarm(_handle, timeMs) {
    const answer = Promise.withResolvers();
    this.indexed.push({ timeMs, ...answer });
    return answer.promise;
  }

  turnEnded() {}

  objectChanged(handle) {
    this.changes.push(handle.lifecycle.state);
  }

  autoResponseChanged() {}

  userError(where, error) {
    this.errors.push(`${where}: ${error.message}`);
  }
}

function rig(changes = {}) {
  const world = Object.assign(new World(), changes);
  const handle = new ObjectHandle({ world, className: "Probe", id: "0".repeat(64), name: "me", path: "/nowhere/x.sqlite" });
  const log = [];
  /** Deliver an event; the promise tells its end. */
  const deliver = (label, work, options) =>
    new Promise((resolve) => {
      const done = (result) => resolve({ result });
      const failed = (error, reset) => resolve({ error: error.message, reset });
      handle.deliver(new Turn(label, work, done, failed), options);
    });
  return { world, handle, log, deliver };
}

test("events start in the order they came and overlap at their awaits", async () => {
  const { deliver, log } = rig();
  const delays = [50, 10, 30];
  const ends = delays.map((ms, number) =>
    deliver("m", async () => {
      log.push(`start ${number}`);
      const back = wayBack("timer");
      await new Promise((resolve) => setTimeout(() => back(resolve), ms));
      log.push(`end ${number}`);
    }),
  );
  await Promise.all(ends);
  assert.deepEqual(log, ["start 0", "start 1", "start 2", "end 1", "end 2", "end 0"]);
});

test("what one event makes runnable comes before the next event", async () => {
  const { deliver, log } = rig();
  const ends = [1, 2, 3].map((number) =>
    deliver("m", async () => {
      log.push(`start ${number}`);
      for (let step = 0; step < 20; step += 1) await null;
      log.push(`end ${number}`);
    }),
  );
  await Promise.all(ends);
  assert.deepEqual(log, ["start 1", "end 1", "start 2", "end 2", "start 3", "end 3"]);
});

test("an event may start at once, the second of the same macrotask may not", async () => {
  const { deliver, log } = rig();
  await deliver("wake", () => {});
  await macrotask();
  const note = (word) => () => {
    log.push(word);
  };
  deliver("first", note("first"), { now: true });
  deliver("second", note("second"), { now: true });
  assert.deepEqual(log, ["first"]);
  await macrotask();
  assert.deepEqual(log, ["first", "second"]);
});

test("what the constructor began comes before the first event", async () => {
  const log = [];
  const { deliver } = rig({
    construct() {
      log.push("constructor");
      (async () => {
        for (let step = 0; step < 10; step += 1) await null;
        log.push("began in it");
      })();
      return {};
    },
  });
  await deliver("m", () => {
    log.push("event");
  });
  assert.deepEqual(log, ["constructor", "began in it", "event"]);
});

test("an event knows its owner and nothing of its caller's async context", async () => {
  const { deliver, handle } = rig();
  const mine = new AsyncLocalStorage();
  const seen = await mine.run("the caller's", () => deliver("m", () => [mine.getStore(), currentOwner() === handle.instance]));
  assert.deepEqual(seen.result, [undefined, true]);
  assert.equal(currentOwner(), null);
});

test("a failing event fails alone", async () => {
  const { deliver, handle } = rig();
  await deliver("m", () => {});
  const first = handle.instance;
  const thrown = await deliver("m", () => {
    throw new Error("at once");
  });
  const rejected = await deliver("m", async () => {
    throw new Error("later");
  });
  assert.deepEqual(
    [thrown, rejected],
    [
      { error: "at once", reset: false },
      { error: "later", reset: false },
    ],
  );
  assert.equal(handle.instance, first);
});

test("a constructor that throws fails all that wait, and the next event constructs again", async () => {
  let tries = 0;
  const { deliver, handle, world } = rig({
    construct() {
      tries += 1;
      if (tries === 1) throw new Error("not today");
      return {};
    },
  });
  const bond = handle.bond;
  const waiting = [deliver("m", () => 1), deliver("m", () => 2)];
  assert.deepEqual(await Promise.all(waiting), [
    { error: "not today", reset: true },
    { error: "not today", reset: true },
  ]);
  assert.equal(bond.broken.durableObjectReset, true);
  assert.deepEqual(world.errors, ["constructor: not today"]);
  assert.deepEqual(await deliver("m", () => 3), { result: 3 });
  assert.equal(handle.lifecycle.generation, 2);
});

test("a critical section holds events and answers back, its own continuation comes first", async () => {
  const { deliver, handle, log } = rig();
  const inside = Promise.withResolvers();
  let answer;
  const first = deliver("blocks", async (instance) => {
    const back = wayBack("fetch");
    answer = () => back(() => log.push("answer to a request before"));
    const blocked = instance.blockConcurrency(async () => {
      log.push("callback");
      const own = wayBack("fetch");
      await new Promise((resolve) => inside.promise.then(() => own(resolve)));
      log.push("answer to its own request");
      return "value";
    });
    log.push("next statement");
    log.push(await blocked);
  });
  await settled();
  const second = deliver("waits", () => {
    log.push("event");
  });
  answer();
  await settled();
  assert.deepEqual(log, ["next statement", "callback"]);
  inside.resolve();
  await Promise.all([first, second]);
  await settled();
  assert.deepEqual(log.slice(2), ["answer to its own request", "value", "event", "answer to a request before"]);
  assert.ok(handle.instance.gate.isOpen);
});

test("a section keeps its caller's async context", async () => {
  const { deliver } = rig();
  const mine = new AsyncLocalStorage();
  const seen = await deliver("m", (instance) =>
    mine.run("inner", async () => {
      const seenInside = await instance.blockConcurrency(async () => mine.getStore());
      return [seenInside, mine.getStore()];
    }),
  );
  assert.deepEqual(seen.result, ["inner", "inner"]);
});

test("a section that fails resets the object whoever catches, and every event in flight dies with it", async () => {
  const { deliver, handle, log } = rig();
  const other = deliver("other", async () => {
    const back = wayBack("timer");
    await new Promise((resolve) => setTimeout(() => back(resolve), 5));
    log.push("never");
  });
  const blocks = deliver("blocks", async (instance) => {
    try {
      await instance.blockConcurrency(async () => {
        throw new Error("boom");
      });
    } catch {
      log.push("never");
    }
    log.push("never");
  });
  assert.deepEqual(await Promise.all([other, blocks]), [
    { error: "boom", reset: true },
    { error: "boom", reset: true },
  ]);
  assert.equal(handle.instance, null);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(log, []);
});

test("a failing transaction is its caller's affair", async () => {
  const { deliver, handle } = rig();
  const seen = await deliver("m", (instance) =>
    instance.block(async () => {
      throw new Error("rolled back");
    }),
  );
  assert.deepEqual(seen, { error: "rolled back", reset: false });
  assert.notEqual(handle.instance, null);
  assert.deepEqual(await deliver("m", () => "open again"), { result: "open again" });
});

test("64 nested sections work, the 65th throws where it is called", async () => {
  const { deliver } = rig();
  const nest = (instance, depth) =>
    instance.blockConcurrency(async () => {
      if (depth > 1) return nest(instance, depth - 1);
      try {
        await instance.blockConcurrency(() => {});
      } catch (error) {
        return error.message;
      }
    });
  assert.deepEqual(await deliver("m", (instance) => nest(instance, 64)), {
    result: "blockConcurrencyWhile() calls are nested too deeply.",
  });
});

test("effects leave in order, once the writes before them are committed", async () => {
  const { deliver, handle, log } = rig();
  const end = deliver("m", () => {
    emit(() => log.push("free"));
    handle.instance.storage.write();
    emit(() => log.push(`frame after ${handle.instance.storage.commits} commits`));
    return "reply";
  }).then(() => log.push("reply"));
  await end;
  assert.deepEqual(log, ["free", "frame after 1 commits", "reply"]);
});

test("an effect that cannot leave is told of, and those behind it leave", async () => {
  const { deliver, handle, world, log } = rig();
  const seen = await deliver("m", () => {
    handle.instance.storage.write();
    emit(() => {
      throw new Error("too large");
    });
    emit(() => log.push("the next"));
    return "reply";
  });
  assert.deepEqual(seen, { result: "reply" });
  assert.deepEqual([log, world.errors], [["the next"], ["sending: too large"]]);
});

test("a commit that fails resets the object before anything has left", async () => {
  const { deliver, handle, world, log } = rig();
  await deliver("m", () => {});
  const seen = await deliver("m", async (instance) => {
    instance.storage.refuse = new CommitFailed("constraints were violated: FOREIGN KEY");
    instance.storage.write();
    emit(() => log.push("premature"));
    const back = wayBack("timer");
    await new Promise((resolve) => setTimeout(() => back(resolve), 2));
    log.push("code after an await");
  });
  assert.deepEqual(seen, { error: "constraints were violated: FOREIGN KEY", reset: true });
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(log, []);
  assert.deepEqual(world.errors, ["commit: constraints were violated: FOREIGN KEY"]);
  assert.equal(handle.instance, null);
});

test("an alarm's effects wait until the gateway has it, and a refusal is a failed commit", async () => {
  const { deliver, world, handle, log } = rig();
  const set = (timeMs) => (instance) => {
    instance.storage.hooks.alarmChanged(timeMs);
    return timeMs;
  };
  const first = deliver("m", set(5)).then(({ result }) => log.push(result));
  await settled();
  assert.deepEqual(log, []);
  assert.deepEqual(handle.awakeBecause(), ["1 alarm", "event m"]);
  world.indexed[0].resolve();
  await first;
  assert.deepEqual(log, [5]);
  const second = deliver("m", set(6));
  await settled();
  world.indexed[1].reject(new Error("disk full"));
  assert.equal((await second).reset, true);
});

test("abort ends every event in flight with its reason, and nothing of it arrives later", async () => {
  const { deliver, handle, log } = rig();
  const bond = handle.bond;
  const other = deliver("other", async () => {
    const back = wayBack("timer");
    setTimeout(() => back(() => log.push("resumed")), 5);
    await new Promise(() => {});
  });
  const aborts = deliver("aborts", async (instance) => {
    instance.abort("enough", { retryAlarm: false });
    emit(() => log.push("left after its end"));
    return "a reply nobody gets";
  });
  assert.deepEqual(await Promise.all([other, aborts]), [
    { error: "enough", reset: true },
    { error: "enough", reset: true },
  ]);
  assert.equal(bond.broken.durableObjectReset, true);
  await new Promise((resolve) => setTimeout(resolve, 10));
  assert.deepEqual(log, []);
  assert.deepEqual(await deliver("m", () => "alive"), { result: "alive" });
});

test("a quiet instance is dropped after its idle time, a busy one is not", async () => {
  const { deliver, handle, world } = rig({ idleMs: 20 });
  const { result: hold } = await deliver("m", (instance) => instance.hold("socket"));
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.deepEqual(handle.awakeBecause(), ["1 socket"]);
  handle.instance.release(hold);
  await new Promise((resolve) => setTimeout(resolve, 60));
  assert.equal(handle.instance, null);
  assert.deepEqual(world.changes, ["active", "inactive"]);
});
