/**
 * Code at module level: on the platform it has no event, so it may not do what only an event may (observed on workerd, whose words these
 * are). Here it is what runs in the async context of an import, for as long as that lasts.
 */

import { AsyncLocalStorage } from "node:async_hooks";
import { clearInterval, process, setInterval } from "./originals.mjs";
import { rootContext } from "./owner.mjs";

const DISALLOWED =
  "Disallowed operation called within global scope. Asynchronous I/O (ex: fetch() or connect()), setting a timeout, and generating random " +
  "values are not allowed within global scope. To fix this error, perform this operation within a handler. " +
  "https://developers.cloudflare.com/workers/runtime-apis/handlers/";
const UNSETTLED = "Top-level await in module is unsettled.";
const IN_A_HANDLER = "await it in a handler: what is awaited here needs an event, or never settles";

const LOOK_EVERY_MS = 50;
/** Looks in a row that find nothing under way. More than one, because work of Node's thread pool cannot be seen. */
const QUIET_LOOKS = 20;
/** Names of what Node is doing for somebody who awaits it: files, names, connections. */
const REQUESTED = /^FSReq|Req(Wrap)?$|^(TCP|Pipe)ConnectWrap$/;

/** @type {AsyncLocalStorage<{over: boolean}>} */
const imports = new AsyncLocalStorage();

/** The code that runs is at module level. */
export function atModuleLevel() {
  return imports.getStore()?.over === false;
}

/** Called by what needs an event. @throws {Error} at module level */
export function needEvent() {
  if (atModuleLevel()) throw new Error(DISALLOWED);
}

/**
 * Import modules of user code, or of its packages.
 *
 * @template T
 * @param {() => Promise<T>} load calls `import`
 * @returns {Promise<T>} rejects with an Error when a module awaits at its top level what never comes
 */
export async function importModules(load) {
  const scope = { over: false };
  let looking;
  try {
    const imported = rootContext(() => imports.run(scope, load));
    const stuck = new Promise((_, reject) => {
      let quiet = 0;
      looking = setInterval(() => {
        quiet = process.getActiveResourcesInfo().some((name) => REQUESTED.test(name)) ? 0 : quiet + 1;
        if (quiet === QUIET_LOOKS) reject(Object.assign(new Error(UNSETTLED), { hint: IN_A_HANDLER }));
      }, LOOK_EVERY_MS);
    });
    return await Promise.race([imported, stuck]);
  } finally {
    clearInterval(looking);
    scope.over = true;
  }
}
