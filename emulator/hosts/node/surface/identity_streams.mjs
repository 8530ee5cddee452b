/** `IdentityTransformStream` and `FixedLengthStream`: bytes in, the same bytes out, a write being over when its bytes were read. */

import { Buffer } from "node:buffer";
import { ReadableStream, TransformStream, WritableStream } from "node:stream/web";
import { declareLength } from "./body_stream.mjs";
import { wrongConstructorParameter } from "./arguments.mjs";

const NOT_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";
const TOO_MANY = "Attempt to write too many bytes through a FixedLengthStream.";
const TOO_FEW = "FixedLengthStream did not see all expected bytes before close().";

/** Bytes written to `writable` come out of `readable`. */
export class IdentityTransformStream {
  #pipe;

  /** @param {{highWaterMark?: number}} [options] */
  constructor(options = {}) {
    this.#pipe = new Pipe(null, options.highWaterMark ?? 1);
  }

  get readable() {
    return this.#pipe.readable;
  }

  get writable() {
    return this.#pipe.writable;
  }

  get [Symbol.toStringTag]() {
    return "IdentityTransformStream";
  }
}

/** An identity transform that must carry exactly the expected number of bytes, which is its body's `content-length`. */
export class FixedLengthStream {
  #pipe;

  /** @param {number | bigint} expectedLength bytes @param {{highWaterMark?: number}} [options] */
  constructor(expectedLength, options = {}) {
    this.#pipe = new Pipe(checkedLength(expectedLength), options.highWaterMark ?? 1);
    declareLength(this.#pipe.readable, Number(expectedLength));
  }

  get readable() {
    return this.#pipe.readable;
  }

  get writable() {
    return this.#pipe.writable;
  }

  get [Symbol.toStringTag]() {
    return "FixedLengthStream";
  }
}

// `instanceof TransformStream` holds without the machinery of one being made for each.
Object.setPrototypeOf(IdentityTransformStream.prototype, TransformStream.prototype);
Object.setPrototypeOf(FixedLengthStream.prototype, IdentityTransformStream.prototype);

function checkedLength(length) {
  if (length === undefined) throw wrongConstructorParameter("FixedLengthStream", 1, "bigint");
  const count = typeof length === "bigint" ? Number(length) : Math.trunc(Number(length));
  if (Number.isNaN(count)) throw new TypeError("The value cannot be converted because it is not an integer.");
  if (count < 0) throw new TypeError("The value cannot be converted because it is negative and this API expects a positive bigint.");
  return count;
}

/** The two sides; at most one chunk is between them. */
class Pipe {
  #left;
  #output;
  #input;
  /** A chunk that waits for a reader. */
  #written = null;
  /** A reader that waits for a chunk. */
  #wanted = null;
  #closed = false;

  /** @param {number | null} expected bytes that must come, null for any number @param {number} highWaterMark of the writable side */
  constructor(expected, highWaterMark) {
    this.#left = expected;
    this.readable = new ReadableStream(
      {
        type: "bytes",
        start: (controller) => {
          this.#output = controller;
        },
        pull: () => this.#pull(),
        cancel: (reason) => this.#cancelled(reason),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream(
      {
        start: (controller) => {
          this.#input = controller;
        },
        write: (chunk) => this.#write(chunk),
        close: () => this.#close(),
        abort: (reason) => this.#output.error(reason),
      },
      { highWaterMark },
    );
  }

  #pull() {
    if (this.#written !== null) {
      const { bytes, taken } = this.#written;
      this.#written = null;
      this.#output.enqueue(bytes);
      taken.resolve();
      return undefined;
    }
    if (this.#closed) {
      this.#end();
      return undefined;
    }
    this.#wanted = Promise.withResolvers();
    return this.#wanted.promise;
  }

  async #write(chunk) {
    const bytes = bytesOf(chunk);
    if (this.#left !== null) {
      if (bytes.byteLength > this.#left) {
        this.#output.error(new TypeError(TOO_MANY));
        return undefined;
      }
      this.#left -= bytes.byteLength;
    }
    if (bytes.byteLength === 0) return undefined;
    if (this.#wanted !== null) {
      this.#output.enqueue(bytes);
      this.#answer();
      return undefined;
    }
    this.#written = { bytes, taken: Promise.withResolvers() };
    return this.#written.taken.promise;
  }

  #close() {
    if (this.#left) {
      this.#output.error(new TypeError(TOO_FEW));
      return;
    }
    this.#closed = true;
    if (this.#wanted !== null) {
      this.#end();
      this.#answer();
    }
  }

  #end() {
    this.#output.close();
    this.#output.byobRequest?.respond(0);
  }

  #answer() {
    const wanted = this.#wanted;
    this.#wanted = null;
    wanted.resolve();
  }

  #cancelled(reason) {
    this.#written?.taken.reject(reason);
    this.#written = null;
    this.#input.error(reason);
  }
}

/** A copy: the reader may transfer it, the writer may write into his. */
function bytesOf(chunk) {
  if (typeof chunk === "string") return new Uint8Array(Buffer.from(chunk));
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk.slice());
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  throw new TypeError(NOT_BYTES);
}
