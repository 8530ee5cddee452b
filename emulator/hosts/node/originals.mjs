/**
 * The language's and the process's functions as they were at the start. User code shares our globals and may replace them, and so may a
 * clock of the emulator: the host's own code uses these. What is slow to load (`fetch` and its classes, streams, crypto) is in
 * web_originals.mjs, so that a process can say HELLO before it has any of it.
 */
import nodeProcess from "node:process";

export const { setTimeout, clearTimeout, setInterval, clearInterval, setImmediate, clearImmediate, queueMicrotask } = globalThis;
export const { AbortController, AbortSignal, Buffer, DOMException, Event, EventTarget, TextDecoder, TextEncoder, URL } = globalThis;
export const { URLSearchParams, structuredClone } = globalThis;
export const { parse: parseJson, stringify: writeJson } = JSON;

export const PlatformDate = globalThis.Date;
/** Milliseconds since 1970 by the machine's clock. */
export const nowMs = Date.now;
/** Milliseconds of the machine's monotonic clock, with fractions. */
export const monotonicMs = performance.now.bind(performance);
export const random = Math.random.bind(Math);

/** The process's own console, by method. */
export const console = { ...globalThis.console };
export const process = nodeProcess;
/** The variables this process was started with; user code's `process.env` has the project's. */
export const environment = { ...nodeProcess.env };
// `process.exit` itself asks for this one at the moment it is called, when user code may have got something else in its place.
const { reallyExit } = nodeProcess;
/** End the process now. @param {number} code */
export const exit = (code) => reallyExit.call(nodeProcess, code);
export const nextTick = nodeProcess.nextTick.bind(nodeProcess);
