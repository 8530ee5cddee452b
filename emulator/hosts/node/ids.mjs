/**
 * Durable Object ids: 64 hex digits that carry a checksum of their namespace (design 4.2; durable-objects.md 1.1).
 *
 * With `unique = "<worker>-<Class>"` and `k = sha256(unique)`: a named id is `h = hmac(k, name)[:16]`, a unique one starts from 16 random
 * bytes `h`; either way the second half is `hmac(k, h)[:16]`. The same bytes as the real runtime's, so files are interchangeable.
 * The Python host's twin is `emulator/core/ids.py`; `tests/core` has vectors for both.
 */

import { createHash, createHmac } from "node:crypto";
import { randomBytes } from "./chance.mjs";

/** Bytes of a name that `ctx.id.name` still shows (S-08); longer names address an object all the same. */
export const NAME_LIMIT = 1024;

/** Names whose ids are kept: most programs address the same few objects over and over. */
const REMEMBERED = 4096;

const HEX_ID = /^[0-9a-fA-F]{64}$/;

/** The ids of one class of one worker. */
export class IdSpace {
  /** `<worker>-<Class>`, also the folder of its files. */
  unique;
  #key;
  /** @type {Map<string, string>} */
  #known = new Map();

  /**
   * @param {string} worker the Worker's name
   * @param {string} className
   */
  constructor(worker, className) {
    this.unique = `${worker}-${className}`;
    this.#key = createHash("sha256").update(this.unique).digest();
  }

  /**
   * The id every process derives from this name.
   * @param {string} name
   * @returns {string}
   */
  idFromName(name) {
    let known = this.#known.get(name);
    if (known === undefined) {
      if (this.#known.size >= REMEMBERED) this.#known.clear();
      known = this.#seal(this.#mac(Buffer.from(name, "utf8")));
      this.#known.set(name, known);
    }
    return known;
  }

  /**
   * An id nobody else has.
   * @param {Uint8Array} [random] 16 bytes
   * @returns {string}
   */
  uniqueId(random = randomBytes(16)) {
    return this.#seal(Buffer.from(random.subarray(0, 16)));
  }

  /**
   * The canonical form of an id given as a string (S-03).
   * @param {string} text
   * @returns {string}
   * @throws {TypeError} malformed, or of another namespace; the texts are the platform's
   */
  check(text) {
    if (!HEX_ID.test(text)) throw new TypeError("Invalid Durable Object ID: must be 64 hex digits");
    const id = text.toLowerCase();
    if (this.#seal(Buffer.from(id.slice(0, 32), "hex")) !== id) {
      throw new TypeError("Durable Object ID is not valid for this namespace.");
    }
    return id;
  }

  #seal(half) {
    return half.toString("hex") + this.#mac(half).toString("hex");
  }

  #mac(message) {
    return createHmac("sha256", this.#key).update(message).digest().subarray(0, 16);
  }
}

/**
 * What `ctx.id.name` shows of a name: nothing above 1,024 bytes (durable-objects.md 1.2).
 * @param {string | null | undefined} name
 * @returns {string | null}
 */
export function visibleName(name) {
  return name === null || name === undefined || Buffer.byteLength(name) > NAME_LIMIT ? null : name;
}
