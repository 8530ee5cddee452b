/** Requests of the link as `Request` objects, and `Response` objects as answers on the link. */

import { NetworkBody } from "../network_body.mjs";
import { OwnedBody } from "../owned_body.mjs";
import { contentOf, knownSize } from "./body.mjs";
import { pairsOf } from "./headers.mjs";
import { receivedRequest } from "./request.mjs";
import { encodeBodyOf } from "./response.mjs";

/**
 * The request of an exchange. A body that is still coming keeps `owner` awake until it ends.
 *
 * @param {import("../wire/exchange.mjs").Incoming} incoming
 * @param {import("../owner.mjs").Owner} owner Whose code will read it.
 * @param {{signal?: AbortSignal | import("./client_signal.mjs").ClientSignal | null, cf?: object}} [more] `signal` is `request.signal`; the
 *   caller aborts it when the client leaves.
 * @returns {import("./request.mjs").Request}
 */
export function fromIncoming(incoming, owner, more = undefined) {
  const body = incoming.body;
  const content = body === null || body instanceof Uint8Array ? body : new NetworkBody(body, owner);
  return receivedRequest(incoming.method, incoming.url, incoming.headers, content, more);
}

/**
 * Answer an exchange. Known bytes go at once; a stream is pulled as its owner's code, as fast as the client reads, and cancelled when the
 * client leaves. A response with a WebSocket is not for this function (sockets.mjs binds it).
 *
 * @param {import("./response.mjs").Response} response
 * @param {import("../wire/exchange.mjs").Incoming} incoming
 * @param {import("../owner.mjs").Owner} owner
 * @returns {OwnedBody | null} The body that is still being sent, if any.
 * @throws {TypeError} when the body was used, or is being read
 */
export function intoResponse(response, incoming, owner) {
  const { status, statusText } = response;
  const lines = pairsOf(response.headers);
  const content = contentOf(response);
  // Else the gateway packs what the header calls packed.
  const encoded = encodeBodyOf(response) === "manual";
  if (content === null || typeof content === "string" || content instanceof Uint8Array) {
    incoming.respond(status, statusText, lines, content, encoded);
    return null;
  }
  const body = new OwnedBody(content, owner);
  incoming.respond(status, statusText, withLength(lines, response), body, encoded);
  return body;
}

/** A stream of a promised length (FixedLengthStream) says so. */
function withLength(lines, response) {
  const size = knownSize(response);
  const says = size === null || ["content-length", "content-encoding"].some((name) => response.headers.has(name));
  return says ? lines : [...lines, ["content-length", String(size)]];
}
