/** Errors that no code hears: rejections nobody handles, exceptions out of callbacks. They are told of, and end nothing. */
import { process } from "./originals.mjs";
import { tellError, tellRejection } from "./surface/uncaught.mjs";

/**
 * Hear them from now on; what a listener of user code has prevented is none of them. `report` is called in the async context of the code
 * that failed, so the running owner is whose it was.
 * @param {(where: string, error: unknown) => void} report `where` is a phrase for people, as in "Error: x in a callback"
 */
export function hearStrays(report) {
  process.on("unhandledRejection", (reason, promise) => {
    if (!tellRejection(reason, promise)) report("a promise that nobody awaits", reason);
  });
  process.on("uncaughtException", (error) => {
    if (!tellError(error)) report("a callback", error);
  });
}
