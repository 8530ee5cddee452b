/**
 * Randomness of user code: the machine's, or, with a seed, one stream that repeats. One stream feeds everything, in the order in which code
 * asks. Keys that `crypto.subtle` makes, salts and nonces inside Node's cryptography are never repeated.
 */

import { createHash, randomBytes as nodeRandomBytes } from "node:crypto";
import { Buffer } from "./originals.mjs";

/** As it was at the start: what a module of Node's exports is replaced for user code, in what has imported it too. */
const machineBytes = nodeRandomBytes;

const TWO_32 = 2 ** 32;
const TWO_21 = 2 ** 21;
const TWO_53 = 2 ** 53;

/** Chris Doty-Humphrey's sfc32: 128 bits of state, 32 at a time. */
class Stream {
  #state;

  /** @param {number} seed */
  constructor(seed) {
    const digest = createHash("sha256").update(`agents-emu ${seed}`).digest();
    this.#state = new Uint32Array([digest.readUInt32LE(0), digest.readUInt32LE(4), digest.readUInt32LE(8), 1]);
    for (let round = 0; round < 12; round += 1) this.next();
  }

  /** @returns {number} 32 bits */
  next() {
    const state = this.#state;
    const [a, b, c, count] = state;
    const sum = (a + b + count) >>> 0;
    state[0] = b ^ (b >>> 9);
    state[1] = c + (c << 3);
    state[2] = ((c << 21) | (c >>> 11)) + sum;
    state[3] = count + 1;
    return sum;
  }
}

/** @type {Stream | null} */
let stream = null;

/** Whether user code's randomness repeats. */
export function isSeeded() {
  return stream !== null;
}

/** From now on everything repeats what it gave after the same seed. @param {number} value */
export function seed(value) {
  stream = new Stream(value);
}

/** @param {number} size @returns {Buffer} */
export function randomBytes(size) {
  return stream === null ? machineBytes(size) : filled(Buffer.alloc(size));
}

/**
 * Repeatable bytes in the place of what the machine gave; with a seed only.
 * @template {ArrayBufferView} T
 * @param {T} view
 * @returns {T} the same
 */
export function filled(view) {
  const bytes = new Uint8Array(view.buffer, view.byteOffset, view.byteLength);
  for (let at = 0; at < bytes.length; at += 4) {
    const word = stream.next();
    for (let index = 0; index < 4 && at + index < bytes.length; index += 1) bytes[at + index] = word >>> (8 * index);
  }
  return view;
}

/** From 0 to below 1; with a seed only. */
export function randomUnit() {
  return ((stream.next() >>> 0) * TWO_21 + (stream.next() >>> 11)) / TWO_53;
}

/** A whole number; with a seed only. @param {number} from @param {number} below at most 2**48 more */
export function randomBetween(from, below) {
  const span = below - from;
  const most = TWO_53 - (TWO_53 % span);
  for (;;) {
    const drawn = (stream.next() % TWO_21) * TWO_32 + stream.next();
    if (drawn < most) return from + (drawn % span);
  }
}

/** A UUID of version 4; with a seed only. */
export function randomUuid() {
  const bytes = randomBytes(16);
  bytes[6] = (bytes[6] & 0x0f) | 0x40;
  bytes[8] = (bytes[8] & 0x3f) | 0x80;
  const hex = bytes.toString("hex");
  return [hex.slice(0, 8), hex.slice(8, 12), hex.slice(12, 16), hex.slice(16, 20), hex.slice(20)].join("-");
}

/** `Math.random` draws from the stream. Without a seed it stays the language's, which nothing is as fast as. */
export function replaceMathRandom() {
  const random = randomUnit.bind(null);
  Object.defineProperty(random, "name", { value: "random" });
  Object.defineProperty(Math, "random", { value: random, writable: true, enumerable: false, configurable: true });
}
