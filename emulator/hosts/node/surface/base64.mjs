/** `atob` and `btoa` with the platform's words. */

import { DOMException } from "../originals.mjs";
import { wrongParameter } from "./arguments.mjs";

const { atob: decode, btoa: encode } = globalThis;
const NOT_BASE64 =
  "atob() called with invalid base64-encoded data. (Only whitespace, '+', '/', alphanumeric ASCII, and up to two terminal '=' signs when " +
  "the input data length is divisible by 4 are allowed.)";
const NOT_LATIN1 = "btoa() can only operate on characters in the Latin1 (ISO/IEC 8859-1) range.";

/** @param {[data: string]} given */
export function atob(...given) {
  if (given.length === 0) throw wrongParameter("atob", "ServiceWorkerGlobalScope", 1, "string");
  return worded(() => decode(given[0]), NOT_BASE64);
}

/** @param {[data: string]} given */
export function btoa(...given) {
  if (given.length === 0) throw wrongParameter("btoa", "ServiceWorkerGlobalScope", 1, "String");
  return worded(() => encode(given[0]), NOT_LATIN1);
}

function worded(attempt, text) {
  try {
    return attempt();
  } catch (error) {
    if (error instanceof DOMException) throw new DOMException(text, error.name);
    throw error;
  }
}
