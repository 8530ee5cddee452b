/**
 * Names the user's line that blocks the event loop.
 *
 * A thread (stall_watch.mjs) compares a heartbeat of the loop with the clock. While the loop stands still it looks at the loop's stack and
 * says on standard error which line of user code runs; when the loop moves again, a `stall` note says how long it took. Not while a
 * debugger may hold the process.
 */
import { url as debuggerUrl } from "node:inspector";
import { Worker } from "node:worker_threads";
import { setInterval } from "./originals.mjs";
import { BEATS, DEBUGGED } from "./stall_signs.mjs";

/** How often the loop shows that it moves. */
const BEAT_MS = 100;
/** The watching thread is small: it holds a counter and, for a moment, one stack. */
const LIMITS = { maxOldGenerationSizeMb: 16, maxYoungGenerationSizeMb: 1 };

/** One per host. */
export class StallWatch {
  #report;
  #onDebugger;
  #debugged = false;

  /**
   * @param {(stall: {where: string, ms: number}) => void} report called when the loop moves again
   * @param {(attached: boolean) => void} onDebugger called when a debugger may hold the process from now on, or no longer
   */
  constructor(report, onDebugger) {
    this.#report = report;
    this.#onDebugger = onDebugger;
  }

  /** Watch from now on, until the process ends. */
  start() {
    const signs = new Int32Array(new SharedArrayBuffer(8));
    const beat = () => {
      Atomics.add(signs, BEATS, 1);
      const debugged = debuggerUrl() !== undefined;
      Atomics.store(signs, DEBUGGED, debugged ? 1 : 0);
      if (debugged !== this.#debugged) this.#onDebugger(debugged);
      this.#debugged = debugged;
    };
    beat(); // before anybody looks: a breakpoint may come first
    const worker = new Worker(new URL("./stall_watch.mjs", import.meta.url), {
      workerData: signs,
      execArgv: [],
      resourceLimits: LIMITS,
      name: "stall watch",
    });
    worker.on("message", this.#report);
    worker.unref();
    setInterval(beat, BEAT_MS).unref();
  }
}
