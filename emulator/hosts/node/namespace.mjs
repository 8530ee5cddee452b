/** Durable Object namespaces, ids and stubs as user code sees them (durable-objects.md 1, 8). */

import { callFetch } from "./dispatch.mjs";
import { needEvent } from "./module_level.mjs";
import { ownedResponse } from "./owned_body.mjs";
import { ILLEGAL_INVOCATION } from "./rpc/errors.mjs";
import { Fetcher, FetcherWildcard } from "./rpc/fetcher.mjs";
import { sendTo } from "./rpc/fetching.mjs";
import { REFUSED, sourceOfObject } from "./rpc/visit.mjs";
import { wildcardProxy } from "./rpc/wildcard.mjs";
import { wrongParameter } from "./surface/arguments.mjs";
import { Turn } from "./turns.mjs";

const NO_JURISDICTION = "Jurisdiction restrictions are not implemented in workerd.";
const FACET_STAYS = "Stubs pointing to Durable Object facets are not serializable.";

/** @type {(id: DurableObjectId) => string} */
let classOf;

/** `ctx.id` and what `idFromName` returns. */
export class DurableObjectId {
  static {
    classOf = (id) => id.#className;
  }

  #text;
  #className;

  /** @param {string} text 64 hex digits @param {string | null} name null for an id that was not made from one @param {string} className */
  constructor(text, name, className) {
    this.#text = text;
    this.#className = className;
    this.jurisdiction = undefined;
    this.name = name ?? undefined;
  }

  toString() {
    return this.#text;
  }

  /** @param {DurableObjectId} other */
  equals(other) {
    if (!(other instanceof DurableObjectId)) throw wrongParameter("equals", "DurableObjectId", 1, "DurableObjectId");
    return other.#text === this.#text;
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectId";
  }
}

/**
 * What a namespace needs of the host.
 *
 * @typedef {object} NamespaceWorld
 * @property {string} className
 * @property {import("./ids.mjs").IdSpace} ids
 * @property {(id: string, name: string | null) => import("./objects.mjs").ObjectHandle} find
 */

/** @type {WeakMap<object, NamespaceWorld>} */
const worlds = new WeakMap();

/** `env.NAME`. */
export class DurableObjectNamespace {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  /** The id that this name always has. @returns {DurableObjectId} */
  idFromName(...given) {
    const { ids, className } = worldOf(this);
    const name = stringArgument("idFromName", given);
    return new DurableObjectId(ids.idFromName(name), name, className);
  }

  /** The id with these 64 hex digits. @returns {DurableObjectId} @throws {TypeError} it is no id of this class (S-03) */
  idFromString(...given) {
    const { ids, className } = worldOf(this);
    return new DurableObjectId(ids.check(stringArgument("idFromString", given)), null, className);
  }

  /** @param {{jurisdiction?: string}} [options] @returns {DurableObjectId} */
  newUniqueId(options) {
    const { ids, className } = worldOf(this);
    checkOptions("newUniqueId", 1, options, "NewUniqueIdOptions");
    if (options?.jurisdiction !== undefined) throw new Error(NO_JURISDICTION);
    return new DurableObjectId(ids.uniqueId(), null, className);
  }

  /**
   * A stub; nothing starts before its first call (S-04).
   * @param {DurableObjectId} id
   * @param {{locationHint?: string, routingMode?: string}} [options] accepted and without effect
   * @returns {DurableObjectStub}
   */
  get(id, options) {
    const world = worldOf(this);
    if (!(id instanceof DurableObjectId)) throw wrongParameter("get", "DurableObjectNamespace", 1, "DurableObjectId");
    checkOptions("get", 2, options, "GetDurableObjectOptions");
    const mode = options?.routingMode;
    if (mode !== undefined && mode !== "primary-only") throw new RangeError(`unknown routingMode: ${mode}`);
    // Local workerd runs a foreign id here; production refuses it, and so do we (durable-objects.md 1.1).
    if (classOf(id) !== world.className) throw new TypeError("Durable Object ID is not valid for this namespace.");
    needEvent();
    return objectStub(id, () => world.find(id.toString(), id.name ?? null));
  }

  /** `get(idFromName(name), options)`. @returns {DurableObjectStub} */
  getByName(...given) {
    return this.get(this.idFromName(stringArgument("getByName", given)), given[1]);
  }

  /** Without a jurisdiction it is this namespace. @param {string} [name] */
  jurisdiction(name) {
    const world = worldOf(this);
    if (name !== undefined && name !== null) throw new Error(NO_JURISDICTION);
    return namespaceOf(world);
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectNamespace";
  }
}

function worldOf(namespace) {
  const world = worlds.get(namespace);
  if (world === undefined) throw new TypeError(ILLEGAL_INVOCATION);
  return world;
}

function stringArgument(method, given) {
  if (given.length === 0) throw wrongParameter(method, "DurableObjectNamespace", 1, "string");
  return `${given[0]}`;
}

function checkOptions(method, position, options, type) {
  if (options !== undefined && options !== null && typeof options !== "object") {
    throw wrongParameter(method, "DurableObjectNamespace", position, type);
  }
}

/**
 * @param {NamespaceWorld} world
 * @param {object} [namespace] what becomes one; it has DurableObjectNamespace.prototype in its chain
 * @returns {DurableObjectNamespace}
 */
export function namespaceOf(world, namespace = Object.create(DurableObjectNamespace.prototype)) {
  worlds.set(namespace, world);
  return namespace;
}

/**
 * `ctx.id` of an object.
 * @param {import("./objects.mjs").ObjectHandle} handle
 */
export function ownId(handle) {
  return new DurableObjectId(handle.id, handle.name, handle.className);
}

/** A way to one object: `fetch`, and its methods by name. The platform calls the class as its base for user code. */
export const DurableObjectStub = class DurableObject extends Fetcher {
  get [Symbol.toStringTag]() {
    return "DurableObject";
  }
};

/** @typedef {import("./objects.mjs").ObjectHandle} ObjectHandle */

/**
 * A stub to a facet, which only its parent may hold; it shows no id and no name.
 *
 * @param {() => ObjectHandle | Promise<ObjectHandle>} find a promise while user code decides which object it is
 * @returns {Fetcher}
 */
export function facetStub(find) {
  return wildcardProxy(Object.create(Fetcher.prototype), new ObjectWildcard(find, FACET_STAYS));
}

function objectStub(id, find) {
  const stub = Object.create(DurableObjectStub.prototype, {
    name: { value: id.name, enumerable: true },
    id: { value: id, enumerable: true },
  });
  return wildcardProxy(stub, new ObjectWildcard(find, null));
}

class ObjectWildcard extends FetcherWildcard {
  #find;

  constructor(find, refusal) {
    const reach = new ObjectReach(find);
    super(reach, (hop) => sendTo(reach, hop, answer), refusal);
    this.#find = find;
  }

  /** What goes over RPC is a way of its own: it breaks by itself. */
  across() {
    super.across();
    return wildcardProxy(Object.create(Fetcher.prototype), new ObjectWildcard(this.#find, null));
  }
}

async function answer({ receiver, home }, request) {
  return ownedResponse(await callFetch(receiver, request), home);
}

/** Visits of one stub arrive in order; after a reset it stays broken with that error (durable-objects.md 1.6). */
class ObjectReach {
  #find;
  /** @type {import("./objects.mjs").Bond | null} */
  #bond = null;

  constructor(find) {
    this.#find = find;
  }

  /** @param {import("./rpc/visit.mjs").Visit} visit */
  take(visit) {
    if (this.#bond !== null && this.#bond.broken !== null) {
      visit.failed(this.#bond.broken, REFUSED);
      return;
    }
    let found;
    try {
      found = this.#find();
    } catch (error) {
      visit.failed(error, REFUSED);
      return;
    }
    if (found instanceof Promise) {
      found.then(
        (handle) => this.#enter(handle, visit),
        (error) => visit.failed(error, REFUSED),
      );
    } else {
      this.#enter(found, visit);
    }
  }

  #enter(handle, visit) {
    this.#bond = handle.bond;
    const source = sourceOfObject(handle);
    const work = (instance) => visit.work({ receiver: instance.userObject, kind: "entrypoint", home: instance, context: [], source });
    const failed = (error, reset) => visit.failed(error, { stage: reset ? "reset" : "thrown", source, byReference: false });
    handle.deliver(new Turn(visit.label, work, (result) => visit.done(result), failed));
  }
}
