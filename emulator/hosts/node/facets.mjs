/** `ctx.facets`: children with storage and an instance of their own, living with their parent (durable-objects.md 8). */

import { classToken } from "./exports.mjs";
import { DurableObjectId, facetStub } from "./namespace.mjs";
import { wrongField } from "./surface/arguments.mjs";

/** What a facet may be of: classes of `ctx.exports`. */
const CLASSES = "DurableObjectClass or LoopbackDurableObjectNamespace or LoopbackColoLocalActorNamespace";
/** Characters. */
const NAME_LIMIT = 256;

/** The facets of one instance's object. */
export class Facets {
  #instance;
  #objects;
  /** Facets whose getter runs: calls that come meanwhile wait for the same one, and stay in order. @type {Map<string, Promise<import("./objects.mjs").ObjectHandle>>} */
  #starting = new Map();

  /**
   * @param {import("./instance.mjs").Instance} instance
   * @param {{objects: import("./objects.mjs").ObjectTable}} world
   */
  constructor(instance, world) {
    this.#instance = instance;
    this.#objects = world.objects;
  }

  /**
   * A stub to the facet `key`, which starts with the first call.
   * @param {string} key
   * @param {() => FacetStart | Promise<FacetStart>} getter says what it is when it starts
   *
   * @typedef {object} FacetStart
   * @property {object} class a class of `ctx.exports`
   * @property {DurableObjectId | string} [id] what its `ctx.id` is; without, the parent's
   */
  get(key, getter) {
    const name = checkedName(key);
    if (typeof getter !== "function") {
      throw new TypeError("Failed to execute 'get' on 'DurableObjectFacets': parameter 2 is not of type 'Function'.");
    }
    return facetStub(() => this.#find(name, getter));
  }

  #find(name, getter) {
    const known = this.#instance.handle.facets.get(name);
    if (known !== undefined && known.instance !== null) return known;
    let starting = this.#starting.get(name);
    if (starting === undefined) {
      starting = this.#instance.run(async () => this.#start(name, await getter()), "facet getter");
      this.#starting.set(name, starting);
      const over = () => this.#starting.delete(name);
      starting.then(over, over);
    }
    return starting;
  }

  #start(name, start) {
    const token = classToken(start?.class);
    if (token === null) throw wrongField("class", "StartupOptions", CLASSES);
    const parent = this.#instance.handle;
    const { className, props } = token;
    const given = start.id;
    if (given instanceof DurableObjectId) {
      return this.#objects.facet(parent, name, { className, id: String(given), name: given.name ?? null, props });
    }
    if (given !== undefined && given !== null) {
      return this.#objects.facet(parent, name, { className, id: String(given), name: null, props });
    }
    return this.#objects.facet(parent, name, { className, id: parent.id, name: parent.name, props });
  }

  /** Stop a facet now; its data stays and pending calls get the reason. @param {string} key @param {unknown} reason */
  abort(key, reason) {
    const error = reason instanceof Error ? reason : new Error(String(reason));
    this.#instance.handle.facets.get(String(key))?.reset(error);
  }

  /** Stop a facet and wipe its data; nothing happens when there is none. @param {string} key */
  delete(key) {
    const name = String(key);
    const parent = this.#instance.handle;
    const handle = parent.facets.get(name);
    if (handle !== undefined) {
      parent.facets.delete(name);
      handle.reset(new Error("Facet was deleted."));
    }
    const number = parent.facetFiles.find(parent.facetNumber, name);
    if (number !== null) parent.facetFiles.delete(number);
  }
}

function checkedName(key) {
  const name = String(key);
  if (name.length > NAME_LIMIT) throw new TypeError(`Facet name is too long (max ${NAME_LIMIT} characters).`);
  return name;
}
