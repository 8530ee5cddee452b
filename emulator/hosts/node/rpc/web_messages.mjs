/** Requests and responses as values of RPC calls. */

import { contentOf } from "../surface/body.mjs";
import { streamOf } from "../surface/body_stream.mjs";
import { Request } from "../surface/request.mjs";
import { Response } from "../surface/response.mjs";
import { Buffer } from "../originals.mjs";
import { STREAM_LOCKED, unsupported } from "./errors.mjs";
import { contentAcross } from "./streams.mjs";

/**
 * @param {Response} response its body is given away
 * @param {import("../owner.mjs").Owner | null} home
 * @returns {Response}
 * @throws {TypeError} the body was used, or is being read; DataCloneError for a response with a WebSocket
 */
export function responseAcross(response, home) {
  const { status, statusText, headers, webSocket, cf } = response;
  if (webSocket !== null) throw unsupported(webSocket);
  return new Response(bodyAcross(response, home), { status, statusText, headers, cf });
}

/**
 * @param {Request} request its body is given away
 * @param {import("../owner.mjs").Owner | null} home
 * @returns {Request}
 * @throws {TypeError} the body was used, or is being read
 */
export function requestAcross(request, home) {
  const { method, url, headers, redirect, cf } = request;
  return new Request(url, { method, headers, redirect, cf, body: bodyAcross(request, home) });
}

/** Text goes over as bytes: a content type that user code took away must not come back. */
function bodyAcross(message, home) {
  if (message.bodyUsed || message.body?.locked) throw new TypeError(STREAM_LOCKED);
  const content = contentAcross(contentOf(message), home);
  if (typeof content === "string") return Buffer.from(content);
  return content === null || content instanceof Uint8Array ? content : streamOf(content);
}
