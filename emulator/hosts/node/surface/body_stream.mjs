/** Bodies as streams: a `ReadableStream` over what is known or arrives, and what the host reads from a stream of user code. */

import { Buffer } from "node:buffer";
import { isDisturbed } from "node:stream";
import { ReadableStream } from "node:stream/web";

/** @typedef {import("../wire/exchange.mjs").BodySource} BodySource */

const NOT_BYTES = "This ReadableStream did not return bytes.";

/** What the streams made here read from: one that nobody has touched need not be read through. @type {WeakMap<ReadableStream, Pull>} */
const pulls = new WeakMap();

/**
 * A byte stream, as all bodies of the platform are.
 *
 * @param {string | Uint8Array | BodySource} content Chunks of a source are transferred to whoever reads the stream.
 * @returns {ReadableStream}
 */
export function streamOf(content) {
  const source = typeof content === "string" || content instanceof Uint8Array ? new WholeSource(content) : content;
  const pull = new Pull(source);
  const stream = new ReadableStream(pull, { highWaterMark: 0 });
  pulls.set(stream, pull);
  return stream;
}

/**
 * Takes a stream for reading to its end.
 *
 * @param {ReadableStream} stream neither locked nor disturbed
 * @param {{text: boolean}} options whether chunks of text may be among the bytes, sent as UTF-8
 * @returns {BodySource}
 */
export function sourceOf(stream, { text }) {
  const pull = pulls.get(stream);
  const untouched = pull !== undefined && !isDisturbed(stream);
  const reader = stream.getReader();
  if (!untouched) return new ReaderSource(reader, text);
  const source = pull.detach();
  // For whoever looks at the stream it was read to its end.
  reader.cancel();
  return source;
}

/** The bytes that streams have promised to carry (FixedLengthStream). @type {WeakMap<ReadableStream, number>} */
const lengths = new WeakMap();

/** @param {ReadableStream} stream @param {number} bytes it will carry exactly so many */
export function declareLength(stream, bytes) {
  lengths.set(stream, bytes);
}

/** @param {ReadableStream} stream @returns {number | null} null when it promised nothing */
export function declaredLength(stream) {
  return lengths.get(stream) ?? null;
}

/** Chunks in one piece. @param {Uint8Array[]} chunks @returns {Uint8Array} in an ArrayBuffer of its own */
export function joined(chunks) {
  if (chunks.length === 1) return chunks[0];
  let size = 0;
  for (const chunk of chunks) size += chunk.byteLength;
  const whole = new Uint8Array(size);
  let at = 0;
  for (const chunk of chunks) {
    whole.set(chunk, at);
    at += chunk.byteLength;
  }
  return whole;
}

/** The underlying source of a body's stream. */
class Pull {
  type = "bytes";
  #source;

  constructor(source) {
    this.#source = source;
  }

  async pull(controller) {
    const { done, value } = await nextBytes(this.#source);
    if (!done) {
      controller.enqueue(value);
      return;
    }
    controller.close();
    controller.byobRequest?.respond(0);
  }

  cancel(reason) {
    return this.#source.cancel(reason);
  }

  /** Gives its source away. */
  detach() {
    const source = this.#source;
    this.#source = NOTHING;
    return source;
  }
}

/** A source that has ended. @type {BodySource} */
const NOTHING = Object.freeze({ read: async () => ({ done: true, value: undefined }), cancel() {} });

/** A byte stream takes no empty chunks. */
async function nextBytes(source) {
  let step = await source.read();
  while (!step.done && step.value.byteLength === 0) step = await source.read();
  return step;
}

/** Everything as one chunk. */
class WholeSource {
  #content;

  constructor(content) {
    this.#content = content;
  }

  async read() {
    const content = this.#content;
    if (content === null) return { done: true, value: undefined };
    this.#content = null;
    // A copy: who reads may transfer it, and the body is known to others.
    return { done: false, value: typeof content === "string" ? new Uint8Array(Buffer.from(content)) : new Uint8Array(content) };
  }

  cancel() {
    this.#content = null;
  }
}

/** One chunk that is made when somebody asks for it (a Blob's bytes). */
export class LaterSource {
  #make;

  /** @param {() => Promise<Uint8Array>} make */
  constructor(make) {
    this.#make = make;
  }

  async read() {
    const make = this.#make;
    if (make === null) return { done: true, value: undefined };
    this.#make = null;
    return { done: false, value: await make() };
  }

  cancel() {
    this.#make = null;
  }
}

/** What user code enqueues, as bytes. */
class ReaderSource {
  #reader;
  #text;

  constructor(reader, text) {
    this.#reader = reader;
    this.#text = text;
  }

  async read() {
    const step = await this.#reader.read();
    if (!step.done && !(step.value instanceof Uint8Array)) step.value = this.#bytesOf(step.value);
    return step;
  }

  cancel(reason) {
    // Whoever cancels has gone: nobody is there to hear that the stream's own `cancel` failed.
    this.#reader.cancel(reason).catch(() => {});
  }

  #bytesOf(chunk) {
    if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk);
    if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength);
    if (this.#text && typeof chunk === "string") return Buffer.from(chunk);
    const error = new TypeError(NOT_BYTES);
    this.cancel(error);
    throw error;
  }
}
