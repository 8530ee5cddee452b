/** Exchanges on the link: an id, an answer, a body each way with credit, and the moment when it is over (wire/README.md, Exchanges). */
import { BodyReader } from "./body_reader.mjs";
import {
  BODY_WINDOW,
  ENCODED,
  HAS_BODY,
  Kind,
  LAST,
  UPGRADE,
  jsonPayload,
  readRequestHead,
  readResponseHead,
  responseHead,
} from "./frames.mjs";

/**
 * Where a body comes from: what a `ReadableStreamDefaultReader` of bytes is, and a BodyReader too. `cancel` is called when nobody wants the
 * rest; it must not reject. Chunks belong to the link once they are read.
 * @typedef {{read(): Promise<{done: boolean, value?: Uint8Array}>, cancel(reason?: string): unknown}} BodySource
 */

/** The gateway is gone, or the link was closed; what was waiting for it ends with this. */
export class LinkLost extends Error {
  name = "LinkLost";
}

/** The other side's body ended with an error instead of its end. */
export class BodyBroken extends Error {
  name = "BodyBroken";
}

/** An exchange was cancelled by its own opener (`Outgoing.cancel`). */
export class Cancelled extends Error {
  name = "Cancelled";
}

/** The other side answered with an error object (wire/README.md); `fields` is that object. */
export class RemoteError extends Error {
  name = "RemoteError";

  constructor(fields) {
    super(`${fields.name ?? "Error"}: ${fields.message ?? ""}`);
    this.fields = fields;
  }
}

/** What both kinds of exchange share: the id, a body each way, credit, and when it is over. */
class Exchange {
  #credit = BODY_WINDOW;
  #creditWaiter = null;
  #openHalves = 1;
  #source = null;
  #sending = false;
  /** @type {BodyReader|null} */
  reader = null;

  constructor(link, id) {
    this.link = link;
    this.id = id;
  }

  /** The other side announced a body. */
  expectBody() {
    this.reader = new BodyReader(this);
    this.#openHalves += 1;
    return this.reader;
  }

  /** One part (the answer, a body) has ended; with the last one the exchange leaves the link's table. */
  halfDone() {
    this.#openHalves -= 1;
    if (this.#openHalves === 0) this.link.forget(this.id);
  }

  /** Pump `source` to the other side as credit allows. @param {BodySource} source */
  sendBody(source) {
    this.#openHalves += 1;
    this.#source = source;
    this.#sending = true;
    this.#pump(source);
  }

  async #pump(source) {
    try {
      for (;;) {
        const { done, value } = await source.read();
        if (!this.#sending) return;
        if (done) break;
        while (this.#credit <= 0) {
          await new Promise((resolve) => {
            this.#creditWaiter = resolve;
          });
          if (!this.#sending) return;
        }
        if (value.length > 0) {
          this.link.send(Kind.BODY, this.id, value);
          this.#credit -= value.length;
        }
      }
      this.link.send(Kind.BODY, this.id, "", LAST);
      this.#sent();
    } catch (error) {
      // The source's failure, which the other side must hear; or a chunk that is over the limit.
      this.breakBody(error instanceof Error ? error.message : String(error));
    }
  }

  #sent() {
    this.#sending = false;
    this.#source = null;
    this.halfDone();
  }

  /** The other side may be sent `size` more bytes. */
  grant(size) {
    this.#credit += size;
    if (this.#credit > 0) this.#goOn();
  }

  #goOn() {
    const waiter = this.#creditWaiter;
    this.#creditWaiter = null;
    waiter?.();
  }

  /** The other side wants no more of our body. */
  stopBody(reason = "") {
    if (!this.#sending) return;
    const source = this.#source;
    this.#sent();
    this.#goOn();
    source.cancel(reason);
  }

  /** We will not send the rest of our body: the other side's reader fails with `reason`. Nothing happens when it is sent. */
  breakBody(reason) {
    if (!this.#sending) return;
    this.link.send(Kind.BROKEN, this.id, reason);
    this.stopBody(reason);
  }

  /** The link is gone. */
  lost(error) {
    this.stopBody(error.message);
    this.reader?.fail(error);
  }
}

/** The response to a request of ours. */
export class Answer {
  /**
   * @param {number} id
   * @param {{status: number, reason: string, headers: [string, string][]}} head
   * @param {Buffer|BodyReader} body empty bytes when there is none
   * @param {boolean} upgraded `id` is a socket now
   */
  constructor(id, head, body, upgraded) {
    this.id = id;
    this.status = head.status;
    this.reason = head.reason;
    this.headers = head.headers;
    this.body = body;
    this.upgraded = upgraded;
  }
}

const NOTHING = new Uint8Array(0);

/** An exchange we opened. */
export class Outgoing extends Exchange {
  #resolve;
  #reject;
  #settled = false;
  /** An Answer for a REQUEST, the result of a CALL; rejects with RemoteError, LinkLost or Cancelled. @type {Promise<any>} */
  answer;

  constructor(link, id) {
    super(link, id);
    this.answer = new Promise((resolve, reject) => {
      this.#resolve = resolve;
      this.#reject = reject;
    });
    // Whoever awaits it hears a failure; when nobody does any more, it is no news.
    this.answer.catch(() => {});
  }

  /**
   * We lost interest: the other side's request signal aborts, or the source of its response's body is cancelled; our request body stops.
   */
  cancel(reason = "") {
    if (!this.#settled) {
      this.#settled = true;
      this.link.send(Kind.CANCEL, this.id, reason);
      this.#reject(new Cancelled(reason || "cancelled"));
      this.halfDone();
    } else {
      this.reader?.cancel(reason);
    }
    this.breakBody(reason);
  }

  /** A frame of this exchange. */
  take(frame) {
    switch (frame.kind) {
      case Kind.BODY:
        this.reader?.feed(frame);
        break;
      case Kind.RESPONSE:
        this.#takeResponse(frame);
        break;
      case Kind.RESULT:
        this.#settle(frame.json());
        break;
      case Kind.ERROR:
        this.#fail(new RemoteError(frame.json()));
        this.stopBody();
        break;
      case Kind.CREDIT:
        this.grant(frame.credit());
        break;
      case Kind.CANCEL:
        this.stopBody(frame.text());
        break;
      case Kind.BROKEN:
        this.reader?.fail(new BodyBroken(frame.text()));
        break;
    }
  }

  #takeResponse(frame) {
    const { head, body } = frame.head();
    const content = frame.flags & HAS_BODY ? this.expectBody() : (body ?? NOTHING);
    this.#settle(new Answer(this.id, readResponseHead(head), content, (frame.flags & UPGRADE) !== 0));
  }

  #settle(value) {
    if (this.#settled) return;
    this.#settled = true;
    this.#resolve(value);
    this.halfDone();
  }

  #fail(error) {
    if (this.#settled) return;
    this.#settled = true;
    this.#reject(error);
    this.halfDone();
  }

  lost(error) {
    this.#fail(error);
    super.lost(error);
  }
}

/** An exchange the other side opened: answer it exactly once by `respond`, `upgradeWith`, `result` or `fail`. */
export class Incoming extends Exchange {
  #head = null;
  #whole = null;
  /** Called once with a reason when the client has gone. @type {((reason: string) => void)|null} */
  onCancel = null;
  /** The client had gone before there was an answer. */
  cancelled = false;
  answered = false;

  constructor(link, frame) {
    super(link, frame.id);
    /** When the gateway sent it, ms since 1970. */
    this.nowMs = frame.nowMs;
    /** The client asks for a WebSocket. */
    this.upgrade = false;
    if (frame.kind !== Kind.REQUEST) return;
    const { head, body } = frame.head();
    this.#head = readRequestHead(head);
    this.#whole = body;
    this.upgrade = (frame.flags & UPGRADE) !== 0;
    if (frame.flags & HAS_BODY) this.expectBody();
  }

  get method() {
    return this.#head.method;
  }

  get url() {
    return this.#head.url;
  }

  /** Names and values in order, ISO-8859-1. @returns {[string, string][]} */
  get headers() {
    return this.#head.headers;
  }

  /** The request's body: bytes when it came inline, a reader when it is coming, null when there is none. @returns {Buffer|BodyReader|null} */
  get body() {
    return this.reader ?? this.#whole;
  }

  /**
   * Answer a REQUEST. When the client has gone or an answer was given, the body is cancelled and nothing is sent.
   * @param {number} status
   * @param {string} reason
   * @param {Iterable<[string, string]>} headers ISO-8859-1
   * @param {string|Uint8Array|BodySource|null} [body] a text (sent as UTF-8) or bytes, or a source that is pumped with flow control
   * @param {boolean} [encoded] the body is in its content-encoding already, nobody shall pack it
   */
  respond(status, reason, headers, body = null, encoded = false) {
    if (this.answered || this.cancelled) {
      if (isSource(body)) body.cancel("nobody waits for this response");
      return;
    }
    this.answered = true;
    this.link.sendAnswer(this, responseHead(status, reason, headers), body, encoded ? ENCODED : 0);
    this.halfDone();
  }

  /**
   * Answer 101: from here on the exchange's id is a socket. Also when the client has gone meanwhile: then the gateway answers with the
   * socket's end. @param {Iterable<[string, string]>} headers
   */
  upgradeWith(headers) {
    if (this.answered) return;
    this.answered = true;
    this.link.sendHead(Kind.RESPONSE, this.id, responseHead(101, "Switching Protocols", headers), null, UPGRADE);
    if (!this.cancelled) this.halfDone();
  }

  /** Answer a CALL. @param {unknown} value anything JSON can say */
  result(value) {
    if (this.answered || this.cancelled) return;
    // Sent before it counts as answered: a value that has no JSON form or is over the limit can still become an error.
    this.link.send(Kind.RESULT, this.id, jsonPayload(value ?? null));
    this.answered = true;
    this.halfDone();
  }

  /** Answer with an error object (faults.mjs). @param {object} error */
  fail(error) {
    if (this.answered || this.cancelled) return;
    this.answered = true;
    this.link.send(Kind.ERROR, this.id, jsonPayload(error));
    this.halfDone();
  }

  /** A frame of this exchange. */
  take(frame) {
    switch (frame.kind) {
      case Kind.BODY:
        this.reader?.feed(frame);
        break;
      case Kind.CREDIT:
        this.grant(frame.credit());
        break;
      case Kind.CANCEL:
        this.#takeCancel(frame.text());
        break;
      case Kind.BROKEN:
        this.reader?.fail(new BodyBroken(frame.text()));
        break;
    }
  }

  #takeCancel(reason) {
    this.stopBody(reason);
    this.reader?.fail(new BodyBroken(reason || "the client has gone"));
    if (!this.answered) {
      this.cancelled = true;
      this.halfDone();
    }
    this.onCancel?.(reason);
  }

  lost(error) {
    this.cancelled = true;
    super.lost(error);
    this.onCancel?.(error.message);
  }
}

/** Whether a body is a BodySource, and not text, bytes or nothing. */
export function isSource(body) {
  return typeof body === "object" && body !== null && !(body instanceof Uint8Array);
}

/** A large body as a source, in pieces of half a window. @param {Uint8Array} bytes @returns {BodySource} */
export function inChunks(bytes) {
  let at = 0;
  return {
    async read() {
      if (at >= bytes.length) return { done: true };
      const value = bytes.subarray(at, at + BODY_WINDOW / 2);
      at += value.length;
      return { done: false, value };
    },
    cancel() {
      at = bytes.length;
    },
  };
}
