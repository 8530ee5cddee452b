/** `scheduler`, and promises that time settles. */

import { clearTimeout, setTimeout } from "./timers.mjs";

/** The class of `scheduler`. */
export class Scheduler {
  /**
   * @param {number} delay ms
   * @param {{signal?: AbortSignal}} [options]
   * @returns {Promise<void>} rejects with the signal's reason
   */
  wait(delay, options) {
    return after(delay, undefined, options?.signal);
  }

  get [Symbol.toStringTag]() {
    return "Scheduler";
  }
}

/**
 * @template T
 * @param {number} delay ms
 * @param {T} value
 * @param {AbortSignal} [signal]
 * @returns {Promise<T>}
 */
export function after(delay, value, signal) {
  return new Promise((resolve, reject) => {
    signal?.throwIfAborted();
    const timer = setTimeout(() => {
      signal?.removeEventListener("abort", aborted);
      resolve(value);
    }, delay);
    const aborted = () => {
      clearTimeout(timer);
      reject(signal.reason);
    };
    signal?.addEventListener("abort", aborted, { once: true });
  });
}
