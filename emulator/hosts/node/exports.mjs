/** `ctx.exports`: the Worker's own classes and entrypoints as loopback bindings (durable-objects.md 8). */

/**
 * One event of an entrypoint of this Worker (worker.mjs has it).
 *
 * @typedef {object} Entry
 * @property {import("./owner.mjs").Owner} owner the invocation
 * @property {object} receiver what handles the event: an instance of the entrypoint's class, or the exported object of handlers
 * @property {(request: Request) => Promise<Response>} fetch
 */

/**
 * What `ctx.exports` needs of the host.
 *
 * @typedef {object} ExportsWorld
 * @property {(entrypoint: string, props: object) => Entry} begin begins an invocation of the entrypoint
 */

/**
 * A service stub to an entrypoint of this Worker: `fetch`, RPC, and `stub({props})`.
 *
 * @param {string} entrypoint the export's name, `default` for the Worker itself
 * @param {ExportsWorld} world
 */
export function loopbackService(entrypoint, world) {
  throw new Error(`not yet: ${entrypoint} ${world}`);
}

/**
 * A service binding to an entrypoint of this Worker (`env.SELF`): as `loopbackService`, and it may go over RPC.
 *
 * @param {string} entrypoint
 * @param {ExportsWorld} world
 * @param {object} [props]
 */
export function serviceBinding(entrypoint, world, props = {}) {
  throw new Error(`not yet: ${entrypoint} ${world} ${props}`);
}

/**
 * A Durable Object class of this Worker in `ctx.exports`: a namespace where `namespace` is there, and a class for facets always.
 *
 * @param {string} className
 * @param {import("./namespace.mjs").NamespaceWorld | null} namespace null for a class that has no storage of its own configured
 */
export function loopbackClass(className, namespace) {
  throw new Error(`not yet: ${className} ${namespace}`);
}

/**
 * Which class a facet is of: what its getter returned as `class`.
 *
 * @param {unknown} token
 * @returns {{className: string, props: object | undefined} | null} null when it is no class of `ctx.exports`
 */
export function classToken(token) {
  throw new Error(`not yet: ${token}`);
}
