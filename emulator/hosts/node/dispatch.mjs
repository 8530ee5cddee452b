/**
 * How the runtime calls handlers of user code: `fetch`, `alarm`, `webSocketMessage` and the others. A handler is looked up on the instance,
 * where the SDK may have put it as a property of its own (node-host.md 2.2). RPC methods are another matter: `rpc/`.
 */

import { Response } from "./surface/response.mjs";

const NO_FETCH = "Handler does not export a fetch() function.";
const NO_RESPONSE = "Incorrect type for Promise: the Promise did not resolve to 'Response'.";

/**
 * Call a handler; undefined when the receiver has none.
 * @param {object} receiver
 * @param {string} name
 * @param {...unknown} args
 * @returns {unknown} what it returned, perhaps a promise
 */
export function callHandler(receiver, name, ...args) {
  const handler = receiver[name];
  return typeof handler === "function" ? handler.apply(receiver, args) : undefined;
}

/**
 * Call a `fetch` handler.
 * @param {object} receiver
 * @param {import("./surface/request.mjs").Request} request
 * @param {...unknown} more `env` and `ctx` for a handler of the Worker that is no class
 * @returns {Promise<import("./surface/response.mjs").Response>}
 * @throws {Error} when there is no such handler; TypeError when it gives no Response
 */
export async function callFetch(receiver, request, ...more) {
  if (typeof receiver.fetch !== "function") throw new Error(NO_FETCH);
  const response = await receiver.fetch(request, ...more);
  if (!(response instanceof Response)) throw new TypeError(NO_RESPONSE);
  return response;
}
