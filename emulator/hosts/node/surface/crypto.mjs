/** What the platform's crypto does otherwise than Node's: more algorithms of its own, and no chance at module level; ours repeats with a seed. */

import { createRequire, syncBuiltinESMExports } from "node:module";
import { filled, isSeeded, randomBetween, randomUuid } from "../chance.mjs";
import { needEvent } from "../module_level.mjs";
import { DigestStream, timingSafeEqual } from "./digest.mjs";

const builtin = createRequire(import.meta.url);
const CHANCE = { randomBytes: bytes, randomFill: fill, randomFillSync: fill, randomInt: integer, randomUUID: uuid };

/** The global `crypto`, changed in place. @param {Crypto} crypto */
export function changeCrypto(crypto) {
  own(crypto, "DigestStream", DigestStream);
  own(crypto.subtle, "timingSafeEqual", timingSafeEqual);
  const { getRandomValues, randomUUID } = crypto;
  const { generateKey } = crypto.subtle;
  own(crypto, "getRandomValues", function (array) {
    needEvent();
    const given = getRandomValues.call(this, array);
    return isSeeded() ? filled(given) : given;
  });
  own(crypto, "randomUUID", function (options) {
    needEvent();
    const given = randomUUID.call(this, options);
    return isSeeded() ? randomUuid() : given;
  });
  own(crypto.subtle, "generateKey", async function (...given) {
    needEvent();
    return generateKey.apply(this, given);
  });
}

/** `node:crypto`, changed in place when it is first asked for. */
export function installNodeCrypto() {
  const crypto = builtin("node:crypto");
  for (const [name, repeatable] of Object.entries(CHANCE)) {
    const original = crypto[name];
    crypto[name] = (...given) => {
      needEvent();
      return isSeeded() ? repeated(original, given, repeatable) : original(...given);
    };
  }
  // Who imports `webcrypto` gets the object that the global is, which is changed when it is first asked for.
  globalThis.crypto;
  syncBuiltinESMExports();
}

/**
 * Call the original for its errors and its manners, and give out what repeats. A value is drawn when it is asked for, not when the machine
 * has its own ready.
 * @param {Function} original
 * @param {unknown[]} given its arguments
 * @param {(given: unknown[]) => (result: any) => unknown} repeatable draws; gives what takes the place of a result
 */
function repeated(original, given, repeatable) {
  const callback = given.at(-1);
  if (typeof callback !== "function") {
    const machines = original(...given);
    return repeatable(given)(machines);
  }
  let result = null;
  original(...given.slice(0, -1), (error, value) => callback(error, error ? undefined : result(value)));
  result = repeatable(given.slice(0, -1));
  return undefined;
}

function bytes([size]) {
  const drawn = filled(new Uint8Array(Number(size)));
  return (buffer) => {
    buffer.set(drawn);
    return buffer;
  };
}

function fill([view, offset = 0, size = undefined]) {
  const whole = ArrayBuffer.isView(view) ? new Uint8Array(view.buffer, view.byteOffset, view.byteLength) : new Uint8Array(view);
  const unit = view.BYTES_PER_ELEMENT ?? 1;
  const from = offset * unit;
  const drawn = filled(new Uint8Array(size === undefined ? whole.length - from : size * unit));
  return (given) => {
    whole.set(drawn, from);
    return given;
  };
}

function integer([first, second]) {
  const drawn = second === undefined ? randomBetween(0, first) : randomBetween(first, second);
  return () => drawn;
}

function uuid() {
  const drawn = randomUuid();
  return () => drawn;
}

function own(target, name, value) {
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
}
