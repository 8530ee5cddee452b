/** Puts the platform's globals in place of Node's. Called once, before any user code is imported. */

import { usePort } from "./port.mjs";

/** @param {import("./port.mjs").Runtime} runtime */
export function install(runtime) {
  usePort(runtime);
}
