/** The host's end of the link: frames in and out over one Unix socket, and the table of open exchanges (exchange.mjs). */
import { writeSync } from "node:fs";
import { connect } from "node:net";
import { Buffer, monotonicMs, nowMs, setImmediate } from "../originals.mjs";
import { Incoming, inChunks, isSource, LinkLost, Outgoing } from "./exchange.mjs";
import { ExchangeTable } from "./exchange_table.mjs";
import { BODY_WINDOW, HAS_BODY, jsonPayload, Kind, requestHead, UPGRADE } from "./frames.mjs";
import { Inbox } from "./inbox.mjs";
import { Outbox } from "./outbox.mjs";

/**
 * What a process does with frames that are not answers.
 * @typedef {object} Receiver
 * @property {(incoming: Incoming) => void} onRequest a REQUEST; answer it by `respond`, `upgradeWith` or `fail`, now or later
 * @property {(incoming: Incoming, call: {op: string}) => void} onCall a CALL; answer it by `result` or `fail`
 * @property {(note: {op: string}, nowMs: number) => void} onNote a NOTE
 * @property {(frame: import("./frames.mjs").Frame) => void} onSocket a frame of a socket: kinds 32 and up, CREDIT for a socket's id, and the
 *   RESPONSE that made a socket of an exchange which was cancelled meanwhile
 * @property {(frame: import("./frames.mjs").Frame) => void} onSession a frame of the session (kinds below 16, PING and PONG aside)
 * @property {(error: Error|null) => void} onLost the link ended; everything that waited on it has failed already
 */

/** How long a frame may wait for more to be written with it, ms: with everything in one write the two processes would take turns. */
const GATHER_MS = 0.12;
/** UTF-16 units that take at most a window of UTF-8. */
const LONG_TEXT = BODY_WINDOW / 3;
/** Ids of the host are even. */
const FIRST_ID = 2;
const LAST_ID = 0xffff_fff0;

/** How long to let the other side read before trying again, ms. */
const FULL_MS = 1;
const pause = new Int32Array(new SharedArrayBuffer(4));

/** Write all of `bytes` to a socket that does not block, waiting here while the kernel has no room. */
function writeAll(fd, bytes) {
  for (let at = 0; at < bytes.length; ) {
    try {
      at += writeSync(fd, bytes, at);
    } catch (error) {
      if (error.code !== "EAGAIN") throw error;
      Atomics.wait(pause, 0, 0, FULL_MS);
    }
  }
}

/** One end. Everything it calls runs in the async context in which it was opened. */
export class Link {
  #receiver;
  #socket = null;
  #inbox = new Inbox();
  #outbox = new Outbox();
  #exchanges = new ExchangeTable();
  #nextId = FIRST_ID;
  #clock;
  /** @type {{reach: (nowMs: number) => void} | null} */
  #follower = null;
  #direct = false;
  #scheduled = false;
  #reading = false;
  #queuedMs = 0;
  #flush = () => {
    this.#scheduled = false;
    this.flush();
  };
  /** Nothing can be sent any more. */
  lost = false;
  /** How many exchanges this side has opened. */
  asked = 0;

  /**
   * @param {Receiver} receiver
   * @param {{clock?: () => number}} [options] `clock` gives ms since 1970
   */
  constructor(receiver, { clock = nowMs } = {}) {
    this.#receiver = receiver;
    this.#clock = clock;
  }

  /** Connect to the gateway's socket. What is sent before the connection stands waits for it. @param {string} path */
  open(path) {
    const take = (frame) => this.#take(frame);
    this.#socket = connect({
      path,
      onread: {
        buffer: () => this.#inbox.room(),
        callback: (size) => this.#received(size, take),
      },
    });
    this.#socket.on("error", (error) => this.#end(error));
    this.#socket.on("close", () => this.#end(null));
  }

  /**
   * From now on frames carry a virtual clock's time, and every frame that arrives moves it.
   * @param {{nowMs: () => number, reach: (nowMs: number) => void}} clock
   */
  follow(clock) {
    this.#clock = clock.nowMs;
    this.#follower = clock;
  }

  /** The link shall not keep this process going (time/quiet.mjs). */
  letGo() {
    this.#socket.unref();
  }

  /** It shall again. */
  holdOn() {
    this.#socket.ref();
  }

  /** @param {object} handle @returns {boolean} whether it is the link's */
  isOurs(handle) {
    return handle === this.#socket;
  }

  // -- sending

  /**
   * Queue one frame. Frames sent after the loss go nowhere. Raises WireError E912 for one over the limit.
   * @param {number} kind
   * @param {number} id the exchange or socket, 0 = the session
   * @param {string|Uint8Array} [payload] a text goes as UTF-8; bytes belong to the link from now on
   * @param {number} [flags]
   */
  send(kind, id, payload = "", flags = 0) {
    if (this.lost) return;
    const first = this.#outbox.empty;
    this.#outbox.add(kind, id, this.#clock(), payload, flags);
    this.#queued(first);
  }

  /** Queue a frame with a JSON payload. */
  sendJson(kind, value, id = 0) {
    this.send(kind, id, jsonPayload(value));
  }

  /** Queue a REQUEST or RESPONSE. @param {string} head its lines @param {string|Uint8Array|null} whole the body, inline */
  sendHead(kind, id, head, whole, flags = 0) {
    if (this.lost) return;
    const first = this.#outbox.empty;
    this.#outbox.addHead(kind, id, this.#clock(), head, whole, flags);
    this.#queued(first);
  }

  /** Queue the RESPONSE of `incoming`: a body within the window goes inline, others follow as credit allows. */
  sendAnswer(incoming, head, body, flags) {
    this.#sendWithBody(Kind.RESPONSE, incoming, head, body, flags);
  }

  #sendWithBody(kind, exchange, head, body, flags) {
    const content = typeof body === "string" && body.length > LONG_TEXT ? Buffer.from(body) : body;
    const source = isSource(content) ? content : content !== null && content.length > BODY_WINDOW ? inChunks(content) : null;
    this.sendHead(kind, exchange.id, head, source === null ? content : null, source === null ? flags : flags | HAS_BODY);
    if (source !== null) exchange.sendBody(source);
  }

  /** Send a NOTE. @param {string} op @param {object} fields */
  note(op, fields) {
    this.sendJson(Kind.NOTE, { op, ...fields });
  }

  /**
   * Open a REQUEST to one of the gateway's services.
   * @param {"egress"|"ai"|"assets"} target
   * @param {{method: string, url: string, headers: Iterable<[string, string]>}} head
   * @param {string|Uint8Array|import("./exchange.mjs").BodySource|null} [body]
   * @param {{upgrade?: boolean}} [options]
   * @returns {Outgoing} its `answer` is a promise of an Answer
   */
  request(target, { method, url, headers }, body = null, { upgrade = false } = {}) {
    const exchange = this.#open();
    this.#sendWithBody(Kind.REQUEST, exchange, requestHead(target, method, url, headers), body, upgrade ? UPGRADE : 0);
    return exchange;
  }

  /** Open a CALL; resolves with the result, rejects with RemoteError or LinkLost. @returns {Promise<any>} */
  call(op, fields) {
    const exchange = this.#open();
    this.sendJson(Kind.CALL, { op, ...fields }, exchange.id);
    return exchange.answer;
  }

  #open() {
    while (this.#exchanges.has(this.#nextId)) this.#advance();
    this.asked += 1;
    const exchange = new Outgoing(this, this.#nextId);
    this.#advance();
    if (this.lost) exchange.lost(new LinkLost("the link is closed"));
    else this.#exchanges.add(exchange);
    return exchange;
  }

  #advance() {
    this.#nextId = this.#nextId < LAST_ID ? this.#nextId + 2 : FIRST_ID;
  }

  /** An exchange is over. */
  forget(id) {
    this.#exchanges.delete(id);
  }

  /** How many exchanges have not ended. */
  get openExchanges() {
    return this.#exchanges.size;
  }

  #queued(first) {
    if (!first) {
      if (monotonicMs() - this.#queuedMs > GATHER_MS) this.flush();
      return;
    }
    this.#queuedMs = monotonicMs();
    if (!this.#reading) this.#flushSoon();
  }

  #flushSoon() {
    if (this.#scheduled) return;
    this.#scheduled = true;
    setImmediate(this.#flush);
  }

  /** Write what is queued now. */
  flush() {
    if (this.#outbox.empty || this.#socket === null) return;
    const socket = this.#socket;
    const pieces = this.#outbox.drain();
    if (this.#direct && socket.writableLength === 0) {
      this.#writeThrough(pieces);
    } else if (pieces.length === 1) {
      socket.write(pieces[0]);
    } else {
      socket.cork();
      for (const piece of pieces) socket.write(piece);
      socket.uncork();
    }
    // Nothing waits in the socket: the kernel has all of it.
    if (socket.writableLength === 0) this.#outbox.reuse();
  }

  /**
   * Whether what is flushed is in the kernel when `flush` returns, however slowly the other side reads.
   * @param {boolean} on
   */
  writeThrough(on) {
    this.#direct = on;
  }

  #writeThrough(pieces) {
    try {
      for (const piece of pieces) writeAll(this.#socket._handle.fd, piece);
    } catch (error) {
      this.#socket.destroy(error);
    }
  }

  /** Send what is queued, then close; resolves when all of it has left. @returns {Promise<void>} */
  close() {
    this.flush();
    return new Promise((resolve) => {
      if (this.#socket === null || this.#socket.destroyed) resolve();
      else this.#socket.end(resolve);
    });
  }

  // -- receiving

  #received(size, take) {
    this.#reading = true;
    try {
      this.#inbox.received(size, take);
    } catch (error) {
      // Ours or the other side's fault, never the user's: user code does not run in here.
      this.#end(error);
    } finally {
      this.#reading = false;
      // What these frames were answered with at once leaves at once, and what the turns they have begun say leaves right behind them.
      this.flush();
      this.#flushSoon();
    }
    return true;
  }

  #take(frame) {
    const kind = frame.kind;
    this.#follower?.reach(frame.nowMs);
    if (kind >= Kind.TEXT) this.#receiver.onSocket(frame);
    else if (kind >= Kind.REQUEST) this.#takeExchange(kind, frame);
    else if (kind === Kind.PING) this.send(Kind.PONG, 0);
    else if (kind !== Kind.PONG) this.#receiver.onSession(frame);
  }

  #takeExchange(kind, frame) {
    if (kind === Kind.REQUEST) {
      this.#receiver.onRequest(this.#accept(frame));
    } else if (kind === Kind.CALL) {
      this.#receiver.onCall(this.#accept(frame), frame.json());
    } else if (kind === Kind.NOTE) {
      this.#receiver.onNote(frame.json(), frame.nowMs);
    } else {
      const exchange = this.#exchanges.get(frame.id);
      if (exchange !== undefined) exchange.take(frame);
      else if (kind === Kind.CREDIT || (kind === Kind.RESPONSE && frame.flags & UPGRADE)) this.#receiver.onSocket(frame);
    }
  }

  #accept(frame) {
    const incoming = new Incoming(this, frame);
    this.#exchanges.add(incoming);
    return incoming;
  }

  #end(error) {
    if (this.lost) return;
    this.lost = true;
    this.#socket.destroy();
    const loss = new LinkLost(error === null ? "the other process has ended" : error.message);
    for (const exchange of this.#exchanges.takeAll()) exchange.lost(loss);
    this.#receiver.onLost(error);
  }
}
