/** `ctx`: what an object's constructor and a Worker invocation get (node-host.md 2.3, durable-objects.md 5 to 8). */

import { DurableObjectFacets } from "./facets.mjs";
import { Instance } from "./instance.mjs";
import { ownId } from "./namespace.mjs";
import { begunHere } from "./owner.mjs";
import * as rules from "./socket_rules.mjs";
import { wrongParameter } from "./surface/arguments.mjs";
import { Tracing } from "./surface/tracing.mjs";
import { webInterface } from "./surface/web_interface.mjs";
import { endOf, WebSocket } from "./surface/websocket.mjs";
import { WebSocketRequestResponsePair } from "./surface/websocket_pair.mjs";

/**
 * What a context needs of the host.
 *
 * @typedef {object} ContextWorld
 * @property {import("./objects.mjs").ObjectTable} objects
 * @property {object} exports `ctx.exports`
 * @property {import("./sockets.mjs").SocketHub} sockets
 * @property {(handle: import("./objects.mjs").ObjectHandle) => void} autoResponseChanged the gateway answers for sleeping objects
 * @property {(where: string, error: unknown, handle: import("./objects.mjs").ObjectHandle | null) => void} userError
 */

const NOT_ACCEPTED = "you must call 'acceptWebSocket()' before attempting to access the tags of a WebSocket.";

/** `ctx` of a Worker invocation. */
export class ExecutionContext {
  #owner;
  #world;

  /**
   * @param {import("./owner.mjs").Owner} owner
   * @param {ContextWorld} world
   * @param {unknown} [props]
   */
  constructor(owner, world, props = {}) {
    this.#owner = owner;
    this.#world = world;
    this.access = undefined;
    this.cache = undefined;
    this.props = props;
    this.exports = world.exports;
  }

  /** Spans that nobody records. */
  get tracing() {
    return tracing;
  }

  /** Keep `work` running after the response. @param {Promise<unknown>} work */
  waitUntil(work) {
    if (work === undefined) throw wrongParameter("waitUntil", "ExecutionContext", 1, "Promise");
    keepAlive(work, this.#owner, this.#world);
  }

  /** Accepted and without effect: there is no origin behind the Worker to pass to. */
  passThroughOnException() {}

  get [Symbol.toStringTag]() {
    return "ExecutionContext";
  }
}

const tracing = new Tracing();
webInterface(ExecutionContext);

/** `ctx` of an object. */
export class DurableObjectState {
  #instance;
  #world;

  /**
   * @param {Instance} instance
   * @param {ContextWorld} world
   */
  constructor(instance, world) {
    const { handle } = instance;
    this.#instance = instance;
    this.#world = world;
    this.facets = new DurableObjectFacets(instance, world);
    this.container = undefined;
    this.storage = instance.storage.userStorage;
    this.id = handle.hasPlainId ? handle.id : ownId(handle);
    this.props = handle.props ?? {};
    this.exports = world.exports;
  }

  /** Counts as activity (S-99); not needed to keep code running. @param {Promise<unknown>} work */
  waitUntil(work) {
    if (work === undefined) throw wrongParameter("waitUntil", "DurableObjectState", 1, "Promise");
    keepAlive(work, this.#instance, this.#world);
  }

  /**
   * Hold all other events back until `callback` has ended; its failure resets the object.
   * @template T
   * @param {() => T | Promise<T>} callback
   * @returns {Promise<T>}
   */
  blockConcurrencyWhile(callback) {
    try {
      if (typeof callback !== "function") throw wrongParameter("blockConcurrencyWhile", "DurableObjectState", 1, "function");
      return this.#instance.blockConcurrency(callback);
    } catch (error) {
      return Promise.reject(error);
    }
  }

  /**
   * Reset the object now; `retryAlarm: false` also drops the alarm that is running (S-105, S-77). The error it throws ends the caller;
   * code that catches it runs on, but nothing of what it does arrives anywhere.
   * @param {unknown} [reason]
   * @param {{retryAlarm?: boolean}} [options]
   * @returns {never}
   */
  abort(reason, options) {
    this.#instance.abort(reason, { retryAlarm: options?.retryAlarm !== false });
    throw this.#instance.broken;
  }

  // -- WebSockets

  /**
   * Accept for hibernation (durable-objects.md 5).
   * @param {WebSocket} socket
   * @param {string[]} [tags]
   */
  acceptWebSocket(socket, tags = []) {
    if (!(socket instanceof WebSocket)) throw wrongParameter("acceptWebSocket", "DurableObjectState", 1, "WebSocket");
    if (!Array.isArray(tags)) throw wrongParameter("acceptWebSocket", "DurableObjectState", 2, "Array");
    const given = tags.map(String);
    rules.checkTags(given);
    this.#world.sockets.accept(endOf(socket), this.#instance, rules.distinct(given));
  }

  /**
   * Accepted sockets, newest first; with a tag oldest first (5.3).
   * @param {string} [tag]
   * @returns {WebSocket[]}
   */
  getWebSockets(tag) {
    const found = [];
    for (const record of this.#instance.handle.sockets.values()) {
      if (tag === undefined || record.tags.includes(String(tag))) found.push(record.socketFor(this.#instance));
    }
    return tag === undefined ? found.reverse() : found;
  }

  /** Let the gateway answer an exact text; without argument, no longer. @param {WebSocketRequestResponsePair} [pair] */
  setWebSocketAutoResponse(pair) {
    const handle = this.#instance.handle;
    if (pair === undefined) {
      handle.autoResponse = null;
    } else {
      if (!(pair instanceof WebSocketRequestResponsePair)) {
        throw wrongParameter("setWebSocketAutoResponse", "DurableObjectState", 1, "WebSocketRequestResponsePair");
      }
      rules.checkAutoResponse(pair.request, pair.response);
      handle.autoResponse = { request: pair.request, response: pair.response };
    }
    this.#world.autoResponseChanged(handle);
  }

  /** The pair set, or null. @returns {WebSocketRequestResponsePair | null} */
  getWebSocketAutoResponse() {
    const pair = this.#instance.handle.autoResponse;
    return pair === null ? null : new WebSocketRequestResponsePair(pair.request, pair.response);
  }

  /** When the socket was last answered that way, or null. @param {WebSocket} socket @returns {Date | null} */
  getWebSocketAutoResponseTimestamp(socket) {
    const answeredMs = this.#record("getWebSocketAutoResponseTimestamp", socket)?.answeredMs ?? null;
    return answeredMs === null ? null : new Date(answeredMs);
  }

  /** Cut handlers that still run after this long (S-93); 0 or nothing unsets it. @param {number} [timeoutMs] */
  setHibernatableWebSocketEventTimeout(timeoutMs = 0) {
    this.#instance.handle.eventTimeoutMs = rules.checkedEventTimeout(timeoutMs) || null;
  }

  /** The timeout set, or null. @returns {number | null} */
  getHibernatableWebSocketEventTimeout() {
    return this.#instance.handle.eventTimeoutMs;
  }

  /** The tags a socket was accepted with. @param {WebSocket} socket @returns {string[]} */
  getTags(socket) {
    const record = this.#record("getTags", socket);
    if (record === null) throw new Error(NOT_ACCEPTED);
    return [...record.tags];
  }

  #record(method, socket) {
    if (!(socket instanceof WebSocket)) throw wrongParameter(method, "DurableObjectState", 1, "WebSocket");
    for (const record of this.#instance.handle.sockets.values()) if (record.socket === socket) return record;
    return null;
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectState";
  }
}

webInterface(DurableObjectState);

/**
 * Keep `owner` busy until `work` has ended, whoever stopped waiting; its failure is shown and harms nothing (S-16, S-104).
 * @param {unknown} work
 * @param {import("./owner.mjs").Owner} owner
 * @param {Pick<ContextWorld, "userError">} world
 */
export function keepAlive(work, owner, world) {
  if (owner.dead) return;
  const hold = owner.hold("waitUntil", "waitUntil()", begunHere());
  Promise.resolve(work).then(
    () => {
      if (!owner.dead) owner.release(hold);
    },
    (error) => {
      if (owner.dead) return;
      world.userError("waitUntil", error, owner instanceof Instance ? owner.handle : null);
      owner.release(hold);
    },
  );
}
