/** What the platform's crypto does otherwise than Node's: more algorithms of its own, and no chance at module level. */

import { createRequire, syncBuiltinESMExports } from "node:module";
import { needEvent } from "../module_level.mjs";
import { DigestStream, timingSafeEqual } from "./digest.mjs";

const builtin = createRequire(import.meta.url);
const CHANCE = ["randomBytes", "randomFill", "randomFillSync", "randomInt", "randomUUID"];

/** The global `crypto`, changed in place. @param {Crypto} crypto */
export function changeCrypto(crypto) {
  own(crypto, "DigestStream", DigestStream);
  own(crypto.subtle, "timingSafeEqual", timingSafeEqual);
  const { getRandomValues, randomUUID } = crypto;
  const { generateKey } = crypto.subtle;
  own(crypto, "getRandomValues", function (array) {
    needEvent();
    return getRandomValues.call(this, array);
  });
  own(crypto, "randomUUID", function (options) {
    needEvent();
    return randomUUID.call(this, options);
  });
  own(crypto.subtle, "generateKey", async function (...given) {
    needEvent();
    return generateKey.apply(this, given);
  });
}

/** `node:crypto`, changed in place when it is first asked for. */
export function installNodeCrypto() {
  const crypto = builtin("node:crypto");
  for (const name of CHANCE) {
    const original = crypto[name];
    crypto[name] = (...given) => {
      needEvent();
      return original(...given);
    };
  }
  syncBuiltinESMExports();
}

function own(target, name, value) {
  Object.defineProperty(target, name, { value, writable: true, configurable: true });
}
