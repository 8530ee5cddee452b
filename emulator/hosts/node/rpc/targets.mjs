/**
 * Which names of a receiver the other side may read and call (durable-objects.md 8).
 *
 * Of a class (an entrypoint, an RpcTarget) only what its prototype chain has; a field of the instance hides a method of the same name. Of a
 * function and of a plain object only what is their own. Nothing else can be entered.
 */

import { RpcTarget } from "./bases.mjs";
import { notImplemented } from "./errors.mjs";
import { wildcardOf } from "./wildcard.mjs";

const RESERVED = new Set(["dup", "constructor"]);
const RESERVED_HANDLERS = new Set(["alarm", "webSocketMessage", "webSocketClose", "webSocketError"]);

/**
 * A way to call what was found.
 *
 * @typedef {object} Found
 * @property {unknown} value
 * @property {unknown} holder what the value is a property of; undefined for the receiver itself
 */

/**
 * Follow property names from a receiver.
 *
 * @param {import("./visit.mjs").Place} place
 * @param {string[]} path empty for the receiver itself
 * @returns {Found}
 * @throws {TypeError} a name is reserved or not there; or whatever a getter throws
 */
export function locate({ receiver, kind }, path) {
  let holder;
  let value = receiver;
  for (let depth = 0; depth < path.length; depth += 1) {
    const read = depth === 0 && kind !== "value" ? READ[kind] : readerOf(value);
    if (read === null) throw notImplemented(path[Math.max(depth - 1, 0)]);
    const name = path[depth];
    checkReserved(name, depth === 0 && kind !== "value");
    holder = value;
    value = read(holder, name);
    if (value === undefined) throw notImplemented(name);
  }
  return { value, holder };
}

/**
 * Call what was found, and get what it returns.
 *
 * @param {Found} found
 * @param {import("./visit.mjs").Place} place
 * @param {string[]} path
 * @param {unknown[]} args
 * @returns {unknown} perhaps a promise
 */
export function invoke({ value, holder }, { kind, context }, path, args) {
  return kind === "handlers" && path.length === 1 ? value.call(holder, args[0], ...context) : Reflect.apply(value, holder, args);
}

/**
 * @param {Found} found
 * @param {import("./visit.mjs").Place} place
 * @param {string[]} path
 * @param {unknown[]} args
 * @throws {TypeError} it cannot be called, or not with so many arguments
 */
export function checkCall({ value }, { kind }, path, args) {
  const name = path.length === 0 ? "(this)" : path.join(".");
  if (typeof value !== "function") throw new TypeError(`"${name}" is not a function.`);
  if (kind === "handlers" && path.length === 1 && args.length !== 1) {
    throw new TypeError(
      `Attempted to call RPC function "${name}" with the wrong number of arguments. When calling a top-level handler function that is not ` +
        "declared as part of a class, you must always send exactly one argument. In order to support variable numbers of arguments, the " +
        "server must use class-based syntax (extending WorkerEntrypoint) instead.",
    );
  }
}

/** @param {string} name @returns {boolean} whether it can never be called */
export function isReserved(name) {
  return RESERVED.has(name);
}

function checkReserved(name, isEntrypoint) {
  if (isReserved(name) || (isEntrypoint && RESERVED_HANDLERS.has(name))) {
    throw new TypeError(`'${name}' is a reserved method and cannot be called over RPC.`);
  }
}

const READ = { entrypoint: fromClass, handlers: fromHandlers };

/** How properties of a value are read; null when it cannot be entered. */
function readerOf(value) {
  if (value instanceof RpcTarget) return fromClass;
  if (wildcardOf(value) !== undefined) return fromStub;
  if (typeof value === "function") return fromOwn;
  return isPlain(value) ? fromOwn : null;
}

function fromClass(object, name) {
  return Object.hasOwn(object, name) ? undefined : fromHandlers(object, name);
}

function fromHandlers(object, name) {
  const value = object[name];
  return name in Object.prototype && value === Object.prototype[name] ? undefined : value;
}

function fromOwn(object, name) {
  return Object.hasOwn(object, name) ? object[name] : undefined;
}

function fromStub(stub, name) {
  return stub[name];
}

/** @param {unknown} value @returns {boolean} whether it is an object that no class made */
export function isPlain(value) {
  return typeof value === "object" && value !== null && Object.getPrototypeOf(value) === Object.prototype;
}
