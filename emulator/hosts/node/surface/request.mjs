/** `Request`. The host makes one per event with `fromIncoming` (exchange.mjs); user code with `new Request`. */

/** An HTTP request. */
export class Request {}

/**
 * A request as it came over the wire; nothing is parsed, checked or copied. Headers are immutable.
 *
 * @param {string} method
 * @param {string} url Absolute and normalised.
 * @param {[string, string][]} headers
 * @param {Uint8Array | import("./body.mjs").ByteSource | null} body
 * @param {{cf?: object, signal?: AbortSignal, redirect?: RequestRedirect}} [more]
 * @returns {Request}
 */
export function receivedRequest(method, url, headers, body, more = {}) {
  throw new Error(`not yet: ${method} ${url} ${headers} ${body} ${more}`);
}
