/** A request from one owner's code to another's `fetch` handler, without a network between. */

import { markOrigin } from "../faults.mjs";
import { URL } from "../originals.mjs";
import { begunHere, currentOwner, emit, wayBack } from "../owner.mjs";
import { wrongParameter } from "../surface/arguments.mjs";
import { contentOf, knownSize } from "../surface/body.mjs";
import { pairsOf } from "../surface/headers.mjs";
import { port } from "../surface/port.mjs";
import { clientSignal, givenSignal, receivedRequest, Request } from "../surface/request.mjs";
import { encodeBodyOf, REDIRECTS, receivedResponse } from "../surface/response.mjs";
import { copyData } from "./copy.mjs";
import { thrownAcross } from "./errors.mjs";
import { statusText as wordsFor } from "./status_texts.mjs";
import { contentAcross } from "./streams.mjs";

const MAX_REDIRECTS = 20;
const ONE_TIME_BODY =
  "A request with a one-time-use body (it was initialized from a stream, not a buffer) encountered a redirect requiring the body to be " +
  "retransmitted. To avoid this error in the future, construct this request from a buffer-like body initializer.";
const USED_BODY = "Cannot reconstruct a Request with a used body.";
const NO_UPGRADE = 'Worker tried to return a WebSocket in a response to a request which did not contain the header "Upgrade: websocket".';

/**
 * One request as it goes over.
 *
 * @typedef {object} Hop
 * @property {string} method
 * @property {string} url absolute
 * @property {[string, string][]} headers
 * @property {import("../surface/body.mjs").Content} content
 * @property {object | undefined} cf
 * @property {AbortSignal | null} signal
 * @property {import("../surface/client_signal.mjs").ClientSignal | null} leaving of the client whose request is passed on
 * @property {boolean} redirected an earlier hop led here
 */

/** Sends a hop and gets its response. @typedef {(hop: Hop) => Promise<import("../surface/response.mjs").Response>} Send */

/**
 * `binding.fetch(resource, init)`. The first hop leaves before this returns.
 *
 * @param {Send} send
 * @param {unknown} resource
 * @param {unknown} init
 * @returns {Promise<import("../surface/response.mjs").Response>}
 */
export async function fetchFrom(send, resource, init) {
  if (resource === undefined) throw wrongParameter("fetch", "Fetcher", 1, "Request or string");
  if (init !== undefined && init !== null && typeof init !== "object") {
    throw wrongParameter("fetch", "Fetcher", 2, "RequestInitializerDict or Request");
  }
  const asItIs = resource instanceof Request && (init === undefined || init === null);
  if (asItIs && resource.bodyUsed) throw new TypeError(USED_BODY);
  const request = asItIs ? resource : new Request(resource, init ?? undefined);
  const follows = request.redirect === "follow";
  let hop = firstHop(request);
  const visited = [hop.url];
  for (;;) {
    hop.signal?.throwIfAborted();
    const response = await send(hop);
    const location = follows && REDIRECTS.has(response.status) ? response.headers.get("location") : null;
    if (location === null) return response;
    response.body?.cancel();
    hop = nextHop(hop, location, response.status);
    if (visited.length > MAX_REDIRECTS) throw new TypeError(`Too many redirects.${visited.join(", ")}`);
    visited.push(hop.url);
  }
}

function firstHop(request) {
  const url = withoutFragment(request.url);
  const headers = pairsOf(request.headers);
  const size = knownSize(request);
  const announced = size === null || request.headers.has("content-length") ? headers : [...headers, ["Content-Length", String(size)]];
  const { method, cf } = request;
  const leaving = port().flags.request_signal_passthrough ? clientSignal(request) : null;
  return { method, url, headers: announced, content: contentOf(request), cf, signal: givenSignal(request), leaving, redirected: false };
}

function withoutFragment(url) {
  if (!url.startsWith("http:") && !url.startsWith("https:")) throw new TypeError(`Fetch API cannot load: ${url}`);
  return url.split("#", 1)[0];
}

/** What the receiver sees: its caller's credentials are none of its business. */
function withoutCredentials(text) {
  if (!text.includes("@")) return text;
  const url = new URL(text);
  url.username = url.password = "";
  return url.href;
}

function nextHop(hop, location, status) {
  const url = URL.parse(location, hop.url);
  if (url === null) throw new TypeError("Invalid Location header; unable to follow redirect.");
  const next = { ...hop, url: withoutFragment(url.href), redirected: true };
  const { method, content } = hop;
  if ((status === 303 && method !== "HEAD") || ((status === 301 || status === 302) && method === "POST")) {
    return { ...next, method: "GET", content: null, headers: hop.headers.filter(([name]) => name.toLowerCase() !== "content-length") };
  }
  if (content !== null && typeof content !== "string" && !(content instanceof Uint8Array)) throw new TypeError(ONE_TIME_BODY);
  return next;
}

/**
 * Send a hop to code of this Worker.
 *
 * @param {import("./visit.mjs").Reach} reach
 * @param {Hop} hop
 * @param {(place: import("./visit.mjs").Place, request: Request) => unknown} handle calls the handler as code of the place's owner; a
 *   promise of the response as it leaves that owner
 * @returns {Promise<import("../surface/response.mjs").Response>}
 */
export function sendTo(reach, hop, handle) {
  const fetch = new Fetch(hop, handle);
  emit(() => reach.take(fetch));
  return fetch.response;
}

/** A request on its way, a visit. */
class Fetch {
  label = "fetch";
  #hop;
  #handle;
  #caller = currentOwner();
  #back = wayBack("fetch", () => `${this.#hop.method} ${this.#hop.url.split("?", 1)[0]}`, begunHere());
  #settled = Promise.withResolvers();
  #home = null;
  #over = false;
  #abort = () => this.#end(this.#settled.reject, this.#hop.signal.reason);

  constructor(hop, handle) {
    this.#hop = hop;
    this.#handle = handle;
    hop.signal?.addEventListener("abort", this.#abort);
  }

  get response() {
    return this.#settled.promise;
  }

  work(place) {
    const { method, url, headers, content, cf, leaving } = this.#hop;
    const signal = leaving === null ? this.#hop.signal : leaving.passedTo(place.home);
    this.#home = place.home;
    const body = contentAcross(content, this.#caller);
    return this.#handle(place, receivedRequest(method, withoutCredentials(url), headers, body, { cf, signal }));
  }

  done(response) {
    if (response.webSocket !== null && !this.#hop.headers.some(isUpgrade)) {
      this.#end(this.#settled.reject, Object.assign(new TypeError(NO_UPGRADE), { remote: true }));
      return;
    }
    const { status, statusText, headers, webSocket } = response;
    const { url, redirected } = this.#hop;
    const text = statusText === "" ? wordsFor(status) : statusText;
    const content = contentAcross(contentOf(response), null, (error) => this.#lost(error));
    const more = { url, redirected, webSocket, encodeBody: encodeBodyOf(response) };
    this.#end(this.#settled.resolve, receivedResponse(status, text, pairsOf(headers), content, more));
  }

  failed(error, { stage, source }) {
    const copy = thrownAcross(error, copyData, stage === "refused" ? {} : { remote: true }, {});
    if (stage !== "refused") markOrigin(copy, error, source.whose, false);
    this.#end(this.#settled.reject, copy);
  }

  /** What a reader is told when the body's owner was reset, or the body failed. */
  #lost(error) {
    const reset = this.#home.dead ? (this.#home.broken ?? null) : null;
    return reset === null ? error : thrownAcross(reset, copyData, { remote: true }, {});
  }

  #end(settle, value) {
    if (this.#over) return;
    this.#over = true;
    this.#hop.signal?.removeEventListener("abort", this.#abort);
    this.#back(settle, value);
  }
}

function isUpgrade([name, value]) {
  return name.toLowerCase() === "upgrade" && value.toLowerCase() === "websocket";
}
