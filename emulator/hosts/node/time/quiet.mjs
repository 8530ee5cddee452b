/**
 * When nothing in this process is runnable any more: no microtask, no immediate, no work of Node's thread pool or of V8's (a digest, a
 * deflated chunk, a file, a compiled module), nothing that the event loop has got and not handed out.
 *
 * Nobody has to count any of that. Node's event loop ends when nothing keeps it going, and says `beforeExit` then; all that keeps this
 * process going while it serves is the link to its gateway. So the link lets go for a moment, and the loop's own idea of "nothing left" is
 * the answer. That costs a few microseconds, and waits in the kernel where there is something to wait for.
 */

import { performance as originalPerformance } from "node:perf_hooks";
import { process, setImmediate } from "../originals.mjs";

const { nodeTiming } = originalPerformance;

/** One per process. */
export class Quiet {
  #link;
  /** @type {(() => void)[]} */
  #waiting = [];

  /** @param {{letGo: () => void, holdOn: () => void}} link what keeps the process going */
  constructor(link) {
    this.#link = link;
  }

  /** Hear of the event loop's end. User code does not: on the platform there is none. Called once. */
  install() {
    const { emit } = process;
    const ended = () => this.#ended();
    process.emit = function (name, ...args) {
      if (name !== "beforeExit") return emit.call(this, name, ...args);
      ended();
      return true;
    };
  }

  /** @returns {Promise<void>} resolved when nothing is runnable */
  async reached() {
    const others = openHandles().filter((handle) => !this.#link.isOurs(handle));
    if (others.length === 0) {
      await this.#loopEnd();
      return;
    }
    // Sockets and ports of user code wait for somebody else, who may never come; but what has come is taken.
    for (const handle of others) handle.unref();
    try {
      let events;
      do {
        events = eventCount();
        await new Promise((resolve) => setImmediate(resolve));
        await this.#loopEnd();
      } while (eventCount() !== events);
    } finally {
      for (const handle of others) handle.ref();
    }
  }

  #loopEnd() {
    return new Promise((resolve) => {
      this.#waiting.push(resolve);
      this.#link.letGo();
    });
  }

  #ended() {
    this.#link.holdOn();
    const waiting = this.#waiting;
    this.#waiting = [];
    // Whoever waited must not let go again before the loop has turned: it would really end.
    setImmediate(() => {
      for (const resolve of waiting) resolve();
    });
  }
}

/** What keeps the event loop going and is no single request. */
function openHandles() {
  return process._getActiveHandles().filter((handle) => typeof handle.unref === "function" && typeof handle.ref === "function");
}

function eventCount() {
  return nodeTiming.uvMetricsInfo.events;
}
