/**
 * Streams that go over RPC. The end of a stream that user code made stays with its owner, who stays awake until it ends; the other side
 * gets a byte stream that asks for a chunk when it wants one.
 */

import { WritableStream } from "node:stream/web";
import { TextEncoder } from "../originals.mjs";
import { OwnedBody } from "../owned_body.mjs";
import { emit, wayBack } from "../owner.mjs";
import { sourceOf, streamOf } from "../surface/body_stream.mjs";
import { SINK_CUT, STREAM_CUT, STREAM_LOCKED } from "./errors.mjs";

/** @typedef {import("../wire/exchange.mjs").BodySource} BodySource */

/**
 * Chunks of another owner's as the running code reads them: copies, each through the reader's input gate.
 */
class Arriving {
  #source;
  #failure;

  /**
   * @param {BodySource} source
   * @param {((error: unknown) => unknown)} [failure] what the reader is told when the source fails
   */
  constructor(source, failure = (error) => error) {
    this.#source = source;
    this.#failure = failure;
  }

  read() {
    const { promise, resolve, reject } = Promise.withResolvers();
    const back = wayBack("stream", "a body that is being read");
    this.#source.read().then(
      ({ done, value }) => back(resolve, done ? { done, value } : { done, value: new Uint8Array(value) }),
      (error) => back(reject, this.#failure(error)),
    );
    return promise;
  }

  cancel(reason) {
    return this.#source.cancel(reason);
  }
}

/**
 * @param {ReadableStream} stream of text or bytes; it is locked from now on
 * @param {import("../owner.mjs").Owner | null} home whose stream it is
 * @returns {ReadableStream}
 * @throws {TypeError} somebody reads it already
 */
export function readableAcross(stream, home) {
  if (stream.locked) throw new TypeError(STREAM_LOCKED);
  return streamOf(contentAcross(sourceOf(stream, { text: true }), home, () => new Error(STREAM_CUT)));
}

/**
 * A body of `home` as somebody else gets it; what is known goes over as it is.
 * @param {import("../surface/body.mjs").Content} content
 * @param {import("../owner.mjs").Owner | null} home
 * @param {(error: unknown) => unknown} [failure]
 * @returns {import("../surface/body.mjs").Content}
 */
export function contentAcross(content, home, failure) {
  if (content === null || typeof content === "string" || content instanceof Uint8Array) return content;
  return new Arriving(home === null || content instanceof OwnedBody ? content : new OwnedBody(content, home), failure);
}

/**
 * @param {WritableStream} stream it is locked from now on
 * @param {import("../owner.mjs").Owner | null} home whose stream it is
 * @returns {WritableStream}
 * @throws {TypeError} somebody writes to it already
 */
export function writableAcross(stream, home) {
  if (stream.locked) throw new TypeError("The WritableStream has been locked to a writer.");
  const sink = new Sink(stream.getWriter(), home);
  const across = new WritableStream(sink);
  abandoned.register(across, sink);
  return across;
}

/** Streams that nobody can write to any more, though nobody closed them. @type {FinalizationRegistry<Sink>} */
const abandoned = new FinalizationRegistry((sink) => sink.abandon());

/** Writes arrive at the stream's home in order, one at a time. */
class Sink {
  #writer;
  #home;
  #ended = false;
  #hold;

  constructor(writer, home) {
    this.#writer = writer;
    this.#home = home;
    // Its failures are told to whoever writes.
    writer.closed.catch(() => {});
    this.#hold = home?.hold("stream", "a stream that somebody may write to") ?? null;
  }

  write(chunk) {
    const bytes = bytesOf(chunk);
    return this.#atHome(() => this.#writer.write(bytes));
  }

  close() {
    return this.#atHome(() => this.#writer.close()).finally(() => this.#end());
  }

  abort() {
    return this.#atHome(() => this.#writer.abort(new Error(SINK_CUT))).finally(() => this.#end());
  }

  /** Nobody is there to hear that the stream's own `abort` failed. */
  abandon() {
    if (!this.#ended) this.abort().catch(() => {});
  }

  #atHome(work) {
    const home = this.#home;
    const { promise, resolve, reject } = Promise.withResolvers();
    const back = wayBack("stream", "a stream that is being written");
    const lost = (error) => back(reject, error);
    if (home === null) {
      work().then(() => back(resolve), lost);
    } else if (home.dead) {
      lost(new Error(SINK_CUT));
    } else {
      const killed = () => lost(new Error(SINK_CUT));
      const settled = (settle) => (value) => {
        home.forgetKilled(killed);
        back(settle, value);
      };
      home.whenKilled(killed);
      emit(() => home.resume(null, () => home.enter(work).then(settled(resolve), settled(reject))));
    }
    return promise;
  }

  #end() {
    if (this.#ended) return;
    this.#ended = true;
    if (this.#home !== null && !this.#home.dead) this.#home.release(this.#hold);
  }
}

/** Bytes of the writer's own, as a copy. */
function bytesOf(chunk) {
  if (typeof chunk === "string") return new TextEncoder().encode(chunk);
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk.slice(0));
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  throw new TypeError("This WritableStream only supports writing byte types.");
}
