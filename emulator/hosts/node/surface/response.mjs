/** `Response`. User code makes them; the host reads status, header lines, body and socket. */

import { needEvent } from "../module_level.mjs";
import { URL, writeJson } from "../originals.mjs";
import { wrongConstructorParameter, wrongField } from "./arguments.mjs";
import { Body, OURS, shareBody } from "./body.mjs";
import { extract } from "./body_init.mjs";
import { Headers, receivedHeaders } from "./headers.mjs";
import { webInterface } from "./web_interface.mjs";
import { WebSocket } from "./websocket.mjs";

const NULL_BODY = new Set([101, 204, 205, 304]);
/** Statuses that send a client elsewhere. */
export const REDIRECTS = new Set([301, 302, 303, 307, 308]);
const NO_BODY = "Response with null body status (101, 204, 205, or 304) cannot have a body.";
// biome-ignore lint/suspicious/noControlCharactersInRegex: these are what a status text must not have
const BAD_TEXT = /[\0-\x08\x0a-\x1f\x7f]/;

/**
 * @typedef {object} ResponseInit
 * @property {number} [status]
 * @property {string} [statusText]
 * @property {Headers | Iterable<[string, string]> | Record<string, string>} [headers]
 * @property {WebSocket | null} [webSocket] the client's end; the status must be 101
 * @property {object} [cf]
 * @property {"automatic" | "manual"} [encodeBody]
 */

/** @type {(response: Response) => Parts} */
let readParts;

/** An HTTP response; with `webSocket` and status 101 it is an accepted upgrade. */
export class Response extends Body {
  static {
    readParts = (response) => response.#parts;
  }

  /** @type {Parts} */
  #parts;

  /**
   * @param {unknown} [body]
   * @param {ResponseInit | Response} [init]
   */
  constructor(body = null, init = undefined) {
    if (body === OURS) {
      super(OURS, init.headers, init.content);
      this.#parts = init;
      return;
    }
    const parts = partsOf(init);
    const { content, contentType } = bodyFor(parts.status, extract(body));
    if (contentType !== null && !parts.headers.has("content-type")) parts.headers.set("content-type", contentType);
    super(OURS, parts.headers, content);
    this.#parts = parts;
  }

  get status() {
    return this.#parts.status;
  }

  get statusText() {
    return this.#parts.statusText;
  }

  get ok() {
    return this.#parts.status >= 200 && this.#parts.status < 300;
  }

  get redirected() {
    return this.#parts.redirected;
  }

  get url() {
    return this.#parts.url;
  }

  /** The other end of an upgraded connection, else null. */
  get webSocket() {
    return this.#parts.webSocket;
  }

  get cf() {
    return this.#parts.cf;
  }

  get type() {
    return this.#parts.status === 0 ? "error" : "default";
  }

  get [Symbol.toStringTag]() {
    return "Response";
  }

  /** The same response again, its body readable independently. */
  clone() {
    if (this.#parts.webSocket !== null) throw new TypeError("Cannot clone a response to a WebSocket handshake.");
    const copy = new Response(OURS, { ...this.#parts, headers: new Headers(this.headers), content: null });
    shareBody(this, copy);
    return copy;
  }

  /** A network error; it cannot be sent to anybody. */
  static error() {
    return new Response(OURS, { ...PLAIN, status: 0, headers: receivedHeaders([]), content: null });
  }

  /** @param {string | URL} url absolute @param {number} [status] */
  static redirect(url, status = 302) {
    if (!REDIRECTS.has(status)) {
      throw new RangeError(`${status} is not a redirect status code. It must be one of: 301, 302, 303, 307, or 308.`);
    }
    needEvent();
    const location = URL.parse(url);
    if (location === null) throw new TypeError(`Unable to parse URL: ${url}`);
    return new Response(OURS, { ...PLAIN, status, headers: receivedHeaders([["location", location.href]]), content: null });
  }

  /** @param {unknown} data @param {ResponseInit} [init] */
  static json(data, init) {
    needEvent();
    const parts = partsOf(init);
    if (NULL_BODY.has(parts.status)) throw new TypeError(NO_BODY);
    parts.content = String(writeJson(data));
    if (!parts.headers.has("content-type")) parts.headers.set("content-type", "application/json");
    return new Response(OURS, parts);
  }
}

webInterface(Response);

/**
 * What a response is besides its body.
 *
 * @typedef {object} Parts
 * @property {number} status
 * @property {string} statusText
 * @property {Headers} headers
 * @property {WebSocket | null} webSocket
 * @property {object | undefined} cf
 * @property {"automatic" | "manual"} encodeBody
 * @property {string} url
 * @property {boolean} redirected
 */

const PLAIN = Object.freeze({
  status: 200,
  statusText: "",
  webSocket: null,
  cf: undefined,
  encodeBody: "automatic",
  url: "",
  redirected: false,
});

function partsOf(init) {
  if (init === undefined || init === null) return { ...PLAIN, headers: new Headers() };
  if (typeof init !== "object" && typeof init !== "function") throw wrongConstructorParameter("Response", 2, "InitializerDict or Response");
  const from = init instanceof Response ? readParts(init) : init;
  const { status: given = 200, statusText: text = "", headers, webSocket = null, cf, encodeBody = "automatic" } = from;
  const status = Math.trunc(Number(given));
  const statusText = String(text);
  if (headers === null) throw wrongField("headers", "InitializerDict", "Headers or Sequence or object");
  if (cf === null) throw wrongField("cf", "InitializerDict", "Object");
  if (webSocket !== null && !(webSocket instanceof WebSocket)) throw wrongField("webSocket", "InitializerDict", "WebSocket");
  checkStatus(status, webSocket);
  if (BAD_TEXT.test(statusText)) throw new TypeError("Invalid statusText");
  if (encodeBody !== "automatic" && encodeBody !== "manual") throw new TypeError(`encodeBody: unexpected value: ${encodeBody}`);
  return { status, statusText, headers: new Headers(headers), webSocket, cf, encodeBody, url: "", redirected: false };
}

function checkStatus(status, webSocket) {
  if (webSocket !== null) {
    if (status !== 101) throw new RangeError("Responses with a WebSocket must have status code 101.");
  } else if (!(status >= 200 && status <= 599)) {
    throw new RangeError("Responses may only be constructed with status codes in the range 200 to 599, inclusive.");
  }
}

const NOTHING = Object.freeze({ content: null, contentType: null });

/** A status without a body takes an empty one for none. */
function bodyFor(status, extracted) {
  if (extracted.content === null || !NULL_BODY.has(status)) return extracted;
  const { content } = extracted;
  if (content === "" || (content instanceof Uint8Array && content.byteLength === 0)) return NOTHING;
  throw new TypeError(NO_BODY);
}

/**
 * A response as it came over the wire; headers are immutable.
 *
 * @param {number} status
 * @param {string} statusText
 * @param {[string, string][]} headers
 * @param {import("./body.mjs").Content} body
 * @param {{url?: string, redirected?: boolean, webSocket?: WebSocket | null, encodeBody?: "automatic" | "manual"}} [more]
 * @returns {Response}
 */
export function receivedResponse(status, statusText, headers, body, more = undefined) {
  const content = NULL_BODY.has(status) ? null : body;
  return new Response(OURS, { ...PLAIN, ...more, status, statusText, headers: receivedHeaders(headers), content });
}

/** Whether the body is packed on its way out as its `content-encoding` says, or is already. @param {Response} response @returns {"automatic" | "manual"} */
export function encodeBodyOf(response) {
  return readParts(response).encodeBody;
}
