/** Durable Object namespaces, ids and stubs as user code sees them (durable-objects.md 1, 8). */

/** `ctx.id` and what `idFromName` returns. */
export class DurableObjectId {
  #text;

  /** @param {string} text 64 hex digits @param {string | null} name @param {string} className */
  constructor(text, name, className) {
    this.#text = text;
    this.className = className;
    if (name !== null) this.name = name;
  }

  toString() {
    return this.#text;
  }

  equals(other) {
    return other instanceof DurableObjectId && other.#text === this.#text;
  }
}

/** `env.NAME`. */
export class DurableObjectNamespace {}

/**
 * What a namespace needs of the host.
 *
 * @typedef {object} NamespaceWorld
 * @property {string} className
 * @property {import("./ids.mjs").IdSpace} ids
 * @property {(id: string, name: string | null) => import("./objects.mjs").ObjectHandle} find
 */

/**
 * @param {NamespaceWorld} world
 * @returns {DurableObjectNamespace}
 */
export function namespaceOf(world) {
  throw new Error(`not yet: ${world}`);
}

/**
 * `ctx.id` of an object.
 * @param {import("./objects.mjs").ObjectHandle} handle
 */
export function ownId(handle) {
  return new DurableObjectId(handle.id, handle.name, handle.className);
}

/**
 * A stub to a facet, which only its parent may hold.
 *
 * @param {DurableObjectId} id
 * @param {() => import("./objects.mjs").ObjectHandle | Promise<import("./objects.mjs").ObjectHandle>} find a promise while user code decides
 *   which object it is
 */
export function facetStub(id, find) {
  throw new Error(`not yet: ${id} ${find}`);
}
