/** `node:timers` and `node:timers/promises` as user code imports them: the same timers as the globals. */

import { createRequire, syncBuiltinESMExports } from "node:module";
import { promisify } from "node:util";
import { after, Scheduler } from "./scheduler.mjs";
import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "./timers.mjs";

const builtin = createRequire(import.meta.url);

/** Puts them in place of Node's; the host's own code has the originals. */
export function installNodeTimers() {
  Object.assign(builtin("node:timers"), { setTimeout, setInterval, setImmediate, clearTimeout, clearInterval, clearImmediate });
  setTimeout[promisify.custom] = waitFor;
  setImmediate[promisify.custom] = (value, options) => waitFor(0, value, options);
  const promises = builtin("node:timers/promises");
  promises.setTimeout = waitFor;
  promises.setImmediate = setImmediate[promisify.custom];
  promises.setInterval = ticks;
  const scheduler = new Scheduler();
  promises.scheduler.wait = (delay, options) => scheduler.wait(delay, options);
  promises.scheduler.yield = () => waitFor(0);
  syncBuiltinESMExports();
}

async function waitFor(delay, value, options) {
  const signal = options?.signal;
  try {
    return await after(delay ?? 0, value, signal);
  } catch (error) {
    if (!signal?.aborted) throw error;
    throw new AbortError(signal.reason);
  }
}

/** What Node's own reject with, whatever the signal's reason. */
class AbortError extends Error {
  name = "AbortError";
  code = "ABORT_ERR";

  constructor(cause) {
    super("The operation was aborted", { cause });
  }
}

async function* ticks(delay, value, options) {
  for (;;) yield await waitFor(delay ?? 1, value, options);
}
