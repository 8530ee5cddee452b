/** A clock that stands still until the gateway moves it (design 4.7). The gateway's twin is `emulator/clock/virtual.py`. */

import { AsyncLocalStorage } from "node:async_hooks";
import { clearImmediate, setImmediate } from "../originals.mjs";
import { Heap } from "./heap.mjs";

/** So many cancelled timers may stay in the heap until somebody tidies up. */
const CANCELLED = 256;

/** A callback at a time of the clock. */
class Timer {
  /** @type {(() => void) | null} null once it is cancelled or has fired */
  callback;
  /** Of one without delay: it fires by itself. */
  immediate = null;

  constructor(whenMs, order, callback) {
    this.whenMs = whenMs;
    this.order = order;
    this.callback = callback;
  }
}

const isEarlier = (one, other) => one.whenMs < other.whenMs || (one.whenMs === other.whenMs && one.order < other.order);

/** @implements {import("../surface/clock.mjs").Clock} */
export class VirtualClock {
  isVirtual = true;
  #nowMs = 0;
  #timers = new Heap(isEarlier);
  #armed = 0;
  #cancelled = 0;

  /**
   * Milliseconds since 1970. Code at module level sees 0, as on the platform (observed on workerd), so that it does not matter whether a
   * package is imported ahead of LOAD.
   */
  nowMs = () => this.#nowMs;

  steadyMs = this.nowMs;

  /** It is `nowMs` now, or later already: time never goes back, and nothing fires. @param {number} nowMs */
  reach(nowMs) {
    if (nowMs > this.#nowMs) this.#nowMs = nowMs;
  }

  /**
   * Call back once in the caller's async context, when the clock has been moved by the delay's whole milliseconds; without delay as soon as
   * the event loop turns, because nobody moves a clock for that.
   * @param {number} delayMs
   * @param {() => void} callback
   */
  after(delayMs, callback) {
    this.#armed += 1;
    const timer = new Timer(this.#nowMs + Math.trunc(delayMs), this.#armed, callback);
    if (delayMs < 1) {
      timer.immediate = setImmediate(() => {
        timer.callback = null;
        callback();
      });
    } else {
      timer.callback = AsyncLocalStorage.bind(callback);
      this.#timers.push(timer);
    }
    return timer;
  }

  /** @param {Timer} timer */
  cancel(timer) {
    if (timer.callback === null) return;
    timer.callback = null;
    if (timer.immediate !== null) {
      clearImmediate(timer.immediate);
      return;
    }
    this.#cancelled += 1;
    if (this.#cancelled > CANCELLED && this.#cancelled * 2 > this.#timers.size) {
      this.#timers.keep(({ callback }) => callback !== null);
      this.#cancelled = 0;
    }
  }

  /** When the earliest timer is due, null when there is none. @returns {number | null} */
  nextMs() {
    return this.#first()?.whenMs ?? null;
  }

  /** Fire the first timer that is due now. @returns {boolean} whether there was one */
  fireFirst() {
    const timer = this.#first();
    if (timer === null || timer.whenMs > this.#nowMs) return false;
    this.#timers.pop();
    const { callback } = timer;
    timer.callback = null;
    callback();
    return true;
  }

  #first() {
    for (let timer = this.#timers.first; timer !== null; timer = this.#timers.first) {
      if (timer.callback !== null) return timer;
      this.#timers.pop();
      this.#cancelled = Math.max(this.#cancelled - 1, 0);
    }
    return null;
  }
}
