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
  TURN: 27,
  POINT: 28,
  TEXT: 32,
  BINARY: 33,
  CLOSE: 34,
  FAULT: 35,
  ACCEPTED: 36,
  ATTACHMENT: 37,
  ANSWERED: 38,
  GONE: 39,
});

/** Flags of REQUEST and RESPONSE. */
export const HAS_BODY = 1;
export const UPGRADE = 2;
export const WHOLE = 4;
export const ENCODED = 8;
/** Flag of BODY. */
export const LAST = 1;
/** Flags of CLOSE. */
export const CLEAN = 1;
export const CUT = 2;

/** One frame. It may be kept: its memory is never written again. */
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

  /**
   * The payload, in an ArrayBuffer of its own: user code may get it, keep it and transfer it. Ask once: a small payload is copied out of
   * the block it came in. @returns {Uint8Array}
   */
  get payload() {
    return owned(this.#bytes, this.#start, this.#end);
  }

  /** The payload as UTF-8; what is none becomes U+FFFD. */
  text() {
    return this.#bytes.utf8Slice(this.#start, this.#end);
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
    return readClose(this.#bytes.subarray(this.#start, this.#end));
  }

  /**
   * The lines of a REQUEST's or RESPONSE's head, and the whole body (as `payload`) when it came inline. Ask once.
   * @returns {{head: string, body: Uint8Array|null}}
   */
  head() {
    let start = this.#start;
    let end = this.#end;
    let body = null;
    if (this.flags & WHOLE) {
      if (end - start < 4) throw new WireError("E914", "a request or response head is cut short");
      const length = this.#bytes.readUInt32LE(start);
      start += 4;
      body = owned(this.#bytes, start + length, end);
      end = start + length;
    }
    return { head: this.#bytes.latin1Slice(start, end), body };
  }
}

function owned(bytes, start, end) {
  if (start === 0 && end === bytes.buffer.byteLength) return new Uint8Array(bytes.buffer);
  return new Uint8Array(bytes.buffer.slice(bytes.byteOffset + start, bytes.byteOffset + end));
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

/** What `closePayload` made. @param {Buffer} bytes @returns {{code: number|null, reason: string}} */
export function readClose(bytes) {
  return { code: bytes.readUInt16LE(0) || null, reason: bytes.utf8Slice(2) };
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
