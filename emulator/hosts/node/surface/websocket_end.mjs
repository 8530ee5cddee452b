/**
 * One end of a WebSocket as the host sees it. `send` goes to its outlet: the other end of a pair, or the transport after `attach`. What
 * arrives goes to listeners after `accept()`, or to the host's `SocketEvents` after `acceptHibernatable`. Frames wait in order for whoever is
 * missing: sent before the transport is there, arrived before the end is accepted. Rules and texts: durable-objects.md 5.
 */

import { Buffer, DOMException, setImmediate } from "../originals.mjs";
import { begunHere, currentOwner } from "../owner.mjs";
import { NO_CODE, UNSENDABLE } from "../socket_rules.mjs";
import { asCaller } from "./caller.mjs";

export const CONNECTING = 0;
export const OPEN = 1;
export const CLOSING = 2;
export const CLOSED = 3;
export const MAX_ATTACHMENT = 16_384;
export const LOST_REASON = "WebSocket disconnected without sending Close frame.";
const PAIR_IN_USE = "Cannot call `acceptWebSocket()` on this WebSocket because its pair has already been accepted or used in a Response.";
const REFUSED_REASON = "Failed to establish websocket connection";
const MAX_REASON_BYTES = 123;

/**
 * The real socket behind an end; its calls never block and never throw.
 *
 * @typedef {object} Transport
 * @property {(text: string) => void} sendText
 * @property {(data: Uint8Array) => void} sendBinary
 * @property {(code: number | null, reason: string) => void} close Sends a Close frame, an empty one when `code` is null.
 * @property {(data: Uint8Array) => void} attachment The new serialized attachment, to be kept with the socket.
 * @property {() => void} [cut] Drops the connection without a Close frame; a listener failed.
 */

/**
 * Who takes what arrives at a hibernatable end; the first argument is the `WebSocket` object.
 *
 * @typedef {object} SocketEvents
 * @property {(socket: object, text: string) => void} text
 * @property {(socket: object, data: Uint8Array) => void} binary
 * @property {(socket: object, code: number, reason: string, wasClean: boolean) => void} close
 * @property {(socket: object, error: Error) => void} error
 */

/**
 * What the user's object does with what is heard.
 *
 * @typedef {object} Listeners
 * @property {(protocol: string, extensions: string) => void} opened
 * @property {(data: string | Uint8Array) => void} message
 * @property {(code: number, reason: string, wasClean: boolean) => void} closed
 * @property {(error: Error) => void} failed
 */

/** @typedef {["text", string] | ["binary", Uint8Array] | ["close", number | null, string] | ["lost"] | ["refused"] | ["error", Error]} Frame */

/** One end of a connection, host's side. `socket` is the object that user code holds. */
export class SocketEnd {
  /** The other end, while it is in this process. @type {SocketEnd | null} */
  peer = null;
  /** Whether this end answers the other side's Close by itself (durable-objects.md 5.1). */
  closeReply = true;
  /** Whose code keeps this end, for the host's bookkeeping. @type {import("../owner.mjs").Owner | null} */
  owner = null;
  /** The serialized attachment. @type {Uint8Array | null} */
  attachment = null;
  /** @type {Transport | null} */
  #transport = null;
  /** @type {SocketEvents | null} */
  #events = null;
  /** @type {((work: () => unknown) => void) | null} */
  #listener = null;
  /** @type {Frame[]} */
  #outbox = [];
  /** @type {Frame[]} */
  #inbox = [];
  #scheduled = 0;
  #client = false;
  #connecting = false;
  #accepted = false;
  #closeSent = false;
  #closeReceived = false;
  #lost = false;
  /** Who stays awake because it listens to a peer in this process; a transport holds its owner itself. @type {import("../owner.mjs").Owner | null} */
  #listening = null;
  #hold = null;
  #socket;
  #hear;

  /**
   * @param {object} socket The user's `WebSocket`.
   * @param {Listeners} hear What it does with what is heard.
   */
  constructor(socket, hear) {
    this.#socket = socket;
    this.#hear = hear;
  }

  get socket() {
    return this.#socket;
  }

  /** An accepted end takes what arrives: by listeners or by the host's events. */
  get accepted() {
    return this.#accepted;
  }

  get hibernatable() {
    return this.#events !== null;
  }

  /** Who takes what arrives at a hibernatable end. */
  get events() {
    return this.#events;
  }

  /** Whether this end has said Close. */
  get closeSent() {
    return this.#closeSent;
  }

  get connecting() {
    return this.#connecting;
  }

  get readyState() {
    if (this.#connecting) return CONNECTING;
    if (this.#lost) return CLOSED;
    if (this.#closeSent && this.#closeReceived) return CLOSED;
    return this.#closeSent || this.#closeReceived ? CLOSING : OPEN;
  }

  // -- user code

  /** A client socket: it needs no accept(). */
  connect() {
    this.#connecting = this.#accepted = this.#client = true;
    this.#listener = asCaller();
  }

  accept() {
    if (this.#client) throw new TypeError("Websockets obtained from the 'new WebSocket()' constructor cannot call accept");
    if (this.#events !== null) throw new TypeError("Can't accept() WebSocket after enabling hibernation.");
    if (this.#accepted) return;
    this.#accepted = true;
    this.#listener = asCaller();
    if (this.peer !== null && this.readyState !== CLOSED) {
      this.#listening = currentOwner();
      this.#hold = this.#listening?.hold("socket", "a WebSocket inside this process", begunHere()) ?? null;
    }
    this.#wake();
  }

  /** @param {string | Uint8Array} message Bytes are kept, not copied. */
  send(message) {
    this.#checkAccepted();
    if (this.#closeSent) throw new TypeError("Can't call WebSocket send() after close().");
    this.#emit(typeof message === "string" ? ["text", message] : ["binary", message]);
  }

  /**
   * Sends Close; a second call does nothing.
   *
   * @param {number | null} code
   * @param {string | null} reason
   */
  close(code, reason) {
    checkClose(code, reason);
    // A client socket may be closed before it is open: its Close goes out first thing then.
    if (!this.#connecting) this.#checkAccepted();
    if (this.#closeSent) return;
    this.#closeSent = true;
    this.#emit(["close", code, reason ?? ""]);
    if (this.readyState === CLOSED) this.#listensNoMore();
  }

  /** Keeps a serialized attachment with the socket; allowed before accept. @param {Uint8Array} data */
  keep(data) {
    this.attachment = data;
    this.#transport?.attachment(data);
  }

  // -- the host

  /** From now on the other side is `transport`; what waits for it is flushed in order. @param {Transport} transport */
  attach(transport) {
    let waiting = this.#outbox;
    this.#outbox = [];
    if (this.peer !== null) {
      waiting = [...this.peer.#takeInbox(), ...waiting];
      this.peer.peer = null;
      this.peer = null;
    }
    this.#listensNoMore();
    this.#transport = transport;
    if (this.attachment !== null) transport.attachment(this.attachment);
    for (const frame of waiting) this.#transmit(frame);
  }

  /** `ctx.acceptWebSocket(ws)`: arrivals go to `events`, listeners are never called. @param {SocketEvents} events */
  acceptHibernatable(events) {
    if (this.#accepted) throw new Error("Cannot call `acceptWebSocket()` if the WebSocket was already accepted via `accept()`");
    if (this.peer?.accepted) throw new Error(PAIR_IN_USE);
    this.#accepted = true;
    this.#events = events;
    this.#wake();
  }

  /** A listener failed: the connection ends without a Close frame, for both sides. @param {unknown} error */
  abort(error) {
    if (this.#lost) return;
    this.#lost = true;
    this.#inbox.length = 0;
    this.#listensNoMore();
    this.peer?.deliverLost();
    this.#transport?.cut?.();
    this.#hear.failed(error);
  }

  /** A hibernatable end that outlived its object (durable-objects.md 5.5). */
  restore(events, attachment, closeSent) {
    this.#accepted = true;
    this.#events = events;
    this.attachment = attachment;
    this.#closeSent = closeSent;
  }

  /** The client socket is connected. */
  deliverOpen(protocol = "", extensions = "") {
    this.#connecting = false;
    this.#hear.opened(protocol, extensions);
  }

  /** @param {string} text */
  deliverText(text) {
    this.#arrive(["text", text]);
  }

  /** @param {Uint8Array} data */
  deliverBinary(data) {
    this.#arrive(["binary", data]);
  }

  /** A Close frame came; null means it was empty. */
  deliverClose(code, reason = "") {
    this.#arrive(["close", code, reason]);
  }

  /** The connection ended without a Close frame. */
  deliverLost() {
    this.#arrive(["lost"]);
  }

  /** The connection broke the protocol. @param {string} message */
  deliverError(message) {
    this.#arrive(["error", new Error(message)]);
  }

  /** The client socket could not be connected. @param {Error} error */
  deliverRefused(error) {
    this.#arrive(["error", error]);
    this.#arrive(["refused"]);
  }

  /** The other side said Close, or is `lost`; for a hibernatable end, whose close event the host delivers itself. */
  peerEnded(lost) {
    if (lost) this.#lost = true;
    else this.#closeReceived = true;
  }

  // -- inside

  #checkAccepted() {
    if (!this.#accepted || this.#connecting) {
      throw new TypeError("You must call one of accept() or state.acceptWebSocket() on this WebSocket before sending messages.");
    }
  }

  #emit(frame) {
    if (!this.#lost) this.#transmit(frame);
  }

  #transmit(frame) {
    if (this.peer !== null) this.peer.#arrive(frame);
    else if (this.#transport === null) this.#outbox.push(frame);
    else if (frame[0] === "text") this.#transport.sendText(frame[1]);
    else if (frame[0] === "binary") this.#transport.sendBinary(frame[1]);
    else if (frame[0] === "close") this.#transport.close(frame[1], frame[2]);
  }

  #arrive(frame) {
    if (this.#events !== null && this.#inbox.length === 0 && this.peer === null) this.#handOver(frame);
    else {
      this.#inbox.push(frame);
      this.#wake();
    }
  }

  /** One macrotask per frame: code that re-arms a `once` listener between frames loses none (node-host.md 6.1). */
  #wake() {
    if (!this.#accepted) return;
    for (; this.#scheduled < this.#inbox.length; this.#scheduled += 1) setImmediate(() => this.#deliver());
  }

  #deliver() {
    this.#scheduled -= 1;
    const frame = this.#inbox.shift();
    if (frame === undefined) return;
    if (this.#listener === null) this.#handOver(frame);
    else this.#listener(() => this.#handOver(frame));
  }

  #takeInbox() {
    const frames = this.#inbox;
    this.#inbox = [];
    return frames;
  }

  #handOver(frame) {
    switch (frame[0]) {
      case "close":
        this.#closeReceived = true;
        return this.#ended(frame[1] ?? NO_CODE, frame[2], true);
      case "lost":
        this.#lost = true;
        return this.#ended(1006, LOST_REASON, false);
      case "refused":
        return this.#ended(1006, REFUSED_REASON, false);
      case "error":
        if (this.#events !== null) return this.#events.error(this.#socket, frame[1]);
        this.#connecting = false;
        this.#lost = true;
        return this.#hear.failed(frame[1]);
      case "text":
        return this.#events === null ? this.#hear.message(frame[1]) : this.#events.text(this.#socket, frame[1]);
      case "binary":
        return this.#events === null ? this.#hear.message(frame[1]) : this.#events.binary(this.#socket, frame[1]);
    }
  }

  #listensNoMore() {
    const owner = this.#listening;
    this.#listening = null;
    if (owner !== null && !owner.dead) owner.release(this.#hold);
  }

  #ended(code, reason, clean) {
    if (this.#events !== null) return this.#events.close(this.#socket, code, reason, clean);
    if (clean && this.closeReply && !this.#closeSent) {
      this.#closeSent = true;
      this.#emit(["close", UNSENDABLE.has(code) ? null : code, reason]);
    }
    this.#hear.closed(code, reason, clean);
    if (this.readyState === CLOSED) this.#listensNoMore();
  }
}

/** Throws what workerd throws for a Close that may not be sent. */
function checkClose(code, reason) {
  if (code === null) {
    if (!reason) return;
    throw new DOMException("If you specify a WebSocket close reason, you must also specify a code.", "InvalidAccessError");
  }
  if (code < 1000 || code >= 5000 || UNSENDABLE.has(code)) {
    throw new DOMException(`Invalid WebSocket close code: ${code}.`, "InvalidAccessError");
  }
  if (reason !== null && Buffer.byteLength(reason) > MAX_REASON_BYTES) {
    throw new DOMException(`WebSocket close reason must not be longer than ${MAX_REASON_BYTES} bytes when UTF-8 encoded.`, "SyntaxError");
  }
}
