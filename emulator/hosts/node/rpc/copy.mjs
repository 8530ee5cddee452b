/** What the other side gets for a value: copies of data, stubs for functions and RpcTargets (durable-objects.md 8). */

/**
 * A value as the other side gets it, made by the running code's owner.
 * @param {unknown} value
 * @returns {unknown}
 * @throws {DOMException} DataCloneError, with workerd's words
 */
export function copyAcross(value) {
  throw new Error(`not yet: ${value}`);
}
