/**
 * Objects that have every name: what is not there is a property of the other side. Stubs, promised results and service bindings are such
 * proxies. `then` is an exception, so that a stub is not taken for a promise; so are numbers, which no method is called.
 */

const INSPECT = Symbol.for("nodejs.util.inspect.custom");
const INDEX = /^(?:0|[1-9][0-9]*)$/;

/** The handler of such a proxy, and what the host knows about it. */
export class Wildcard {
  /** What the proxy points at. @type {import("./visit.mjs").Reach} */
  reach;

  /** @param {import("./visit.mjs").Reach} reach */
  constructor(reach) {
    this.reach = reach;
  }

  /**
   * What a property is that the object itself does not have.
   * @param {string} _name
   * @param {object} _target the object
   * @returns {unknown}
   */
  property(_name, _target) {
    return undefined;
  }

  /** A call that was meant for a result, and this is the result. @param {import("./call.mjs").Call} call */
  take(call) {
    this.reach.take(call);
  }

  get(target, key, receiver) {
    if (typeof key === "symbol" || key in target) return Reflect.get(target, key, receiver);
    return key === "then" || INDEX.test(key) ? undefined : this.property(key, target);
  }

  has(target, key) {
    return key in target || (typeof key === "string" && key !== "then");
  }
}

/**
 * @template {object} T
 * @param {T} target has what the object has itself; a function where it can be called
 * @param {Wildcard} wildcard
 * @returns {T}
 */
export function wildcardProxy(target, wildcard) {
  return new Mark(new Proxy(target, wildcard), wildcard);
}

/** The wildcard behind a value, undefined when it is none of ours. @param {unknown} value @returns {Wildcard | undefined} */
export function wildcardOf(value) {
  return (typeof value === "object" && value !== null) || typeof value === "function" ? Mark.of(value) : undefined;
}

/** What a class's constructor returns is what its subclass puts private fields on. */
class Itself {
  constructor(value) {
    // biome-ignore lint/correctness/noConstructorReturn: that is what it is for
    return value;
  }
}

/** Marks a proxy with its handler, past its traps; a WeakMap would cost the garbage collector more than all the rest of a call. */
class Mark extends Itself {
  #wildcard;

  constructor(proxy, wildcard) {
    super(proxy);
    this.#wildcard = wildcard;
  }

  static of(value) {
    return #wildcard in value ? value.#wildcard : undefined;
  }
}

/** Things that can be called look like other objects of the platform on the console. @param {{prototype: object}[]} classes */
export function shownAsObjects(...classes) {
  for (const { prototype } of classes) {
    Object.defineProperty(prototype, INSPECT, { value: () => `${prototype.constructor.name} {}`, writable: true, configurable: true });
  }
}

/**
 * A function that shows nothing of a function's own: its prototype chain is the one given.
 * @param {object} prototype
 * @param {(...args: unknown[]) => unknown} [body] runs when it is called, with `new` or without
 * @returns {Function}
 */
export function bareFunction(prototype, body = () => undefined) {
  // biome-ignore lint/complexity/useArrowFunction: it may be called with `new`
  const target = function (...args) {
    return body(...args);
  }.bind(undefined);
  delete target.name;
  delete target.length;
  return Object.setPrototypeOf(target, prototype);
}
