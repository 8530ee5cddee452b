/** `Response`. User code makes them; the host reads status, header lines, body and socket. */

/** An HTTP response; with `webSocket` and status 101 it is an accepted upgrade. */
export class Response {}

/**
 * A response as it came over the wire; headers are immutable.
 *
 * @param {number} status
 * @param {string} statusText
 * @param {[string, string][]} headers
 * @param {Uint8Array | import("./body.mjs").ByteSource | null} body
 * @param {{url?: string, redirected?: boolean, webSocket?: import("./websocket.mjs").WebSocket}} [more]
 * @returns {Response}
 */
export function receivedResponse(status, statusText, headers, body, more = {}) {
  throw new Error(`not yet: ${status} ${statusText} ${headers} ${body} ${more}`);
}
