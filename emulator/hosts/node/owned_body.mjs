/** Bodies that user code produces: pulled in the context of the owner that made them, which stays awake until they end. */

import { contentOf } from "./surface/body.mjs";
import { pairsOf } from "./surface/headers.mjs";
import { encodeBodyOf, receivedResponse } from "./surface/response.mjs";
import { endOf } from "./surface/websocket.mjs";

/** @typedef {import("./wire/exchange.mjs").BodySource} BodySource */

const GONE = "The code that produced this body was stopped.";

/** A response that nobody reads (its caller looked at the status only) must not keep its owner awake. @type {FinalizationRegistry<Hold>} */
const forgotten = new FinalizationRegistry((hold) => hold.cancel("nobody reads it"));

/** A BodySource each of whose steps runs as the owner's own code: its timers, its gates, its log lines. */
export class OwnedBody {
  #hold;

  /**
   * @param {BodySource} source
   * @param {import("./owner.mjs").Owner} owner
   */
  constructor(source, owner) {
    this.#hold = new Hold(source, owner);
    forgotten.register(this, this.#hold, this);
  }

  /** It has not ended, and nobody has stopped reading. */
  get isOpen() {
    return this.#hold.open;
  }

  /**
   * The next chunk; it leaves through the owner's output gate. Rejects when the source fails, and when its owner is stopped.
   *
   * @returns {Promise<{done: boolean, value?: Uint8Array}>}
   */
  read() {
    return this.#hold.read().finally(() => {
      if (!this.isOpen) forgotten.unregister(this);
    });
  }

  /** Nobody reads any more: the stream's `cancel` is called (S-107). @param {unknown} [reason] */
  cancel(reason) {
    forgotten.unregister(this);
    this.#hold.cancel(reason);
  }
}

/** A body between its owner and whoever reads it. */
class Hold {
  open = true;
  #source;
  #owner;
  #fail = null;
  #awake;
  #ownerKilled = () => this.#broken();

  constructor(source, owner) {
    this.#source = source;
    this.#owner = owner;
    this.#awake = owner.hold("body", "a body that is being read");
    owner.whenKilled(this.#ownerKilled);
  }

  read() {
    if (!this.open) return Promise.resolve({ done: true, value: undefined });
    const { promise, resolve, reject } = Promise.withResolvers();
    const owner = this.#owner;
    this.#fail = reject;
    owner
      .enter(async () => this.#source.read())
      .then(
        (step) =>
          owner.emit(() => {
            if (step.done) this.#close();
            resolve(step);
          }),
        (error) =>
          owner.emit(() => {
            this.#close();
            reject(error);
          }),
      );
    return promise;
  }

  cancel(reason) {
    if (!this.open) return;
    this.#close();
    if (!this.#owner.dead) this.#owner.enter(() => this.#source.cancel(reason));
  }

  #broken() {
    this.open = false;
    this.#fail?.(new Error(GONE));
  }

  #close() {
    if (!this.open) return;
    this.open = false;
    this.#owner.forgetKilled(this.#ownerKilled);
    if (!this.#owner.dead) this.#owner.release(this.#awake);
  }
}

/**
 * The response as it leaves its owner (an object answering `stub.fetch`): a streamed body and a socket's end stay bound to it.
 *
 * @param {import("./surface/response.mjs").Response} response
 * @param {import("./owner.mjs").Owner} owner
 * @returns {import("./surface/response.mjs").Response} what the caller gets: its body is its own, its headers are immutable
 * @throws {TypeError} when the body was used, or is being read
 */
export function ownedResponse(response, owner) {
  const { webSocket, url, redirected } = response;
  const peer = webSocket === null ? null : endOf(webSocket).peer;
  if (peer !== null) peer.owner = owner;
  const content = contentOf(response);
  const known = content === null || typeof content === "string" || content instanceof Uint8Array;
  const body = known ? content : new OwnedBody(content, owner);
  const more = { url, redirected, webSocket, encodeBody: encodeBodyOf(response) };
  return receivedResponse(response.status, response.statusText, pairsOf(response.headers), body, more);
}
