/** A call from one owner's code to another's: copied both ways, through the caller's and the callee's gates. */

/**
 * One call or property read on its way to the other side.
 *
 * @typedef {object} Crossing
 * @property {string} label what people see it as: the method's name
 * @property {(receiver: object, rules: import("./targets.mjs").Rules) => Promise<unknown>} work runs it as code of the receiver's owner
 * @property {(result: unknown) => void} done
 * @property {(error: unknown, reset: boolean) => void} failed
 */

/**
 * What a stub points at: it hands crossings to a receiver, in order.
 *
 * @typedef {object} Reach
 * @property {(crossing: Crossing) => void} take
 * @property {string | null} [objectId] the object that errors are attributed to
 */

/**
 * Call what is at `path` of the other side, or read it.
 *
 * @param {Reach} reach
 * @param {string[]} path property names from the receiver, empty for the receiver itself (a function)
 * @param {unknown[] | null} args null reads the property
 * @returns {import("./stub.mjs").RpcPromise}
 */
export function callMethod(reach, path, args) {
  throw new Error(`not yet: ${reach} ${path} ${args}`);
}
