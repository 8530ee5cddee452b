/** What the platform's `crypto` has and Node's has not: `DigestStream` and `subtle.timingSafeEqual`. */

import { createHash, timingSafeEqual as equal } from "node:crypto";
import { WritableStream } from "node:stream/web";
import { Buffer, DOMException } from "../originals.mjs";
import { wrongConstructorParameter, wrongParameter } from "./arguments.mjs";

const ALGORITHMS = { "SHA-1": "sha1", "SHA-256": "sha256", "SHA-384": "sha384", "SHA-512": "sha512", MD5: "md5" };
const NOT_BYTES =
  "DigestStream is a byte stream but received an object of non-ArrayBuffer/ArrayBufferView/string type on its writable side.";

/** Bytes written to it become a digest. */
export class DigestStream extends WritableStream {
  #digest = Promise.withResolvers();
  #bytesWritten = 0n;

  /** @param {string | {name: string}} algorithm SHA-1, SHA-256, SHA-384, SHA-512 or MD5 */
  constructor(algorithm) {
    const hash = createHash(hashName(algorithm));
    super({
      write: (chunk) => {
        const bytes = typeof chunk === "string" ? Buffer.from(chunk) : viewOf(chunk);
        if (bytes === null) throw this.#failed(new TypeError(NOT_BYTES));
        hash.update(bytes);
        this.#bytesWritten += BigInt(bytes.byteLength);
      },
      close: () => this.#digest.resolve(new Uint8Array(hash.digest()).buffer),
      abort: (reason) => {
        this.#failed(reason);
      },
    });
    // Who never asks for the digest need not hear that there is none.
    this.#digest.promise.catch(() => {});
  }

  /** The digest, once the stream is closed. @returns {Promise<ArrayBuffer>} */
  get digest() {
    return this.#digest.promise;
  }

  /** @returns {bigint} */
  get bytesWritten() {
    return this.#bytesWritten;
  }

  get [Symbol.toStringTag]() {
    return "DigestStream";
  }

  #failed(error) {
    this.#digest.reject(error);
    return error;
  }
}

/**
 * Whether two buffers of one length hold the same, in a time that does not depend on where they differ.
 *
 * @param {ArrayBuffer | ArrayBufferView} a
 * @param {ArrayBuffer | ArrayBufferView} b
 */
export function timingSafeEqual(a, b) {
  const views = [viewOf(a), viewOf(b)];
  const wrong = views.indexOf(null);
  if (wrong >= 0) throw wrongParameter("timingSafeEqual", "SubtleCrypto", wrong + 1, "BufferSource");
  if (views[0].byteLength !== views[1].byteLength) throw new TypeError("Input buffers must have the same byte length.");
  return equal(views[0], views[1]);
}

function viewOf(value) {
  if (value instanceof ArrayBuffer) return new Uint8Array(value);
  return ArrayBuffer.isView(value) ? new Uint8Array(value.buffer, value.byteOffset, value.byteLength) : null;
}

function hashName(algorithm) {
  if (algorithm === undefined) throw wrongConstructorParameter("DigestStream", 1, "string or HashAlgorithm");
  const name = String(typeof algorithm === "object" ? algorithm.name : algorithm).toUpperCase();
  if (!(name in ALGORITHMS)) throw new DOMException("Unrecognized or unimplemented digest algorithm requested.", "NotSupportedError");
  return ALGORITHMS[name];
}
