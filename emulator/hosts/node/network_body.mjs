/** Bodies on their way in: a client's request body, the answer to a request of user code. */

import { currentSection } from "./owner.mjs";

export const NETWORK_LOST = "Network connection lost.";

/** A body nobody holds any more must neither keep its owner awake nor its sender sending. @type {FinalizationRegistry<Arriving>} */
const forgotten = new FinalizationRegistry((arriving) => arriving.end("nobody reads it"));

/**
 * What a body's beginner knows and wants to hear.
 *
 * @typedef {object} BodyHeard
 * @property {string} [text] what it is, for people
 * @property {import("./begun.mjs").Begun | null} [begun]
 * @property {() => void} [onChunk] a chunk is about to reach its reader
 * @property {() => void} [onEnd] called once when nothing more will be read
 */

/** The BodySource of what the link brings; keeps its owner awake until it ends, is cancelled, or its owner is stopped. */
export class NetworkBody {
  #arriving;

  /**
   * @param {import("./wire/body_reader.mjs").BodyReader} reader
   * @param {import("./owner.mjs").Owner | null} owner Whose code reads it; null outside user code.
   * @param {BodyHeard} [heard]
   */
  constructor(reader, owner, heard = {}) {
    this.#arriving = new Arriving(reader, owner, heard);
    forgotten.register(this, this.#arriving, this);
  }

  /**
   * The next chunk, in an ArrayBuffer of its own; it passes its owner's input gate. Rejects with workerd's words when the rest is lost.
   *
   * @returns {Promise<{done: boolean, value?: Uint8Array}>}
   */
  read() {
    return this.#arriving.read(this);
  }

  /** Nobody reads the rest: the sender is told. */
  cancel() {
    this.#arriving.end("cancelled");
  }

  /** Who reads on hears `reason`, and the sender is told (an AbortSignal). @param {unknown} reason */
  abort(reason) {
    this.#arriving.fail(reason);
  }
}

/** The part that outlives a forgotten body: what has to be given back. */
class Arriving {
  #reader;
  #owner;
  #onChunk;
  #onEnd;
  #hold = null;
  #open = true;
  /** Why reading on fails. @type {{reason: unknown} | null} */
  #failure = null;
  #ownerKilled = () => this.end("reset");

  constructor(reader, owner, { text = "the body of a request", begun = null, onChunk = () => {}, onEnd = () => {} }) {
    this.#reader = reader;
    this.#owner = owner;
    this.#onChunk = onChunk;
    this.#onEnd = onEnd;
    if (owner === null) return;
    this.#hold = owner.hold("body", text, begun);
    owner.whenKilled(this.#ownerKilled);
  }

  /** @param {NetworkBody} body kept from being forgotten until the chunk is there */
  async read(body) {
    const section = currentSection();
    let step;
    try {
      step = await this.#reader.read();
    } catch {
      this.#failure ??= { reason: new Error(NETWORK_LOST) };
    }
    if (this.#failure !== null || step.done) {
      this.end("");
      forgotten.unregister(body);
    }
    if (this.#owner !== null) await this.#admitted(section);
    if (this.#failure !== null) throw this.#failure.reason;
    if (!step.done) this.#onChunk();
    return step;
  }

  #admitted(section) {
    return new Promise((resolve) => {
      this.#owner.resume(section, resolve);
    });
  }

  fail(reason) {
    if (!this.#open) return;
    this.#failure = { reason };
    this.end("aborted");
  }

  end(why) {
    if (!this.#open) return;
    this.#open = false;
    this.#reader.cancel(why);
    this.#onEnd();
    if (this.#owner === null) return;
    this.#owner.forgetKilled(this.#ownerKilled);
    if (!this.#owner.dead) this.#owner.release(this.#hold);
  }
}
