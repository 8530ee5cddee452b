/** The `rpc` operation of the gateway: a method of an object, called by people with JSON. */

/**
 * @param {import("../objects.mjs").ObjectHandle} handle
 * @param {string} method
 * @param {unknown[]} args JSON values
 * @returns {Promise<unknown>} the result as JSON data; what has no JSON form as its text
 */
export async function callByHand(handle, method, args) {
  throw new Error(`not yet: ${handle} ${method} ${args}`);
}
