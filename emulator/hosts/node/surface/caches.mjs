/** `caches`: the Cache API in the host's memory, for as long as the host lives. */

import { needEvent } from "../module_level.mjs";
import { PlatformDate } from "../originals.mjs";
import { contentOf } from "./body.mjs";
import { joined } from "./body_stream.mjs";
import { pairsOf } from "./headers.mjs";
import { port } from "./port.mjs";
import { Request } from "./request.mjs";
import { receivedResponse } from "./response.mjs";

/** What all caches hold together, bytes; the entries put first go first. */
const MOST_BYTES = 64 * 1024 * 1024;
/** How long the platform keeps what does not say so itself, seconds by status. */
const DEFAULT_AGES_S = { 200: 7200, 301: 1200, 302: 1200, 303: 1200, 404: 180, 410: 180 };

/**
 * One kept response.
 *
 * @typedef {object} Entry
 * @property {number} status
 * @property {string} statusText
 * @property {[string, string][]} headers
 * @property {string | Uint8Array} body
 * @property {number} size bytes
 * @property {number} untilMs
 */

/** One cache. */
export class Cache {
  #name;
  #shelf;

  constructor(name, shelf) {
    this.#name = name;
    this.#shelf = shelf;
  }

  /**
   * The response kept for a request, undefined when there is none. Only GET, unless `ignoreMethod` says that any method means GET.
   *
   * @param {string | Request} request
   * @param {{ignoreMethod?: boolean}} [options]
   */
  async match(request, options) {
    needEvent();
    const wanted = new Request(request);
    if (wanted.method !== "GET" && !options?.ignoreMethod) return undefined;
    const entry = this.#shelf.find(this.#key(wanted));
    if (entry === undefined) return undefined;
    const { status, statusText, headers, body } = entry;
    return receivedResponse(status, statusText, [...headers, ["CF-Cache-Status", "HIT"]], body, { url: wanted.url });
  }

  /**
   * Keep a response as long as its `Cache-Control` or `Expires` allows.
   *
   * @param {string | Request} request
   * @param {import("./response.mjs").Response} response its body is used
   */
  async put(request, response) {
    needEvent();
    const wanted = new Request(request);
    if (wanted.method !== "GET") throw new TypeError("Cannot cache response to non-GET request.");
    if (response.status === 206) throw new TypeError("Cannot cache response to a range request (206 Partial Content).");
    if (response.headers.get("vary")?.includes("*")) throw new TypeError("Cannot cache response with 'Vary: *' header.");
    const { status, statusText } = response;
    const headers = pairsOf(response.headers);
    const ageS = lifetimeS(response, port().clock.nowMs());
    const body = await whole(contentOf(response));
    if (ageS <= 0 || response.headers.has("set-cookie")) return;
    const untilMs = port().clock.nowMs() + ageS * 1000;
    this.#shelf.put(this.#key(wanted), { status, statusText, headers, body, size: body.length, untilMs });
  }

  /** Whether there was something to delete. @param {string | Request} request @param {{ignoreMethod?: boolean}} [options] */
  async delete(request, options) {
    needEvent();
    const wanted = new Request(request);
    if (wanted.method !== "GET" && !options?.ignoreMethod) return false;
    return this.#shelf.delete(this.#key(wanted));
  }

  get [Symbol.toStringTag]() {
    return "Cache";
  }

  #key({ url }) {
    return `${this.#name}\n${url.split("#", 1)[0]}`;
  }
}

/** The class of `caches`. */
export class CacheStorage {
  #shelf = new Shelf();
  #default = new Cache("default", this.#shelf);

  get default() {
    return this.#default;
  }

  /** @param {string} name */
  async open(name) {
    return new Cache(`open ${name}`, this.#shelf);
  }

  get [Symbol.toStringTag]() {
    return "CacheStorage";
  }
}

/** What all caches hold, by cache and URL. */
class Shelf {
  /** @type {Map<string, Entry>} */
  #entries = new Map();
  #bytes = 0;

  find(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined || entry.untilMs > port().clock.nowMs()) return entry;
    this.delete(key);
    return undefined;
  }

  put(key, entry) {
    this.delete(key);
    this.#entries.set(key, entry);
    this.#bytes += entry.size;
    for (const oldest of this.#entries.keys()) {
      if (this.#bytes <= MOST_BYTES) break;
      this.delete(oldest);
    }
  }

  delete(key) {
    const entry = this.#entries.get(key);
    if (entry === undefined) return false;
    this.#bytes -= entry.size;
    return this.#entries.delete(key);
  }
}

async function whole(content) {
  if (content === null) return "";
  if (typeof content === "string" || content instanceof Uint8Array) return content;
  const chunks = [];
  for (let step = await content.read(); !step.done; step = await content.read()) chunks.push(step.value);
  return joined(chunks);
}

/** Seconds a response may be kept; 0 when it must not be. */
function lifetimeS({ status, headers }, nowMs) {
  const control = headers.get("cache-control")?.toLowerCase() ?? "";
  if (/\b(no-store|no-cache|private)\b/.test(control)) return 0;
  const age = /\bs-maxage=(\d+)/.exec(control) ?? /\bmax-age=(\d+)/.exec(control);
  if (age !== null) return Number(age[1]);
  const expires = headers.get("expires");
  if (expires !== null) return Math.max((PlatformDate.parse(expires) - nowMs) / 1000, 0) || 0;
  return DEFAULT_AGES_S[status] ?? 0;
}
