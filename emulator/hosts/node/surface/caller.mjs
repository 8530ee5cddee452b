/** Code that will run later as code of whoever runs now. */

import { currentOwner, currentSection, inSection, rootContext } from "../owner.mjs";

/**
 * What calls a listener later as code of the owner that runs now: once its input gate lets it, never when it is dead, and in an async context
 * that knows nothing else, as the platform calls listeners of sockets (observed on workerd: `AsyncLocalStorage` is empty in them).
 *
 * @returns {(work: () => unknown) => void}
 */
export function asCaller() {
  const owner = currentOwner();
  if (owner === null) return rootContext;
  const section = currentSection();
  const enter = section === null ? (work) => owner.enter(work) : (work) => rootContext(() => inSection(owner, section, work));
  return (work) => owner.resume(section, () => enter(work));
}
