/** Frames in, bytes out (emulator/wire/README.md, Frames). */
import { WireError } from "../errors.mjs";
import { Buffer } from "../originals.mjs";
import { HEAD_SIZE, MAX_PAYLOAD, WHOLE } from "./frames.mjs";

const TWO_32 = 0x1_0000_0000;
const SLAB = 64 * 1024;
/** Payloads up to this size are gathered with their neighbours; larger ones are written from where they are. */
const COPIED = 16 * 1024;
/** UTF-8 takes at most three bytes for each UTF-16 unit. */
const MOST = 3;

/**
 * Gathers frames into as few pieces as possible: heads, texts and small payloads go straight into one block of memory.
 * `drain` gives the pieces in order; `reuse` may follow when all of them have left.
 */
export class Outbox {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #from = 0;
  #at = 0;
  #pieces = [];
  #lastMs = 0;
  #lastLow = 0;
  #lastHigh = 0;

  /** Whether nothing waits. */
  get empty() {
    return this.#at === this.#from && this.#pieces.length === 0;
  }

  /**
   * Add one frame. Bytes that are passed belong to the outbox from now on. Raises WireError E912.
   * @param {number} kind
   * @param {number} id
   * @param {number} nowMs
   * @param {string|Uint8Array} payload a text goes as UTF-8
   * @param {number} flags
   */
  add(kind, id, nowMs, payload, flags) {
    if (typeof payload !== "string") {
      this.#room(HEAD_SIZE);
      this.#head(kind, id, nowMs, payload.length, flags);
      this.#bytes(payload);
    } else if (payload.length > COPIED) {
      this.add(kind, id, nowMs, Buffer.from(payload), flags);
    } else {
      const slab = this.#room(HEAD_SIZE + payload.length * MOST);
      const size = payload === "" ? 0 : slab.utf8Write(payload, this.#at + HEAD_SIZE, payload.length * MOST);
      this.#head(kind, id, nowMs, size, flags);
      this.#at += size;
    }
  }

  /**
   * Add a REQUEST or RESPONSE. Raises WireError E912.
   * @param {string} head its lines, ISO-8859-1
   * @param {string|Uint8Array|null} body the whole body; sets WHOLE
   */
  addHead(kind, id, nowMs, head, body, flags) {
    if (body === null) {
      const slab = this.#room(HEAD_SIZE + head.length);
      this.#head(kind, id, nowMs, head.length, flags);
      this.#at += slab.latin1Write(head, this.#at, head.length);
    } else if (typeof body === "string" && body.length > COPIED) {
      this.addHead(kind, id, nowMs, head, Buffer.from(body), flags);
    } else {
      this.#addWhole(kind, id, nowMs, head, body, flags | WHOLE);
    }
  }

  #addWhole(kind, id, nowMs, head, body, flags) {
    const text = typeof body === "string";
    const before = 4 + head.length;
    const slab = this.#room(HEAD_SIZE + before + (text ? body.length * MOST : 0));
    const at = this.#at + HEAD_SIZE;
    slab.writeUInt32LE(head.length, at);
    slab.latin1Write(head, at + 4, head.length);
    if (!text) {
      this.#head(kind, id, nowMs, before + body.length, flags);
      this.#at += before;
      this.#bytes(body);
    } else {
      const size = body === "" ? 0 : slab.utf8Write(body, at + before, body.length * MOST);
      this.#head(kind, id, nowMs, before + size, flags);
      this.#at += before + size;
    }
  }

  #bytes(bytes) {
    const size = bytes.length;
    if (size > COPIED || this.#slab.length - this.#at < size) {
      this.#cut();
      this.#pieces.push(bytes);
    } else {
      this.#slab.set(bytes, this.#at);
      this.#at += size;
    }
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
