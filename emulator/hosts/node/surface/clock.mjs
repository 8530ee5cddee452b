/** The time that user code sees, and by which the platform waits: one object, so that another one can take its place. */

import { clearImmediate, clearTimeout, monotonicMs, nowMs, setImmediate, setTimeout } from "../originals.mjs";

/** What Node's timers take; a longer delay is waited for in pieces. */
const LONGEST_MS = 2 ** 31 - 1;

/**
 * Where timers and `scheduler.wait` get their time from, idle eviction, and the platform's own limits.
 *
 * @typedef {object} Clock
 * @property {boolean} isVirtual it moves only when the gateway says so
 * @property {() => number} nowMs milliseconds since 1970
 * @property {() => number} steadyMs milliseconds since some moment, with fractions; nobody sets them
 * @property {(delayMs: number, callback: () => void) => object} after Calls back once; the caller's async context is the callback's.
 * @property {(timer: object) => void} cancel Takes what `after` gave.
 */

/** The machine's. @type {Clock} */
export const realClock = Object.freeze({
  isVirtual: false,
  nowMs,
  steadyMs: monotonicMs,

  after(delayMs, callback) {
    const timer = { cancel: clearTimeout, handle: null };
    arm(timer, delayMs, callback);
    return timer;
  },

  cancel(timer) {
    timer.cancel(timer.handle);
  },
});

function arm(timer, leftMs, callback) {
  if (leftMs < 1) {
    // Node would wait a millisecond; the platform does not.
    timer.cancel = clearImmediate;
    timer.handle = setImmediate(callback);
  } else if (leftMs <= LONGEST_MS) {
    timer.handle = setTimeout(callback, leftMs);
  } else {
    timer.handle = setTimeout(() => arm(timer, leftMs - LONGEST_MS, callback), LONGEST_MS);
  }
}
