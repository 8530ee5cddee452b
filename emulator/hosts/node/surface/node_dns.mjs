/** `node:dns`: asking is a way out like any other, so it follows the guard (network/guard.mjs). Names of this machine are always fine. */

import { createRequire, syncBuiltinESMExports } from "node:module";
import { nextTick } from "../originals.mjs";

const builtin = createRequire(import.meta.url);
const ASKS = /^(?:lookup|lookupService|resolve|resolve[A-Z0-9].*|reverse)$/;

const WRAPPED = Symbol("asks the guard first");

let installed = false;

/** Once, when user code first asks for the module. @param {import("../network/guard.mjs").Guard} guard */
export function installNodeDns(guard) {
  if (installed) return;
  installed = true;
  const dns = builtin("node:dns");
  for (const owner of [dns, dns.Resolver.prototype]) wrap(owner, guard, refuseByCallback);
  for (const owner of [dns.promises, dns.promises.Resolver.prototype]) wrap(owner, guard, (_args, error) => Promise.reject(error));
  syncBuiltinESMExports();
}

function wrap(owner, guard, refuse) {
  for (let source = owner; source !== null && source !== Object.prototype; source = Object.getPrototypeOf(source)) {
    for (const name of Object.getOwnPropertyNames(source)) {
      const original = source[name];
      if (!ASKS.test(name) || typeof original !== "function" || original[WRAPPED]) continue;
      source[name] = function (...args) {
        const refused = guard.judge(String(args[0]), String(args[0]), true);
        return refused === null ? original.apply(this, args) : refuse(args, refused);
      };
      source[name][WRAPPED] = true;
    }
  }
}

function refuseByCallback(args, error) {
  const callback = args.at(-1);
  if (typeof callback !== "function") throw error;
  nextTick(() => callback(error));
}
