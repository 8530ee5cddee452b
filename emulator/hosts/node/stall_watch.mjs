/** The thread of stall.mjs: looks at the heartbeat, and at the stack of a loop that stands still. */
import { writeSync } from "node:fs";
import { Session } from "node:inspector";
import { parentPort, workerData as signs } from "node:worker_threads";
import { anyPlace, userPlace } from "./stacks.mjs";
import { BEATS, DEBUGGED } from "./stall_signs.mjs";

const LOOK_MS = 250;
/** A loop that stands still for so long is blocked. */
const STALL_MS = 500;
/** A look that comes so late says something of this thread too. */
const STOPPED_MS = 2 * LOOK_MS;
/** How long to wait for a point where the main thread can be looked at: inside a long call into the platform there is none. */
const PAUSE_WITHIN_MS = 30_000;
/** Evaluated where the main thread stands, because only there source maps are known. */
const STACK = `(() => {
  const limit = Error.stackTraceLimit;
  Error.stackTraceLimit = 200;
  try { return new Error().stack; } finally { Error.stackTraceLimit = limit; }
})()`;

let lastBeat = Atomics.load(signs, BEATS);
let movedMs = performance.now();
/** The line that blocks the loop now, null when none is known. */
let where = null;
let looking = false;
let lookedMs = movedMs;

setInterval(look, LOOK_MS);

async function look() {
  const nowMs = performance.now();
  // All of the process stood still, stopped by a signal or with the machine: nobody blocks.
  if (nowMs - lookedMs >= STOPPED_MS) movedMs = nowMs;
  lookedMs = nowMs;
  const beat = Atomics.load(signs, BEATS);
  if (beat !== lastBeat) moved(beat);
  else if (where === null && !looking && nowMs - movedMs >= STALL_MS && !Atomics.load(signs, DEBUGGED)) await name(beat);
}

function moved(beat) {
  if (where !== null) parentPort.postMessage({ where, ms: Math.round(performance.now() - movedMs) });
  where = null;
  lastBeat = beat;
  movedMs = performance.now();
}

async function name(beat) {
  looking = true;
  const stack = await mainStack();
  looking = false;
  const place = stack === null ? null : (userPlace(stack) ?? anyPlace(stack));
  if (place === null || beat !== Atomics.load(signs, BEATS)) return;
  where = place;
  // The link belongs to the main thread, which stands still; standard error reaches the gateway at once.
  writeSync(2, `agents-emu: user code blocks the event loop: ${where}\n`);
}

/** The main thread's stack, as its code would see it; null when it could not be had in time. @returns {Promise<string|null>} */
async function mainStack() {
  const session = new Session();
  session.connectToMainThread();
  try {
    return await new Promise((resolve) => {
      setTimeout(resolve, PAUSE_WITHIN_MS, null).unref();
      session.on("Debugger.paused", ({ params }) => {
        const [{ callFrameId }] = params.callFrames;
        session.post("Debugger.evaluateOnCallFrame", { callFrameId, expression: STACK, returnByValue: true }, (error, answer) => {
          resolve(error === null ? String(answer.result.value) : null);
          session.post("Debugger.resume");
        });
      });
      session.post("Debugger.enable");
      session.post("Debugger.pause");
    });
  } finally {
    session.post("Debugger.disable");
    session.disconnect();
  }
}
