/**
 * Where in user code something began: remembered when it begins, put into the user's words when somebody asks.
 *
 * Looking at the stack takes V8 many microseconds, whatever is done with it. So it is looked at a thousand times a second at most, and fifty
 * times in a row: people and most agents begin less, and a load test does not pay. What begins beyond that has no line.
 */

import { isAbsolute, relative } from "node:path";
import { getCallSites } from "node:util";
import { monotonicMs } from "./originals.mjs";
import { anyPlace, userPlace } from "./stacks.mjs";

/** Frames, ours included. */
const DEPTH = 24;
const IN_A_ROW = 50;
const PER_MS = 1;
/** Not even the clock is asked each time when there are too many. */
const LOOK_EVERY = 32;

let left = IN_A_ROW;
let missed = 0;
let countedMs = 0;

/** Where the running code stands. Plain data: V8's own traces would keep alive what the functions on the stack were called with. */
export class Begun {
  #sites = getCallSites(DEPTH);

  /** @returns {Begun | null} null when there were too many */
  static here() {
    if (left < 1) {
      missed += 1;
      if (missed % LOOK_EVERY !== 1) return null;
      const nowMs = monotonicMs();
      left = Math.min(IN_A_ROW, (nowMs - countedMs) * PER_MS);
      if (left < 1) return null;
      countedMs = nowMs;
    }
    left -= 1;
    return new Begun();
  }

  /**
   * The user's line: `src/chat.ts:88`; where only a package's code was running, that one's.
   * @param {Lines} lines
   * @returns {string | null}
   */
  place({ root, original }) {
    const stack = this.#sites
      .map(({ scriptName, lineNumber, columnNumber }) => {
        const source = original(scriptName, lineNumber, columnNumber);
        return source === null
          ? `    at ${scriptName}:${lineNumber}:${columnNumber}`
          : `    at ${source.file}:${source.line}:${source.column}`;
      })
      .join("\n");
    const place = userPlace(stack) ?? anyPlace(stack);
    if (place === null) return null;
    const near = relative(root, place);
    return near.startsWith("..") || isAbsolute(near) ? place : near;
  }
}

/**
 * @typedef {object} Lines
 * @property {string} root the project's folder
 * @property {(url: string, line: number, column: number) => import("./source_maps.mjs").Place | null} original where built code came from
 */
