/** Bodies that user code produces: pulled in the context of the owner that made them, which stays awake until they end. */

/**
 * The response as it leaves its owner (an object answering `stub.fetch`): a streamed body and a socket's end stay bound to it, everything
 * else passes as it is.
 *
 * @param {import("./surface/response.mjs").Response} response
 * @param {import("./owner.mjs").Owner} owner
 * @returns {import("./surface/response.mjs").Response}
 */
export function ownedResponse(response, owner) {
  throw new Error(`not yet: ${response} ${owner}`);
}
