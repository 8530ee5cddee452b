/** Requests that leave this host: user code's `fetch`, the AI binding's calls, the assets binding. All cross the link (design 4.6). */

import { NETWORK_LOST, NetworkBody } from "./network_body.mjs";
import { OwnedBody } from "./owned_body.mjs";
import { begunHere, currentOwner, emit, wayBack } from "./owner.mjs";
import { contentOf } from "./surface/body.mjs";
import { pairsOf } from "./surface/headers.mjs";
import { givenSignal } from "./surface/request.mjs";
import { receivedResponse } from "./surface/response.mjs";
import { endOf, freshSocket } from "./surface/websocket.mjs";
import { LinkLost, RemoteError } from "./wire/exchange.mjs";

/** The gateway follows redirects unless it is told not to; where it arrived it tells in the other header (gateway/egress.py). */
const REDIRECT_HEADER = "x-emu-redirect";
const URL_HEADER = "x-emu-url";
/** Tells the gateway whose code asks (wire/README.md). */
const OBJECT_HEADER = "x-emu-object";

const ERRORS = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError };

/**
 * What sending needs of the host.
 *
 * @typedef {object} OutboundWorld
 * @property {import("./wire/link.mjs").Link} link
 * @property {import("./sockets.mjs").SocketHub} sockets
 * @property {import("./points.mjs").Points} points
 */

/**
 * Send a request of the running code to one of the gateway's services. It leaves through the output gate, its answer comes back through the
 * input gate, and until the answer's body has ended its owner does not hibernate (S-99). A request that asks for an upgrade to WebSocket and
 * gets it is answered by a response with a `webSocket`.
 *
 * @param {OutboundWorld} world
 * @param {"egress" | "ai" | "assets"} target
 * @param {import("./surface/request.mjs").Request} request
 * @returns {Promise<import("./surface/response.mjs").Response>} rejects with the signal's reason, or as workerd words network failures
 */
export async function send(world, target, request) {
  givenSignal(request)?.throwIfAborted();
  const sending = new Sending(world, target, request, contentOf(request));
  emit(() => sending.leave());
  return sending.response;
}

/** One request on its way. */
class Sending {
  #world;
  #target;
  #request;
  #content;
  #signal;
  #owner = currentOwner();
  #begun = begunHere();
  #back = wayBack("fetch", () => this.#label, this.#begun);
  #resolve;
  #reject;
  #outgoing = null;
  #socket = null;
  #end = null;
  /** @type {NetworkBody | null} */
  #body = null;
  #abort = () => this.#aborted();
  #killed = () => this.#outgoing.cancel("reset");
  /** @type {Promise<import("./surface/response.mjs").Response>} */
  response;

  constructor(world, target, request, content) {
    this.#world = world;
    this.#target = target;
    this.#request = request;
    this.#content = content;
    this.#signal = givenSignal(request);
    this.response = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
  }

  leave() {
    const { link, sockets } = this.#world;
    const { method, url } = this.#request;
    const upgrade = this.#request.headers.get("upgrade")?.toLowerCase() === "websocket";
    this.#outgoing = link.request(this.#target, { method, url, headers: this.#headers(upgrade) }, this.#ownContent(), { upgrade });
    if (upgrade) {
      this.#end = endOf(freshSocket());
      this.#socket = sockets.standard.expect(this.#outgoing, this.#end, this.#owner, url, this.#begun);
    }
    this.#reached("request");
    this.#signal?.addEventListener("abort", this.#abort);
    this.#owner?.whenKilled(this.#killed);
    this.#outgoing.answer.then(
      (answer) => this.#back(() => this.#answered(answer)),
      (error) => this.#back(() => this.#failed(error)),
    );
  }

  #headers(upgrade) {
    const lines = [...pairsOf(this.#request.headers)];
    if (this.#request.redirect === "manual") lines.push([REDIRECT_HEADER, "manual"]);
    const handle = this.#owner?.handle;
    if (!upgrade && handle !== undefined) lines.push([OBJECT_HEADER, `${handle.className}/${handle.id}`]);
    return lines;
  }

  /** What user code streams is pulled as its own code. */
  #ownContent() {
    const content = this.#content;
    this.#content = null;
    const known = content === null || typeof content === "string" || content instanceof Uint8Array;
    return known || this.#owner === null ? content : new OwnedBody(content, this.#owner);
  }

  #answered(answer) {
    this.#reached("answer");
    const { method, url } = this.#request;
    const arrived = answer.headers.find(([name]) => name === URL_HEADER)?.[1];
    const more = { url: (arrived ?? url).split("#", 1)[0], redirected: arrived !== undefined, webSocket: this.#upgraded(answer) };
    const headers = arrived === undefined ? answer.headers : answer.headers.filter(([name]) => name !== URL_HEADER);
    const streamed = !(answer.body instanceof Uint8Array);
    if (streamed) this.#body = this.#bodyOf(answer.body);
    else this.#over();
    const body = method === "HEAD" ? null : (this.#body ?? answer.body);
    this.#resolve(receivedResponse(answer.status, answer.reason, headers, body, more));
  }

  #bodyOf(reader) {
    const text = `the body of ${this.#label}`;
    const [onChunk, onEnd] = [() => this.#reached("chunk"), () => this.#over()];
    return new NetworkBody(reader, this.#owner, { text, begun: this.#begun, onChunk, onEnd });
  }

  get #label() {
    return `${this.#request.method} ${this.#request.url.split("?", 1)[0]}`;
  }

  #reached(what) {
    const { points } = this.#world;
    if (points.on && this.#target !== "assets") points.of(this.#owner, what, this.#label);
  }

  #upgraded(answer) {
    const socket = this.#socket;
    if (socket === null) return null;
    if (!answer.upgraded) {
      socket.end();
      return null;
    }
    socket.opened(answer);
    return this.#end.socket;
  }

  #failed(error) {
    this.#socket?.end();
    this.#over();
    this.#reject(this.#signal?.aborted ? this.#signal.reason : failure(error));
  }

  #aborted() {
    if (this.#body !== null) this.#body.abort(this.#signal.reason);
    this.#outgoing.cancel("aborted");
  }

  /** Nothing of it is on its way any more. */
  #over() {
    this.#signal?.removeEventListener("abort", this.#abort);
    this.#owner?.forgetKilled(this.#killed);
  }
}

/** What user code sees of a failure. */
function failure(error) {
  if (error instanceof RemoteError) {
    const { name = "Error", message = NETWORK_LOST, props = {} } = error.fields;
    const made = name in ERRORS ? new ERRORS[name](message) : Object.assign(new Error(message), { name });
    return Object.assign(made, props);
  }
  const lost = new Error(NETWORK_LOST);
  return error instanceof LinkLost ? Object.assign(lost, { retryable: true }) : lost;
}
