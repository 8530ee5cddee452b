/**
 * The objects of this host: each identity once, with what outlives its instances.
 *
 * An `ObjectHandle` keeps the sockets, their attachments, the storage file's place and the facets; the `Instance` comes and goes. Hibernation,
 * crash, eviction and reset all end in `instanceEnded`, and all begin again in `deliver`.
 */

import { join } from "node:path";
import { IdSpace, visibleName } from "./ids.mjs";
import { Instance, resetError } from "./instance.mjs";
import { Lifecycle, State, Step } from "./lifecycle.mjs";
import { rootContext } from "./owner.mjs";
import { FacetFiles, ROOT } from "./storage/facet_files.mjs";

/** Levels of a facet tree, the root included (durable-objects.md 8). */
export const MAX_FACET_DEPTH = 4;

/**
 * What an object needs of the host it lives in.
 *
 * @typedef {object} ObjectWorld
 * @property {number} idleMs
 * @property {import("./surface/clock.mjs").Clock} clock
 * @property {import("./points.mjs").Points} points
 * @property {(instance: Instance, turn: import("./turns.mjs").Delivery, ms: number) => void} turnEnded
 * @property {(handle: ObjectHandle, hooks: import("./storage/storage.mjs").StorageHooks) => import("./storage/storage.mjs").ObjectStorage} storageOf
 *   opens storage for a new instance
 * @property {(instance: Instance) => object} construct calls the user's class, as the instance's code
 * @property {(handle: ObjectHandle, timeMs: number | null) => Promise<unknown>} indexAlarm tells the gateway a committed alarm; settled when
 *   it is on disk there
 * @property {(handle: ObjectHandle) => void} objectChanged an instance began or ended
 * @property {(handle: ObjectHandle) => void} autoResponseChanged the gateway answers for sleeping objects, so it must know the pair
 * @property {(where: string, error: unknown, handle: ObjectHandle | null) => void} userError shows an error of user code that nobody else hears
 */

/**
 * What ties stubs to an object until its next reset; then it is broken, and they with it, for good (durable-objects.md 1.6).
 * Hibernation breaks nothing.
 */
export class Bond {
  /** The error of the reset. @type {unknown} */
  broken = null;
}

/** One object: class, id and, when it was ever addressed by it, name. */
export class ObjectHandle {
  /** @type {ObjectWorld} */
  world;
  /** @type {string} */
  className;
  /** @type {string} */
  id;
  /** @type {string | null} */
  name;
  /** Its database file. @type {string} */
  path;
  /** Of a facet, its parent. @type {ObjectHandle | null} */
  parent;
  /** 1 for an object, up to MAX_FACET_DEPTH for facets. */
  depth;
  /** Of a facet that was given a text of its own as id: `ctx.id` is that text. */
  hasPlainId = false;
  facetNumber;
  /** @type {FacetFiles} */
  facetFiles;
  /** `ctx.props`, what the one who started a facet gave it. @type {unknown} */
  props = undefined;
  /** @type {Lifecycle} */
  lifecycle;
  /** @type {Instance | null} */
  instance = null;
  /** Hibernatable sockets by order of acceptance. @type {Map<number, import("./sockets.mjs").SocketRecord>} */
  sockets = new Map();
  /** @type {{request: string, response: string} | null} */
  autoResponse = null;
  /** @type {number | null} */
  eventTimeoutMs = null;
  /** @type {Map<string, ObjectHandle>} */
  facets = new Map();
  bond = new Bond();
  #expiry = null;

  /** @param {{world: ObjectWorld, className: string, id: string, name: string | null, path: string, parent?: ObjectHandle, facetNumber?: number}} options */
  constructor({ world, className, id, name, path, parent = null, facetNumber = ROOT }) {
    this.world = world;
    this.className = className;
    this.id = id;
    this.name = name;
    this.path = path;
    this.parent = parent;
    this.depth = parent === null ? 1 : parent.depth + 1;
    this.facetNumber = facetNumber;
    this.facetFiles = parent === null ? new FacetFiles(path) : parent.facetFiles;
    this.lifecycle = new Lifecycle(world.idleMs);
  }

  /** How people see it: `Chat/me`, or class and the start of the id. */
  get label() {
    return `${this.className}/${this.name ?? this.id.slice(0, 12)}`;
  }

  // -- events

  /**
   * Hand an event to the live instance; where there is none, one is constructed for it.
   * @param {import("./turns.mjs").Delivery} turn
   * @param {{now?: boolean}} [options] as `Instance.deliver`
   */
  deliver(turn, options) {
    let instance = this.instance;
    if (instance === null) instance = this.#begin();
    else if (this.lifecycle.state === State.IDLE) this.lifecycle.step(Step.BUSY, this.world.clock.steadyMs());
    instance.deliver(turn, options);
  }

  #begin() {
    const instance = new Instance(this);
    this.lifecycle.step(Step.START, this.world.clock.steadyMs());
    this.instance = instance;
    return instance;
  }

  /** Run the constructor, as the instance's first code. Its failure is the instance's end, and every waiting caller's error (1.4). */
  construct(instance) {
    try {
      instance.userObject = this.world.construct(instance);
    } catch (error) {
      if (instance.dead) return;
      const failure = error instanceof Error && Object.isExtensible(error) ? error : new Error(String(error));
      Object.assign(failure, { durableObjectReset: true });
      this.world.userError("constructor", failure, this);
      instance.reset(failure);
      return;
    }
    // `ctx.abort()` may have ended it, with its error caught by the constructor.
    if (instance.dead) return;
    this.lifecycle.step(Step.CONSTRUCTED, this.world.clock.steadyMs());
    this.world.objectChanged(this);
  }

  // -- the instance's life

  /** Nothing is unfinished: from now it has `idleMs` until it is dropped. */
  instanceQuiet(instance) {
    if (instance !== this.instance || this.lifecycle.state !== State.ACTIVE) return;
    this.lifecycle.step(Step.QUIET, this.world.clock.steadyMs());
    if (this.#expiry === null && this.lifecycle.idleMs > 0) this.#arm(this.lifecycle.idleMs);
  }

  /** One timer per object, re-armed when it finds the object was busy meanwhile: events themselves stay cheap. */
  #arm(delayMs) {
    this.#expiry = rootContext(() => this.world.clock.after(delayMs, () => this.#expire()));
  }

  #expire() {
    this.#expiry = null;
    const deadline = this.lifecycle.nextDeadline();
    if (deadline === null) return;
    const left = deadline - this.world.clock.steadyMs();
    if (left > 0) this.#arm(Math.ceil(left));
    else if (this.awakeBecause().length > 0) this.#arm(this.lifecycle.idleMs);
    else this.retire();
  }

  /**
   * What keeps this object from being dropped, in words; empty when nothing does.
   * @returns {string[]}
   */
  awakeBecause() {
    const instance = this.instance;
    if (instance === null) return [];
    const reasons = Array.from(instance.holdCounts, ([what, count]) => `${count} ${what}`);
    for (const { label } of instance.eventsInFlight) reasons.push(`event ${label}`);
    if (instance.busy && reasons.length === 0) reasons.push("effects waiting");
    for (const [key, facet] of this.facets) {
      for (const reason of facet.awakeBecause()) reasons.push(`facet ${key}: ${reason}`);
    }
    return reasons;
  }

  /** Drop the instance and its facets' (S-97); storage, sockets, tags and attachments stay. */
  retire() {
    for (const facet of this.facets.values()) facet.retire();
    this.instance?.retire();
  }

  /**
   * Destroy the instance and its facets'; without one only the stubs and sockets are concerned.
   * @param {unknown} error
   * @param {{cutSockets?: boolean}} [options]
   */
  reset(error, { cutSockets = true } = {}) {
    if (this.instance !== null) {
      this.instance.reset(error, { cutSockets });
      return;
    }
    this.#breakStubs(error);
    if (cutSockets) this.cutSockets();
  }

  #breakStubs(error) {
    this.bond.broken = error;
    this.bond = new Bond();
  }

  /**
   * The instance is over (Instance calls this).
   * @param {Instance} instance
   * @param {string} step RESET or EXPIRE
   * @param {{cutSockets: boolean}} options
   */
  instanceEnded(instance, step, { cutSockets }) {
    if (instance !== this.instance) return;
    this.instance = null;
    if (this.#expiry !== null) this.world.clock.cancel(this.#expiry);
    this.#expiry = null;
    if (step === Step.RESET) {
      this.#breakStubs(instance.broken);
      for (const facet of this.facets.values()) facet.reset(instance.broken);
    }
    if (cutSockets) this.cutSockets();
    // Those that no client ever got leave the table here.
    for (const record of [...this.sockets.values()]) record.forgetObject();
    instance.storage.close();
    const hibernatable = this.sockets.size > 0;
    if (!hibernatable && this.autoResponse !== null) {
      // Without a socket there is nobody to answer: the next life's constructor sets the pair again.
      this.autoResponse = null;
      this.world.autoResponseChanged(this);
    }
    const taken = this.lifecycle.state === State.STARTING && step === Step.EXPIRE ? Step.RESET : step;
    this.lifecycle.step(taken, this.world.clock.steadyMs(), { hibernatable });
    this.world.objectChanged(this);
  }

  /** Sockets of a host before this one are still open: the object is hibernating (S-97). */
  sleepWithSockets() {
    if (this.instance === null) this.lifecycle.step(Step.RESTORE, this.world.clock.steadyMs());
  }

  /** Drop every client of this object without a Close frame and without a close event (S-91). */
  cutSockets() {
    const records = [...this.sockets.values()];
    this.sockets.clear();
    for (const record of records) record.cut();
  }

  /** What is written is in the files, its own and those of its facets; the next access opens them again. */
  closeFiles() {
    for (const facet of this.facets.values()) facet.closeFiles();
    if (this.instance === null) return;
    this.instance.commit();
    this.instance?.storage.close();
  }

  /** Nothing in memory tells it from an object that was never here. */
  get isSpent() {
    if (this.instance !== null || this.sockets.size > 0 || this.autoResponse !== null) return false;
    for (const facet of this.facets.values()) if (!facet.isSpent) return false;
    return true;
  }

  /** Which object, and which of its lives, for notes about it (wire/README.md). */
  reference() {
    return { class: this.className, id: this.id, name: this.name, generation: this.lifecycle.generation };
  }

  /** The object as the control API shows it. */
  describe() {
    return {
      class: this.className,
      id: this.id,
      name: this.name,
      state: this.lifecycle.state,
      generation: this.lifecycle.generation,
      sockets: this.sockets.size,
    };
  }
}

/** Every object this host knows, by class and id. */
export class ObjectTable {
  #world;
  #worker;
  #stateDir;
  /** @type {Map<string, Map<string, ObjectHandle>>} by class, then id */
  #handles = new Map();
  /** @type {Map<string, IdSpace>} */
  #ids = new Map();

  /**
   * @param {ObjectWorld} world
   * @param {string} worker the Worker's name
   * @param {string} stateDir where `wrangler dev` keeps state too (design 4.2)
   */
  constructor(world, worker, stateDir) {
    this.#world = world;
    this.#worker = worker;
    this.#stateDir = stateDir;
  }

  /**
   * The ids of a class.
   * @param {string} className
   * @returns {IdSpace}
   */
  ids(className) {
    let found = this.#ids.get(className);
    if (found === undefined) {
      found = new IdSpace(this.#worker, className);
      this.#ids.set(className, found);
    }
    return found;
  }

  /**
   * The object, known from now on. The name sticks when nothing lives that was started without it (S-05, S-06).
   * @param {string} className
   * @param {string} id 64 hex digits
   * @param {string | null} name
   * @returns {ObjectHandle}
   */
  get(className, id, name) {
    let ofClass = this.#handles.get(className);
    if (ofClass === undefined) {
      ofClass = new Map();
      this.#handles.set(className, ofClass);
    }
    let handle = ofClass.get(id);
    if (handle === undefined) {
      handle = new ObjectHandle({ world: this.#world, className, id, name: visibleName(name), path: this.#path(className, id) });
      ofClass.set(id, handle);
    } else if (handle.name === null && name !== null && handle.instance === null) {
      handle.name = visibleName(name);
    }
    return handle;
  }

  /**
   * A child of `parent`, listed with it from now on; its file's number is given at first use and kept for good.
   * @param {ObjectHandle} parent
   * @param {string} key
   * @param {{className: string, id: string, name: string | null, plain?: boolean, props?: unknown}} start `plain`: the id is a text of
   *   its own
   * @returns {ObjectHandle}
   */
  facet(parent, key, { className, id, name, plain = false, props }) {
    if (parent.depth >= MAX_FACET_DEPTH) {
      throw new Error(`Facet nesting depth limit exceeded. The maximum depth including the root Durable Object is ${MAX_FACET_DEPTH}.`);
    }
    const known = parent.facets.get(key);
    if (known !== undefined) {
      if (known.className === className && known.id === id) {
        known.props = props;
        return known;
      }
      known.reset(new Error("Facet was restarted as another class or with another id."));
    }
    const facetNumber = parent.facetFiles.number(parent.facetNumber, key);
    const path = parent.facetFiles.path(facetNumber);
    const facet = new ObjectHandle({ world: this.#world, className, id, name: visibleName(name), path, parent, facetNumber });
    facet.props = props;
    facet.hasPlainId = plain;
    parent.facets.set(key, facet);
    return facet;
  }

  /**
   * The object if this host knows it; looking makes nothing.
   * @param {string} className
   * @param {string} id
   * @returns {ObjectHandle | null}
   */
  find(className, id) {
    return this.#handles.get(className)?.get(id) ?? null;
  }

  *[Symbol.iterator]() {
    for (const ofClass of this.#handles.values()) yield* [...ofClass.values()];
  }

  /** An object with nothing left in memory needs no handle: thousands of sleeping objects cost nothing. @param {ObjectHandle} handle */
  forget(handle) {
    if (handle.isSpent) this.#handles.get(handle.className)?.delete(handle.id);
  }

  /**
   * Reset whatever still lives, keeping hibernatable sockets.
   * @param {string} message
   * @returns {number} how many had unfinished work
   */
  resetAll(message) {
    let unfinished = 0;
    for (const handle of this) {
      const instance = handle.instance;
      if (instance === null) continue;
      if (instance.busy) {
        unfinished += 1;
        instance.reset(resetError(message, { retryable: true }), { cutSockets: false });
      } else {
        handle.retire();
      }
    }
    return unfinished;
  }

  #path(className, id) {
    return join(this.#stateDir, "v3", "do", `${this.#worker}-${className}`, `${id}.sqlite`);
  }
}
