/** The frame table of the link and its codec: bytes in, frames out. Pure; emulator/wire/README.md is the specification. */
import { WireError } from "../errors.mjs";
import { Buffer, parseJson, writeJson } from "../originals.mjs";

export const PROTOCOL = 1;
export const HEAD_SIZE = 18;
/** Bytes a frame may carry. */
export const MAX_PAYLOAD = 64 * 1024 * 1024;
/** Bytes a body may be ahead of its reader. */
export const BODY_WINDOW = 256 * 1024;
/** Bytes of messages a socket may be ahead of the start of their handlers. */
export const SOCKET_WINDOW = 1024 * 1024;

/** What a frame is; the numbers are the protocol. */
export const Kind = Object.freeze({
  HELLO: 1,
  PRELOAD: 2,
  LOAD: 3,
  READY: 4,
  FAILED: 5,
  START: 6,
  DRAIN: 7,
  DRAINED: 8,
  PING: 9,
  PONG: 10,
  REQUEST: 16,
  RESPONSE: 17,
  BODY: 18,
  CREDIT: 19,
  CANCEL: 20,
  BROKEN: 21,
  CALL: 22,
  RESULT: 23,
  ERROR: 24,
  NOTE: 26,
  TEXT: 32,
  BINARY: 33,
  CLOSE: 34,
  FAULT: 35,
  ACCEPTED: 36,
  ATTACHMENT: 37,
  ANSWERED: 38,
  GONE: 39,
});

const KNOWN = new Uint8Array(256);
for (const kind of Object.values(Kind)) KNOWN[kind] = 1;

/** Flags of REQUEST and RESPONSE. */
export const HAS_BODY = 1;
export const UPGRADE = 2;
export const WHOLE = 4;
/** Flag of BODY. */
export const LAST = 1;
/** Flags of CLOSE. */
export const CLEAN = 1;
export const CUT = 2;

const TWO_32 = 0x1_0000_0000;
const VERSIONS = "both sides must come from one agents-emu version: reinstall it, and the project's own copy if it has one";

/** One frame. Its bytes are never written again, so a frame may be kept; `payload` is a view of them, made when it is asked for. */
export class Frame {
  #bytes;
  #start;
  #end;

  /** `bytes` from `start` to `end` is the payload. */
  constructor(kind, flags, id, nowMs, bytes, start, end) {
    /** @type {number} one of Kind */
    this.kind = kind;
    this.flags = flags;
    this.id = id;
    /** The sender's clock, ms since 1970. */
    this.nowMs = nowMs;
    this.#bytes = bytes;
    this.#start = start;
    this.#end = end;
  }

  /** Bytes of the payload. */
  get size() {
    return this.#end - this.#start;
  }

  /** The payload as a view, not a copy. @returns {Buffer} */
  get payload() {
    return this.#bytes.subarray(this.#start, this.#end);
  }

  /** The payload as UTF-8; what is none becomes U+FFFD. */
  text() {
    return this.#bytes.toString("utf8", this.#start, this.#end);
  }

  /** The payload's JSON value; WireError E913 when it is none. */
  json() {
    try {
      return parseJson(this.text());
    } catch (error) {
      throw new WireError("E913", `a payload that should be JSON is not: ${error.message}`);
    }
  }

  /** Bytes granted by a CREDIT. */
  credit() {
    return this.#bytes.readUInt32LE(this.#start);
  }

  /** @returns {{code: number|null, reason: string}} of a CLOSE; null = it carried no code */
  close() {
    const code = this.#bytes.readUInt16LE(this.#start);
    return { code: code || null, reason: this.#bytes.toString("utf8", this.#start + 2, this.#end) };
  }

  /** The lines of a REQUEST's or RESPONSE's head, and the whole body when it came inline. @returns {{head: string, body: Buffer|null}} */
  head() {
    let start = this.#start;
    let end = this.#end;
    let body = null;
    if (this.flags & WHOLE) {
      if (end - start < 4) throw new WireError("E914", "a request or response head is cut short");
      const length = this.#bytes.readUInt32LE(start);
      start += 4;
      body = this.#bytes.subarray(start + length, end);
      end = start + length;
    }
    return { head: this.#bytes.latin1Slice(start, end), body };
  }
}

const SLAB = 64 * 1024;
/** With less room than this a read would bring less than a pipe usually holds. */
const LEAST_ROOM = 8 * 1024;

/**
 * Cuts a byte stream into frames, without copies: whoever reads the stream reads into `room()` and tells `received`. Frames stay views of
 * that memory, which is never written twice.
 */
export class Inbox {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #parsed = 0;
  #filled = 0;
  #wanted = 0;

  /** Where the next bytes of the stream go. @returns {Buffer} at least one byte */
  room() {
    const pending = this.#filled - this.#parsed;
    if (this.#slab.length - this.#filled < LEAST_ROOM || this.#parsed + this.#wanted > this.#slab.length) {
      const next = Buffer.allocUnsafeSlow(Math.max(SLAB, this.#wanted));
      this.#slab.copy(next, 0, this.#parsed, this.#filled);
      this.#slab = next;
      this.#parsed = 0;
      this.#filled = pending;
    }
    return this.#slab.subarray(this.#filled);
  }

  /**
   * `size` bytes were written to the `room()` asked for last. Calls `take` with each frame they complete.
   * Raises WireError E911 for an unknown kind, E912 for a payload over the limit.
   * @param {number} size
   * @param {(frame: Frame) => void} take
   */
  received(size, take) {
    this.#filled += size;
    const slab = this.#slab;
    const end = this.#filled;
    this.#wanted = 0;
    while (end - this.#parsed >= HEAD_SIZE) {
      const at = this.#parsed;
      const length = slab.readUInt32LE(at);
      const kind = slab[at + 4];
      if (!KNOWN[kind]) throw new WireError("E911", `the other side sent a frame of unknown kind ${kind}`, { hint: VERSIONS });
      if (length > MAX_PAYLOAD) {
        throw new WireError("E912", `the other side sent a frame of ${length} bytes; the limit is ${MAX_PAYLOAD}`);
      }
      const stop = at + HEAD_SIZE + length;
      if (stop > end) {
        this.#wanted = HEAD_SIZE + length;
        return;
      }
      this.#parsed = stop;
      const nowMs = slab.readUInt32LE(at + 10) + slab.readInt32LE(at + 14) * TWO_32;
      take(new Frame(kind, slab[at + 5], slab.readUInt32LE(at + 6), nowMs, slab, at + HEAD_SIZE, stop));
    }
  }

  /** Bytes of a frame that has not arrived whole. */
  get pending() {
    return this.#filled - this.#parsed;
  }
}

/** Payloads up to this size are gathered with their neighbours; larger ones are written from where they are. */
const COPIED = 16 * 1024;

/**
 * Gathers frames into as few pieces as possible: heads, texts and small payloads go straight into one block of memory.
 * `drain` gives the pieces in order; `reuse` may follow when all of them have left.
 */
export class Outbox {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #from = 0;
  #at = 0;
  #pieces = [];
  #lastMs = -1;
  #lastLow = 0;
  #lastHigh = 0;

  /** Whether nothing waits. */
  get empty() {
    return this.#at === this.#from && this.#pieces.length === 0;
  }

  /**
   * Add one frame. Bytes that are passed belong to the outbox from now on.
   * @param {number} kind
   * @param {number} id
   * @param {number} nowMs
   * @param {string|Uint8Array} payload a text is sent as UTF-8
   * @param {number} flags
   */
  add(kind, id, nowMs, payload, flags) {
    if (typeof payload === "string") this.#addText(kind, id, nowMs, payload, flags);
    else this.#addBytes(kind, id, nowMs, payload, flags);
  }

  /**
   * Add a REQUEST or RESPONSE.
   * @param {string} head its lines, ISO-8859-1
   * @param {Uint8Array|string|null} body the whole body; sets WHOLE
   */
  addHead(kind, id, nowMs, head, body, flags) {
    const bytes = typeof body === "string" ? Buffer.from(body) : body;
    const before = bytes === null ? 0 : 4;
    const size = before + head.length;
    let slab = this.#room(HEAD_SIZE + size);
    this.#head(kind, id, nowMs, size + (bytes === null ? 0 : bytes.length), bytes === null ? flags : flags | WHOLE);
    slab = this.#slab;
    if (bytes !== null) slab.writeUInt32LE(head.length, this.#at);
    slab.latin1Write(head, this.#at + before, head.length);
    this.#at += size;
    if (bytes !== null) this.#bytes(bytes);
  }

  #addText(kind, id, nowMs, text, flags) {
    // Three bytes for each UTF-16 unit is the most that UTF-8 takes.
    const most = text.length * 3;
    if (most > SLAB) {
      this.#addBytes(kind, id, nowMs, Buffer.from(text), flags);
      return;
    }
    const slab = this.#room(HEAD_SIZE + most);
    const head = this.#at;
    const size = most === 0 ? 0 : slab.utf8Write(text, head + HEAD_SIZE, most);
    this.#head(kind, id, nowMs, size, flags);
    this.#at += size;
  }

  #addBytes(kind, id, nowMs, bytes, flags) {
    this.#room(HEAD_SIZE);
    this.#head(kind, id, nowMs, bytes.length, flags);
    this.#bytes(bytes);
  }

  #bytes(bytes) {
    const size = bytes.length;
    if (size > COPIED || this.#slab.length - this.#at < size) {
      this.#cut();
      this.#pieces.push(bytes);
      return;
    }
    this.#slab.set(bytes, this.#at);
    this.#at += size;
  }

  #head(kind, id, nowMs, length, flags) {
    if (length > MAX_PAYLOAD) throw new WireError("E912", `a frame of ${length} bytes is over the limit of ${MAX_PAYLOAD}`);
    const slab = this.#slab;
    const at = this.#at;
    if (nowMs !== this.#lastMs) {
      this.#lastMs = nowMs;
      this.#lastHigh = Math.floor(nowMs / TWO_32);
      this.#lastLow = nowMs - this.#lastHigh * TWO_32;
    }
    slab.writeUInt32LE(length, at);
    slab[at + 4] = kind;
    slab[at + 5] = flags;
    slab.writeUInt32LE(id, at + 6);
    slab.writeUInt32LE(this.#lastLow, at + 10);
    slab.writeInt32LE(this.#lastHigh, at + 14);
    this.#at = at + HEAD_SIZE;
  }

  #room(size) {
    if (this.#slab.length - this.#at < size) {
      this.#cut();
      this.#slab = Buffer.allocUnsafeSlow(Math.max(SLAB, size));
      this.#from = this.#at = 0;
    }
    return this.#slab;
  }

  #cut() {
    if (this.#at > this.#from) this.#pieces.push(this.#slab.subarray(this.#from, this.#at));
    this.#from = this.#at;
  }

  /** Everything that waits, in order; the outbox is empty afterwards. @returns {Uint8Array[]} */
  drain() {
    this.#cut();
    const pieces = this.#pieces;
    this.#pieces = [];
    return pieces;
  }

  /** All pieces that were drained have left: their memory may be used again. */
  reuse() {
    if (this.empty) this.#from = this.#at = 0;
  }
}

/** A JSON payload. */
export function jsonPayload(value) {
  return writeJson(value);
}

/** Payload of CREDIT. @param {number} size bytes */
export function creditPayload(size) {
  const bytes = Buffer.allocUnsafe(4);
  bytes.writeUInt32LE(size);
  return bytes;
}

/** Payload of CLOSE. @param {number|null} code null = the Close frame carries no code @param {string} reason */
export function closePayload(code, reason) {
  const bytes = Buffer.allocUnsafe(2 + Buffer.byteLength(reason));
  bytes.writeUInt16LE(code ?? 0);
  bytes.write(reason, 2);
  return bytes;
}

/** The lines of a request's head. @param {Iterable<[string, string]>} headers */
export function requestHead(target, method, url, headers) {
  return withHeaders(`${target}\n${method}\n${url}`, headers);
}

/** The lines of a response's head. @param {Iterable<[string, string]>} headers */
export function responseHead(status, reason, headers) {
  return withHeaders(`${status}\n${reason}`, headers);
}

function withHeaders(head, headers) {
  for (const [name, value] of headers) head += `\n${name}\n${value}`;
  return head;
}

/**
 * The head of a REQUEST. `headers` are names and values in order, ISO-8859-1.
 * @returns {{target: string, method: string, url: string, headers: [string, string][]}}
 */
export function readRequestHead(head) {
  const lines = cut(head, 3);
  return { target: lines[0], method: lines[1], url: lines[2], headers: pairs(lines, 3) };
}

/** The head of a RESPONSE. @returns {{status: number, reason: string, headers: [string, string][]}} */
export function readResponseHead(head) {
  const lines = cut(head, 2);
  return { status: Number(lines[0]), reason: lines[1], headers: pairs(lines, 2) };
}

function cut(head, fixed) {
  const lines = head.split("\n");
  if (lines.length < fixed || (lines.length - fixed) % 2) throw new WireError("E914", "a request or response head has half a header");
  return lines;
}

function pairs(lines, from) {
  const headers = [];
  for (let at = from; at < lines.length; at += 2) headers.push([lines[at], lines[at + 1]]);
  return headers;
}
