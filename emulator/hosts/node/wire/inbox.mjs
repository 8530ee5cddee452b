/** Bytes in, frames out (emulator/wire/README.md, Frames). */
import { WireError } from "../errors.mjs";
import { Buffer } from "../originals.mjs";
import { Frame, HEAD_SIZE, Kind, MAX_PAYLOAD } from "./frames.mjs";

const KNOWN = new Uint8Array(256);
for (const kind of Object.values(Kind)) KNOWN[kind] = 1;

const TWO_32 = 0x1_0000_0000;
const VERSIONS = "both sides must come from one agents-emu version: reinstall it, and the project's own copy if it has one";

const SLAB = 64 * 1024;
/** With less room than this a read would bring less than a pipe usually holds. */
const LEAST_ROOM = 8 * 1024;
/** A payload of at least this size that has not arrived whole gets memory of its own, so that it need not be copied. */
const LARGE = 16 * 1024;

/**
 * Cuts a byte stream into frames. Whoever reads the stream reads into `room()` and tells `received`. Frames look at that memory, which is
 * never written twice.
 */
export class Inbox {
  #slab = Buffer.allocUnsafeSlow(SLAB);
  #parsed = 0;
  #filled = 0;
  #wanted = 0;
  /** A large payload that is arriving: its frame's fields, and how much of it is there. */
  #large = null;

  /** Where the next bytes of the stream go. @returns {Buffer} at least one byte */
  room() {
    const large = this.#large;
    if (large !== null) return large.bytes.subarray(large.filled);
    const room = this.#slab.length - this.#filled;
    if (room < LEAST_ROOM || this.#parsed + this.#wanted > this.#slab.length) {
      const next = Buffer.allocUnsafeSlow(SLAB);
      this.#slab.copy(next, 0, this.#parsed, this.#filled);
      this.#slab = next;
      this.#filled -= this.#parsed;
      this.#parsed = 0;
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
    if (this.#large !== null) this.#receivedLarge(size, take);
    else this.#receivedFrames(size, take);
  }

  #receivedLarge(size, take) {
    const { kind, flags, id, nowMs, bytes } = this.#large;
    this.#large.filled += size;
    if (this.#large.filled < bytes.length) return;
    this.#large = null;
    take(new Frame(kind, flags, id, nowMs, bytes, 0, bytes.length));
  }

  #receivedFrames(size, take) {
    this.#filled += size;
    this.#wanted = 0;
    const slab = this.#slab;
    const end = this.#filled;
    while (end - this.#parsed >= HEAD_SIZE) {
      const at = this.#parsed;
      const length = slab.readUInt32LE(at);
      const kind = slab[at + 4];
      if (!KNOWN[kind]) throw new WireError("E911", `the other side sent a frame of unknown kind ${kind}`, { hint: VERSIONS });
      if (length > MAX_PAYLOAD) {
        throw new WireError("E912", `the other side sent a frame of ${length} bytes; the limit is ${MAX_PAYLOAD}`);
      }
      const start = at + HEAD_SIZE;
      const stop = start + length;
      const flags = slab[at + 5];
      const id = slab.readUInt32LE(at + 6);
      const nowMs = slab.readUInt32LE(at + 10) + slab.readInt32LE(at + 14) * TWO_32;
      if (stop <= end) {
        this.#parsed = stop;
        take(new Frame(kind, flags, id, nowMs, slab, start, stop));
      } else if (length < LARGE) {
        this.#wanted = HEAD_SIZE + length;
        return;
      } else {
        const bytes = Buffer.allocUnsafeSlow(length);
        this.#large = { kind, flags, id, nowMs, bytes, filled: slab.copy(bytes, 0, start, end) };
        this.#parsed = end;
        return;
      }
    }
  }

  /** Bytes of a frame that has not arrived whole. */
  get pending() {
    return this.#large !== null ? HEAD_SIZE + this.#large.filled : this.#filled - this.#parsed;
  }
}
