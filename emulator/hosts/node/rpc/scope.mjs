/**
 * The Worker that `cloudflare:workers` speaks for: its `env`, its `exports` and the running event. One slot of the process, because an ES
 * module's exports are one per process too; the host fills it before user code is imported.
 */

import { AsyncLocalStorage } from "node:async_hooks";

/**
 * @typedef {object} WorkerScope
 * @property {object} env
 * @property {object} exports
 * @property {(promise: unknown) => void} waitUntil Keeps the running event alive until the promise settles.
 * @property {(reason: unknown) => never} abortIsolate Ends this process, as an isolate ends on the platform.
 */

/** @type {WorkerScope | null} */
let bound = null;

/** @type {AsyncLocalStorage<{env?: object, exports?: object}>} */
const replaced = new AsyncLocalStorage();

/** Say which Worker this process runs. @param {WorkerScope} scope */
export function bindWorker(scope) {
  bound = scope;
}

/** @returns {WorkerScope} */
export function worker() {
  if (bound === null) throw new Error("The Worker's env and exports are not there before its project is loaded.");
  return bound;
}

/** The env of the running code: the Worker's, or what `withEnv` put in its place. @returns {object} */
export function currentEnv() {
  return replaced.getStore()?.env ?? worker().env;
}

/** The exports of the running code. @returns {object} */
export function currentExports() {
  return replaced.getStore()?.exports ?? worker().exports;
}

/**
 * Run `callback` with another env, another exports, or both, for itself and what it starts; null stands for the Worker's.
 * @template T
 * @param {{env?: object | null, exports?: object | null}} replacement
 * @param {() => T} callback
 * @returns {T}
 */
export function withReplaced(replacement, callback) {
  const next = { ...replaced.getStore() };
  for (const [what, value] of Object.entries(replacement)) next[what] = value === null || value === undefined ? undefined : Object(value);
  return replaced.run(next, callback);
}
