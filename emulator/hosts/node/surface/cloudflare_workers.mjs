/** The module `cloudflare:workers`, with every name the platform exports (node-host.md 2.1). */

import { currentEnv, currentExports, withReplaced, worker } from "../rpc/scope.mjs";
import { needEvent } from "../module_level.mjs";
import { wrongParameter } from "./arguments.mjs";
import { live } from "./live_object.mjs";
import { Tracing } from "./tracing.mjs";

export { DurableObject, RpcTarget, WorkerEntrypoint, WorkflowEntrypoint } from "../rpc/bases.mjs";
export { RpcPromise, RpcProperty, RpcStub } from "../rpc/stub.mjs";
export { Fetcher as ServiceStub } from "../rpc/fetcher.mjs";

/** The Worker's env, also at module level; what is written shows everywhere. */
export const env = live(currentEnv);

/** The Worker's own classes and entrypoints, the same as `ctx.exports`. */
export const exports = live(currentExports);

/** Spans. Nobody records them here: they are the shapes that libraries call. */
export const tracing = new Tracing();

/** The cache of the running Worker; the platform's object is as empty without a cache binding. */
export const cache = {};

/** The key of a class's method that restores a stub persisted in storage. */
export const restore = Symbol("cloudflare:workers:restore");

/** Keep the running event alive until a promise settles. */
export const waitUntil = function waitUntil(promise) {
  if (promise === undefined) throw wrongParameter("waitUntil", "EntrypointsModule", 1, "Promise");
  needEvent();
  worker().waitUntil(promise);
}.bind(undefined);

/** Call `fn` with another `env` for itself and what it starts. */
export function withEnv(newEnv, fn) {
  return withReplaced({ env: newEnv }, fn);
}

/** Call `fn` with another `exports` for itself and what it starts. */
export function withExports(newExports, fn) {
  return withReplaced({ exports: newExports }, fn);
}

/** Call `fn` with another `env` and `exports`. */
export function withEnvAndExports(newEnv, newExports, fn) {
  return withReplaced({ env: newEnv, exports: newExports }, fn);
}

/** End the isolate, which here is the host process. */
export function abortIsolate(reason) {
  worker().abortIsolate(reason);
}
