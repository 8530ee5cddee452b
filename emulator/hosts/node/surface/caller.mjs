/** Code that will run later as the code that runs now. */

import { AsyncLocalStorage } from "node:async_hooks";
import { currentOwner, currentSection } from "../owner.mjs";

/**
 * What runs a callback later as the code that runs now: in its async context, once its owner's input gate lets it, and never when its owner
 * is dead (durable-objects.md 2.1, 2.7).
 *
 * @returns {(work: () => unknown) => void}
 */
export function caller() {
  const run = AsyncLocalStorage.snapshot();
  const owner = currentOwner();
  if (owner === null) return run;
  const section = currentSection();
  return (work) => owner.resume(section, () => run(work));
}
