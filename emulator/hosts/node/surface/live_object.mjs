/** Objects that stand for another one, which may be replaced: `env` and `exports` of `cloudflare:workers`. */

const forwarded = ["get", "set", "has", "deleteProperty", "ownKeys", "getOwnPropertyDescriptor", "defineProperty", "getPrototypeOf"];

/**
 * An object whose every operation goes to what `current()` returns at that moment.
 * @param {() => object} current
 * @returns {object}
 */
export function live(current) {
  /** @type {ProxyHandler<object>} */
  const handler = {};
  for (const operation of forwarded) {
    handler[operation] = (_target, ...rest) => Reflect[operation](current(), ...rest.slice(0, operation === "set" ? 2 : rest.length));
  }
  return new Proxy({}, handler);
}
