/** Requests of the link as `Request` objects, and `Response` objects as answers on the link. */

/**
 * The request of an exchange. A body that is still coming keeps `owner` awake until it ends.
 *
 * @param {import("../wire/exchange.mjs").Incoming} incoming
 * @param {import("../owner.mjs").Owner} owner Whose code will read it.
 * @param {{signal?: AbortSignal, cf?: object}} [more] `signal` is `request.signal`; the caller aborts it when the client leaves.
 * @returns {import("./request.mjs").Request}
 */
export function fromIncoming(incoming, owner, more = {}) {
  throw new Error(`not yet: ${incoming} ${owner} ${more}`);
}

/**
 * Answer an exchange. Known bytes go at once; a stream is pulled as its owner's code, as fast as the client reads, and cancelled when the
 * client leaves. A response with a WebSocket is not for this function (sockets.mjs binds it).
 *
 * @param {import("./response.mjs").Response} response
 * @param {import("../wire/exchange.mjs").Incoming} incoming
 * @param {import("../owner.mjs").Owner} owner
 * @returns {import("../owned_body.mjs").OwnedBody | null} The body that is still being sent, if any.
 */
export function intoResponse(response, incoming, owner) {
  throw new Error(`not yet: ${response} ${incoming} ${owner}`);
}
