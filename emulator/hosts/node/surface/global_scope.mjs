/** The global object as an event target, and what is said about it. */

import { wrongParameter } from "./arguments.mjs";
import { fetch } from "./fetch.mjs";
import { port } from "./port.mjs";
import { globalTarget, uncaught } from "./uncaught.mjs";

export const addEventListener = (...given) => globalTarget.addEventListener(...given);
export const removeEventListener = (...given) => globalTarget.removeEventListener(...given);
export const dispatchEvent = (event) => globalTarget.dispatchEvent(event);

/** Tells listeners of "error" and, when none prevents it, the terminal. @param {[error: unknown]} given */
export function reportError(...given) {
  if (given.length === 0) throw wrongParameter("reportError", "ServiceWorkerGlobalScope", 1, "Value");
  uncaught(given[0]);
}

/** What the global object is an instance of; of the second only, as on workerd. */
export class WorkerGlobalScope {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}

export class ServiceWorkerGlobalScope extends WorkerGlobalScope {
  static [Symbol.hasInstance](value) {
    return value === globalThis;
  }
}

/** The class of `navigator`. */
export class Navigator {
  get userAgent() {
    return "Cloudflare-Workers";
  }

  get hardwareConcurrency() {
    return 1;
  }

  get language() {
    return "en";
  }

  get languages() {
    return Object.freeze(["en"]);
  }

  get platform() {
    return "";
  }

  /** A POST that nobody waits for. @param {string} url @param {unknown} [body] @returns {boolean} */
  sendBeacon(url, body = null) {
    port().waitUntil(fetch(url, { method: "POST", body }));
    return true;
  }

  get [Symbol.toStringTag]() {
    return "Navigator";
  }
}

/** `Cloudflare`. */
export const Cloudflare = Object.freeze({
  /** The flags of the project, frozen when they are first looked at. */
  get compatibilityFlags() {
    return flagsOf(port());
  },
});

/** @type {WeakMap<object, Readonly<Record<string, boolean>>>} */
const frozen = new WeakMap();

function flagsOf(runtime) {
  if (!frozen.has(runtime)) frozen.set(runtime, Object.freeze({ ...runtime.flags }));
  return frozen.get(runtime);
}
