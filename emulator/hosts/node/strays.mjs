/** Errors that no code hears: rejections nobody handles, exceptions out of callbacks. They are told of, and end nothing. */
import { process } from "./originals.mjs";

/**
 * Hear them from now on. `report` is called in the async context of the code that failed, so the running owner is whose it was.
 * @param {(where: string, error: unknown) => void} report `where` is a phrase for people, as in "Error: x in a callback"
 */
export function hearStrays(report) {
  process.on("unhandledRejection", (reason) => report("a promise that nobody awaits", reason));
  process.on("uncaughtException", (error) => report("a callback", error));
}
