/** Errors that no code of the user's catches: listeners on the global object hear of them first. */

import { EventTarget } from "../originals.mjs";
import { errorEvent, PromiseRejectionEvent } from "./events.mjs";
import { port } from "./port.mjs";

/** Who listens on the global object. */
export const globalTarget = new EventTarget();

/** Tells listeners of "error". @param {unknown} error @returns {boolean} whether one of them took care of it */
export function tellError(error) {
  return !globalTarget.dispatchEvent(errorEvent(error));
}

/**
 * A promise was rejected and nobody handled it: tells listeners of "unhandledrejection".
 *
 * @param {unknown} reason
 * @param {Promise<unknown>} promise
 * @returns {boolean} whether one of them took care of it
 */
export function tellRejection(reason, promise) {
  return !globalTarget.dispatchEvent(new PromiseRejectionEvent("unhandledrejection", { promise, reason, cancelable: true }));
}

/** Tells listeners and, when none prevents it, the terminal. @param {unknown} error */
export function uncaught(error) {
  if (!tellError(error)) port().unhandled(error);
}
