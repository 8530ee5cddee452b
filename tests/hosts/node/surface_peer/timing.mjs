/** Timers, `scheduler`, `AbortSignal` and what time does. */

import { AsyncLocalStorage } from "node:async_hooks";
import process from "node:process";
import * as nodeTimers from "node:timers";
import * as timersPromises from "node:timers/promises";
import { byName, outcome, sleep, tried } from "./telling.mjs";

const storage = new AsyncLocalStorage();

export function timing() {
  return {
    "what setTimeout gives": () => {
      const timer = setTimeout(() => {}, 1);
      const other = setTimeout(() => {}, 1);
      const seen = [typeof timer, Object.prototype.toString.call(timer), timer.constructor.name, other - timer, timer.ref() === timer];
      return [
        ...seen,
        timer.unref() === timer,
        timer.hasRef(),
        timer.refresh() === timer,
        timer.close() === timer,
        other.close() === other,
      ];
    },
    "cleared in all ways": async () => {
      const ran = [];
      const arm = (name) => setTimeout(() => ran.push(name), 1);
      clearTimeout(arm("by object"));
      clearTimeout(Number(arm("by number")));
      clearInterval(arm("by the other function"));
      arm("by close").close();
      arm("by dispose")[Symbol.dispose]();
      clearImmediate(setImmediate(() => ran.push("immediate")));
      arm("not at all");
      await sleep(20);
      return ran;
    },
    "what cannot be cleared": () => {
      for (const odd of [undefined, null, "x", {}, 99_999, -1, 1.5]) clearTimeout(odd);
      return "fine";
    },
    "what cannot be called": () => byName(["x", undefined, null, 5, {}], (callback) => setTimeout(callback, 1)),
    "arguments and this": async () => {
      let seen;
      setTimeout(
        function (...given) {
          seen = [given, this === globalThis];
        },
        1,
        "x",
        2,
      );
      await sleep(10);
      return seen;
    },
    delays: async () => {
      const ran = [];
      for (const delay of [-5, Number.NaN, "1", undefined, 2 ** 31 + 5]) setTimeout(() => ran.push(String(delay)), delay);
      await sleep(30);
      return ran.sort();
    },
    order: async () => {
      const ran = [];
      setTimeout(() => ran.push("timeout"), 0);
      setImmediate(() => ran.push("immediate"));
      queueMicrotask(() => ran.push("microtask"));
      Promise.resolve().then(() => ran.push("promise"));
      ran.push("now");
      await sleep(20);
      return ran;
    },
    intervals: async () => {
      let ran = 0;
      const timer = setInterval(() => {
        ran += 1;
        if (ran === 3) clearInterval(timer);
      }, 1);
      await sleep(40);
      return ran;
    },
    "the async context": async () => {
      const seen = [];
      storage.run("armed", () => setTimeout(() => seen.push(storage.getStore()), 1));
      storage.run("immediate", () => setImmediate(() => seen.push(storage.getStore())));
      await sleep(20);
      return seen.sort();
    },
    immediates: async () => {
      let seen;
      const immediate = setImmediate((...given) => {
        seen = given;
      }, 1);
      const shape = [typeof immediate, Object.prototype.toString.call(immediate)];
      await sleep(10);
      return [seen, shape];
    },
    "modules of Node": async () => [
      nodeTimers.setTimeout === setTimeout,
      await timersPromises.setTimeout(1, "value"),
      await timersPromises.setImmediate("immediate"),
      await outcome(() => timersPromises.setTimeout(1000, 0, { signal: AbortSignal.abort() })),
    ],
    "intervals of Node": async () => {
      const seen = [];
      for await (const value of timersPromises.setInterval(1, "tick")) {
        seen.push(value);
        if (seen.length === 2) break;
      }
      return seen;
    },
    scheduler: async () => [
      await scheduler.wait(1),
      typeof scheduler.postTask,
      Object.prototype.toString.call(scheduler),
      await outcome(() => scheduler.wait(1000, { signal: AbortSignal.abort() })),
      await outcome(() => {
        const controller = new AbortController();
        setTimeout(() => controller.abort(new RangeError("mine")), 5);
        return scheduler.wait(1000, { signal: controller.signal });
      }),
    ],
    "abort reasons": () => [AbortSignal.abort().reason, AbortSignal.abort(5).reason, AbortSignal.any([AbortSignal.abort(6)]).reason],
    "an abort by a controller": () => {
      const controller = new AbortController();
      controller.abort();
      return [controller.signal.aborted, controller.signal.reason, tried(() => controller.signal.throwIfAborted())];
    },
    timeouts: async () => {
      const signal = AbortSignal.timeout(5);
      const before = signal.aborted;
      await sleep(20);
      return [before, signal.aborted, signal.reason, tried(() => AbortSignal.timeout())];
    },
    "a tick": async () => {
      const ran = [];
      process.nextTick(() => ran.push("tick"));
      await sleep(1);
      return ran;
    },
  };
}
