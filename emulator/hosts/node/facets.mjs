/** `ctx.facets`: children with storage and an instance of their own, living with their parent (durable-objects.md 8). */

import { classToken } from "./exports.mjs";
import { DurableObjectId, facetStub } from "./namespace.mjs";
import { wrongField, wrongParameter } from "./surface/arguments.mjs";
import { webInterface } from "./surface/web_interface.mjs";

/** What a facet may be of: classes of `ctx.exports`. */
const CLASSES = "DurableObjectClass or LoopbackDurableObjectNamespace or LoopbackColoLocalActorNamespace";
/** Characters. */
const NAME_LIMIT = 256;

/** The facets of one instance's object. */
export class DurableObjectFacets {
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
    const name = nameArgument("get", 1, key);
    if (typeof getter !== "function") throw wrongParameter("get", "DurableObjectFacets", 2, "function");
    if (name.length > NAME_LIMIT) throw new TypeError(`Facet name is too long (max ${NAME_LIMIT} characters).`);
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
      return this.#objects.facet(parent, name, { className, id: String(given), name: null, plain: true, props });
    }
    return this.#objects.facet(parent, name, { className, id: parent.id, name: parent.name, props });
  }

  /** Stop a facet now; its data stays and pending calls get the reason. @param {string} key @param {unknown} reason */
  abort(key, reason) {
    const name = nameArgument("abort", 1, key);
    if (reason === undefined) throw wrongParameter("abort", "DurableObjectFacets", 2, "Value");
    const error = typeof reason === "object" && reason !== null ? reason : new Error(String(reason));
    this.#instance.handle.facets.get(name)?.reset(error);
  }

  /** Stop a facet and wipe its data; nothing happens when there is none. @param {string} key */
  delete(key) {
    this.#wipe(nameArgument("delete", 1, key), "Facet was deleted.");
  }

  /**
   * Give a facet the data of another, and of all below it, in place of its own.
   * @param {string} source one without data leaves the target empty
   * @param {string} target
   */
  clone(source, target) {
    const from = nameArgument("clone", 1, source);
    const to = nameArgument("clone", 2, target);
    if (from === to) return;
    this.#wipe(to, "Facet was cloned-over.");
    const { facets, facetFiles, facetNumber } = this.#instance.handle;
    const number = facetFiles.find(facetNumber, from);
    if (number === null) return;
    facets.get(from)?.closeFiles();
    facetFiles.copy(number, facetFiles.number(facetNumber, to));
  }

  #wipe(name, why) {
    const { facets, facetFiles, facetNumber } = this.#instance.handle;
    const handle = facets.get(name);
    if (handle !== undefined) {
      facets.delete(name);
      handle.reset(new Error(why));
    }
    const number = facetFiles.find(facetNumber, name);
    if (number !== null) facetFiles.delete(number);
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectFacets";
  }
}

webInterface(DurableObjectFacets);

function nameArgument(method, position, given) {
  if (given === undefined) throw wrongParameter(method, "DurableObjectFacets", position, "string");
  return String(given);
}
