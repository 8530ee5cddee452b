/** `Request`. The host makes one per event with `fromIncoming` (incoming.mjs); user code with `new Request`. */

import { AbortSignal, URL } from "../originals.mjs";
import { wrongConstructorParameter, wrongField } from "./arguments.mjs";
import { Body, hasBody, moveBody, OURS, shareBody } from "./body.mjs";
import { extract } from "./body_init.mjs";
import { ClientSignal } from "./client_signal.mjs";
import { Headers, receivedHeaders } from "./headers.mjs";
import { webInterface } from "./web_interface.mjs";

const METHODS = new Set([
  ...["GET", "HEAD", "POST", "PUT", "DELETE", "PATCH", "OPTIONS", "TRACE", "QUERY", "SEARCH", "PURGE", "BAN", "REPORT", "ACL"],
  ...["COPY", "MOVE", "LOCK", "UNLOCK", "MKCOL", "PROPFIND", "PROPPATCH", "MKACTIVITY", "CHECKOUT", "MERGE"],
  ...["MSEARCH", "NOTIFY", "SUBSCRIBE", "UNSUBSCRIBE"],
]);
const CACHE_MODES = new Set(["no-store", "no-cache"]);
const NO_BODY = "Request with a GET or HEAD method cannot have a body.";
const BAD_REDIRECT =
  'Invalid redirect value, must be one of "follow" or "manual" ("error" won\'t be implemented since it does not make sense at the edge; ' +
  'use "manual" and check the response status code).';
const NO_INTEGRITY = "Subrequest integrity checking is not implemented. The integrity option must be either undefined or an empty string.";
const DICTIONARY = "RequestInitializerDict";

/**
 * @typedef {object} RequestInit
 * @property {string} [method]
 * @property {Headers | Iterable<[string, string]> | Record<string, string>} [headers]
 * @property {unknown} [body]
 * @property {"follow" | "manual"} [redirect]
 * @property {AbortSignal | null} [signal]
 * @property {object} [cf]
 * @property {object | null} [fetcher]
 * @property {"no-store" | "no-cache"} [cache]
 * @property {string} [integrity] must be empty
 */

/** @type {(request: Request) => AbortSignal | ClientSignal | null} */
let readSignal;

/** An HTTP request: method, absolute URL, headers, body. */
export class Request extends Body {
  static {
    readSignal = (request) => request.#parts.signal;
  }

  /** @type {Parts} */
  #parts;
  /** Stands in for a signal that nobody gave. @type {ClientSignal | null} */
  #idle = null;

  /**
   * @param {string | URL | Request} input
   * @param {RequestInit | Request} [init] What it does not say comes from a request given as input, which gives its body away.
   */
  constructor(input = undefined, init = undefined) {
    if (input === OURS) {
      super(OURS, init.headers, init.content);
      this.#parts = init;
      return;
    }
    const base = init instanceof Request ? init : input instanceof Request ? input : null;
    const parts = applied(startingParts(input, base), init instanceof Request ? undefined : init);
    const given = init instanceof Request ? undefined : init?.body;
    const { content, contentType } = extract(given);
    const heir = content === null && base !== null && hasBody(base);
    if ((content !== null || heir) && (parts.method === "GET" || parts.method === "HEAD")) throw new TypeError(NO_BODY);
    if (contentType !== null && !parts.headers.has("content-type")) parts.headers.set("content-type", contentType);
    super(OURS, parts.headers, content);
    this.#parts = parts;
    if (heir) moveBody(base, this);
  }

  get method() {
    return this.#parts.method;
  }

  get url() {
    return this.#parts.url;
  }

  get redirect() {
    return this.#parts.redirect;
  }

  /** Who sends it when `fetch` is given it: a binding, or null for the outside. */
  get fetcher() {
    return this.#parts.fetcher;
  }

  /** Aborted when nobody wants the answer any more. */
  get signal() {
    if (this.#parts.signal instanceof AbortSignal) return this.#parts.signal;
    this.#idle ??= this.#parts.signal ?? new ClientSignal();
    return this.#idle.signal;
  }

  get cf() {
    return this.#parts.cf;
  }

  get integrity() {
    return "";
  }

  get keepalive() {
    return false;
  }

  get cache() {
    return this.#parts.cache;
  }

  get [Symbol.toStringTag]() {
    return "Request";
  }

  /** The same request again, its body readable independently. */
  clone() {
    const copy = new Request(OURS, { ...this.#parts, headers: new Headers(this.headers), content: null });
    shareBody(this, copy);
    return copy;
  }
}

webInterface(Request);

/**
 * What a request is besides its body.
 *
 * @typedef {object} Parts
 * @property {string} method
 * @property {string} url
 * @property {Headers} headers
 * @property {"follow" | "manual"} redirect
 * @property {object | null} fetcher
 * @property {AbortSignal | ClientSignal | null} signal
 * @property {object | undefined} cf
 * @property {"no-store" | "no-cache" | undefined} cache
 */

const PLAIN = Object.freeze({ method: "GET", redirect: "follow", fetcher: null, signal: null, cf: undefined, cache: undefined });

function startingParts(input, base) {
  const url = input instanceof Request ? input.url : absolute(input);
  if (base === null) return { ...PLAIN, url, headers: null };
  const { method, redirect, fetcher, cf, cache } = base;
  return { method, url, headers: base.headers, redirect, fetcher, signal: readSignal(base), cf, cache };
}

function absolute(input) {
  if (input === undefined) throw wrongConstructorParameter("Request", 1, "Request or string");
  const url = URL.parse(input);
  if (url === null) throw new TypeError(`Invalid URL: ${input}`);
  return url.href;
}

/** The parts with what `init` says instead. */
function applied(parts, init) {
  if (init === undefined || init === null) {
    parts.headers = new Headers(parts.headers ?? undefined);
    return parts;
  }
  if (typeof init !== "object" && typeof init !== "function")
    throw wrongConstructorParameter("Request", 2, "RequestInitializerDict or Request");
  const { method, headers, redirect, fetcher, signal, cf, cache, integrity } = init;
  if (headers === null) throw wrongField("headers", DICTIONARY, "Headers or Sequence or object");
  parts.headers = new Headers(headers ?? parts.headers ?? undefined);
  if (method !== undefined) parts.method = methodName(method);
  if (redirect !== undefined) parts.redirect = redirectMode(redirect);
  if (fetcher !== undefined) parts.fetcher = fetcherOf(fetcher);
  if (signal !== undefined) parts.signal = signalOf(signal);
  if (cf !== undefined) parts.cf = copyOfCf(cf);
  if (cache !== undefined) parts.cache = cacheMode(cache);
  if (integrity) throw new TypeError(NO_INTEGRITY);
  return parts;
}

function methodName(method) {
  const name = `${method}`;
  const upper = name.toUpperCase();
  if (!METHODS.has(upper)) throw new TypeError(`Invalid HTTP method string: ${name}`);
  return upper;
}

function redirectMode(redirect) {
  if (redirect !== "follow" && redirect !== "manual") throw new TypeError(BAD_REDIRECT);
  return redirect;
}

function fetcherOf(fetcher) {
  if (fetcher !== null && typeof fetcher.fetch !== "function") throw wrongField("fetcher", DICTIONARY, "Fetcher");
  return fetcher;
}

function signalOf(signal) {
  if (signal !== null && !(signal instanceof AbortSignal)) throw wrongField("signal", DICTIONARY, "AbortSignal");
  return signal;
}

function copyOfCf(cf) {
  if (typeof cf !== "object" || cf === null) throw wrongField("cf", DICTIONARY, "Object");
  return { ...cf };
}

function cacheMode(cache) {
  if (!CACHE_MODES.has(cache)) throw new TypeError(`Unsupported cache mode: ${cache}`);
  return cache;
}

/**
 * A request as it came over the wire; nothing is parsed, checked or copied. Headers are immutable.
 *
 * @param {string} method
 * @param {string} url Absolute and normalised.
 * @param {[string, string][]} headers
 * @param {import("./body.mjs").Content} body
 * @param {{cf?: object, signal?: AbortSignal | ClientSignal | null, redirect?: "follow" | "manual"}} [more]
 * @returns {Request}
 */
export function receivedRequest(method, url, headers, body, { cf, signal = null, redirect = "manual" } = {}) {
  const lines = receivedHeaders(headers);
  return new Request(OURS, { method, url, headers: lines, content: body, redirect, fetcher: null, signal, cf, cache: undefined });
}

/** The signal that user code gave the request, null without one: a client's leaving is not passed on. @param {Request} request */
export function givenSignal(request) {
  const signal = readSignal(request);
  return signal instanceof ClientSignal ? null : signal;
}

/** What aborts `request.signal` when the client leaves, null when user code gave the signal. @param {Request} request */
export function clientSignal(request) {
  const signal = readSignal(request);
  return signal instanceof ClientSignal ? signal : null;
}
