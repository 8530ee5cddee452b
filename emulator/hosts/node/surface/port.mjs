/**
 * What the surface needs from the host: one object, handed to `install`.
 *
 * @typedef {object} Runtime
 * @property {(request: import("./request.mjs").Request) => Promise<import("./response.mjs").Response>} fetch Sends a request of user code to
 *   the outside. A network failure rejects with an Error of workerd's words.
 * @property {(socket: import("./websocket.mjs").WebSocket, url: string, protocols: string[]) => void} openSocket Connects a client socket:
 *   later `endOf(socket).attach(...)` and `.deliverOpen(...)`, or `.deliverRefused(...)`.
 * @property {(error: unknown) => void} unhandled An error of user code that nobody else hears (`reportError`, a throwing timer).
 * @property {Record<string, boolean>} flags Compatibility flags that are on.
 * @property {Record<string, string>} vars Plain variables and secrets, for `process.env`.
 * @property {import("./clock.mjs").Clock} [clock] The machine's without one.
 * @property {(promise: Promise<unknown>) => void} waitUntil Keeps the running event alive until the promise settles.
 */

import { realClock } from "./clock.mjs";

/** @type {Runtime | null} */
let installed = null;

/** Called by `install`; a process has one host, so one port. @param {Runtime} runtime */
export function usePort(runtime) {
  installed = runtime;
  installed.clock ??= realClock;
}

/** The installed port. Throws before `install`. @returns {Runtime} */
export function port() {
  if (installed === null) throw new Error("the surface is not installed");
  return installed;
}
