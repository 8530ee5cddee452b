/** The reading end of a body: chunks as they were sent, and the credit that they are worth (wire/README.md, Flow control). */
import { BODY_WINDOW, creditPayload, Kind, LAST } from "./frames.mjs";

/** The body the other side sends. A BodySource, and an async iterable of chunks as they were sent. One `read` at a time. */
export class BodyReader {
  #exchange;
  #chunks = [];
  #next = 0;
  #waiting = null;
  #finished = false;
  #error = null;
  #owed = 0;

  constructor(exchange) {
    this.#exchange = exchange;
  }

  /** The next chunk, or the end. Rejects with BodyBroken or LinkLost. @returns {Promise<{done: boolean, value: Buffer|undefined}>} */
  read() {
    if (this.#next < this.#chunks.length) return Promise.resolve({ done: false, value: this.#take() });
    if (this.#error !== null) return Promise.reject(this.#error);
    if (this.#finished) return Promise.resolve({ done: true, value: undefined });
    return new Promise((resolve, reject) => {
      this.#waiting = { resolve, reject };
    });
  }

  /** Stop reading; the sender is told unless it had finished. */
  cancel(reason = "") {
    this.#chunks.length = this.#next = 0;
    if (this.#finished) return;
    this.#exchange.link.send(Kind.CANCEL, this.#exchange.id, String(reason));
    this.#end();
    this.#wake();
  }

  async *[Symbol.asyncIterator]() {
    try {
      for (let step = await this.read(); !step.done; step = await this.read()) yield step.value;
    } finally {
      this.cancel();
    }
  }

  #take() {
    const chunk = this.#chunks[this.#next];
    this.#chunks[this.#next++] = undefined;
    if (this.#next === this.#chunks.length) this.#chunks.length = this.#next = 0;
    this.#owed += chunk.length;
    // Granting half windows keeps CREDIT frames rare without letting the sender run dry.
    if (this.#owed >= BODY_WINDOW / 2 && !this.#finished) {
      this.#exchange.link.send(Kind.CREDIT, this.#exchange.id, creditPayload(this.#owed));
      this.#owed = 0;
    }
    return chunk;
  }

  /** A BODY frame came. */
  feed(frame) {
    if (this.#finished) return;
    if (frame.size > 0) this.#chunks.push(frame.payload);
    if (frame.flags & LAST) this.#end();
    this.#wake();
  }

  /** No more will come, because of `error`. What has come may still be read. */
  fail(error) {
    if (this.#finished) return;
    this.#error = error;
    this.#end();
    this.#wake();
  }

  #end() {
    this.#finished = true;
    this.#exchange.halfDone();
  }

  #wake() {
    const waiting = this.#waiting;
    if (waiting === null) return;
    this.#waiting = null;
    if (this.#next < this.#chunks.length) waiting.resolve({ done: false, value: this.#take() });
    else if (this.#error !== null) waiting.reject(this.#error);
    else if (this.#finished) waiting.resolve({ done: true, value: undefined });
    else this.#waiting = waiting;
  }
}
