/** `RpcStub`, `RpcPromise`, `RpcProperty`: what user code holds of the other side (durable-objects.md 8). */

import { currentOwner } from "../owner.mjs";
import { RpcTarget } from "./bases.mjs";
import { begin, callMethod } from "./call.mjs";
import { ILLEGAL_INVOCATION } from "./errors.mjs";
import { Reference } from "./reference.mjs";
import { isPlain } from "./targets.mjs";
import { bareFunction, shownAsObjects, Wildcard, wildcardOf, wildcardProxy } from "./wildcard.mjs";

/** A reference to a function or an RpcTarget of another owner. */
export class RpcStub {
  /** A stub of something of the running code's own. @param {object | Function} target */
  constructor(target) {
    if (Object(target) !== target) {
      throw new TypeError("Failed to construct 'JsRpcStub': constructor parameter 1 is not of type 'Object'.");
    }
    if (typeof target !== "function" && !(target instanceof RpcTarget) && !isPlain(target)) {
      throw new TypeError("RpcStubs can only wrap plain objects, functions, and RpcTarget derivatives.");
    }
    const home = currentOwner();
    const holding = new Reference(target, home, { keepsAwake: false }).hold();
    holding.heldBy(home);
    // biome-ignore lint/correctness/noConstructorReturn: a stub is a proxy, which no constructor makes
    return stubTo(holding);
  }

  /** Another stub of the same, with a life of its own. */
  dup() {
    const holding = behind(this, StubWildcard).reach.again();
    holding.heldBy(currentOwner());
    return stubTo(holding);
  }

  [Symbol.dispose]() {
    behind(this, StubWildcard).reach.release();
  }

  get [Symbol.toStringTag]() {
    return "JsRpcStub";
  }
}

/** The result of a call that may not have come yet; its properties and methods can be used before. */
export class RpcPromise {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited
  then(onFulfilled, onRejected) {
    const { reach } = behind(this, PromiseWildcard);
    checkReactions("then", "JsRpcPromise", onFulfilled, onRejected);
    return reach.promise.then(onFulfilled, onRejected);
  }

  catch(onRejected) {
    const { reach } = behind(this, PromiseWildcard);
    checkReactions("catch", "JsRpcPromise", onRejected);
    return reach.promise.catch(onRejected);
  }

  finally(onSettled) {
    const { reach } = behind(this, PromiseWildcard);
    checkReactions("finally", "JsRpcPromise", onSettled);
    return reach.promise.finally(onSettled);
  }

  [Symbol.dispose]() {
    behind(this, PromiseWildcard).reach.dispose();
  }

  get [Symbol.toStringTag]() {
    return "JsRpcPromise";
  }
}

/** A property of the other side: await it, call it, or go deeper. It is read when it is awaited. */
export class RpcProperty {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  // biome-ignore lint/suspicious/noThenProperty: it is awaited
  then(onFulfilled, onRejected) {
    checkReactions("then", "JsRpcProperty", onFulfilled, onRejected);
    return behind(this, PropertyWildcard).read().then(onFulfilled, onRejected);
  }

  catch(onRejected) {
    checkReactions("catch", "JsRpcProperty", onRejected);
    return behind(this, PropertyWildcard).read().catch(onRejected);
  }

  finally(onSettled) {
    checkReactions("finally", "JsRpcProperty", onSettled);
    return behind(this, PropertyWildcard).read().finally(onSettled);
  }

  get [Symbol.toStringTag]() {
    return "JsRpcProperty";
  }
}

/** The first reaction must be a function; the platform is stricter here than a promise is. */
function checkReactions(method, owner, first, second) {
  if (typeof first !== "function") throw notAFunction(method, owner, 1);
  if (second !== undefined && typeof second !== "function") throw notAFunction(method, owner, 2);
}

function notAFunction(method, owner, position) {
  return new TypeError(`Failed to execute '${method}' on '${owner}': parameter ${position} is not of type 'Function'.`);
}

class StubWildcard extends Wildcard {
  property(name, target) {
    return propertyOf(target, this.reach, name);
  }

  apply(_target, _this, args) {
    return callMethod(this.reach, [], args);
  }
}

class PromiseWildcard extends StubWildcard {}

class PropertyWildcard extends Wildcard {
  #path;

  constructor(reach, path) {
    super(reach);
    this.#path = path;
  }

  property(name) {
    return wildcardProxy(propertyTarget, new PropertyWildcard(this.reach, [...this.#path, name]));
  }

  apply(_target, _this, args) {
    return callMethod(this.reach, this.#path, args);
  }

  read() {
    return begin(this.reach, this.#path, null).promise;
  }
}

/** `JSON.stringify` calls the `toJSON` of every object, with a name: that must not become a call to the other side. */
class JsonWildcard extends PropertyWildcard {
  #asked;

  constructor(reach, asked) {
    super(reach, ["toJSON"]);
    this.#asked = asked;
  }

  apply(target, receiver, args) {
    const isOfJson = args.length === 1 && typeof args[0] === "string";
    if (!isOfJson) return super.apply(target, receiver, args);
    return typeof this.#asked === "function" ? undefined : { ...this.#asked };
  }
}

function behind(value, Kind) {
  const wildcard = wildcardOf(value);
  if (!(wildcard instanceof Kind)) throw new TypeError(ILLEGAL_INVOCATION);
  return wildcard;
}

shownAsObjects(RpcStub, RpcPromise, RpcProperty);

// Promises and properties are made for nearly every call, and nobody puts anything on them.
const promiseTarget = Object.freeze(bareFunction(RpcPromise.prototype));
const propertyTarget = Object.freeze(bareFunction(RpcProperty.prototype));

/** @param {import("./reference.mjs").Holding} holding @returns {RpcStub} */
export function stubTo(holding) {
  const stub = wildcardProxy(bareFunction(RpcStub.prototype), new StubWildcard(holding));
  holding.endsWith(stub);
  return stub;
}

/** @param {import("./call.mjs").Answer} answer @returns {RpcPromise} */
export function rpcPromise(answer) {
  return wildcardProxy(promiseTarget, new PromiseWildcard(answer));
}

/**
 * A name that an object does not have itself.
 * @param {object} object
 * @param {import("./visit.mjs").Reach} reach
 * @param {string} name
 * @returns {RpcProperty}
 */
export function propertyOf(object, reach, name) {
  return wildcardProxy(propertyTarget, name === "toJSON" ? new JsonWildcard(reach, object) : new PropertyWildcard(reach, [name]));
}
