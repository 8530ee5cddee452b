/**
 * Errors between two sides: the platform's own words, and the copy that a caller gets of what the other side threw (durable-objects.md 1.5).
 */

import { DOMException } from "../originals.mjs";
import { RpcTarget } from "./bases.mjs";

export const STUB_DISPOSED = "RPC stub used after being disposed.";
export const PROMISE_DISPOSED = "RPC promise used after being disposed.";
export const HOME_GONE = "The execution context which hosts this callback is no longer running.";
export const STREAM_CUT = "ReadableStream received over RPC disconnected prematurely.";
export const STREAM_LOCKED = "The ReadableStream has been locked to a reader.";
export const SINK_CUT = "WritableStream received over RPC was disconnected because the remote execution context has ended.";
export const ILLEGAL_INVOCATION =
  "Illegal invocation: function called with incorrect `this` reference. " +
  "See https://developers.cloudflare.com/workers/observability/errors/#illegal-invocation-errors for details.";

/** The class of an error is kept when the language has it; every other becomes an `Error` with the name as a property of its own. */
const BUILT_IN = { Error, EvalError, RangeError, ReferenceError, SyntaxError, TypeError, URIError, AggregateError };

/** @param {string} message @returns {DOMException} */
export function cloneError(message) {
  return new DOMException(message, "DataCloneError");
}

/** An object that does not go over RPC. @param {object} value @returns {DOMException} */
export function unsupported(value) {
  return cloneError(`Could not serialize object of type "${className(value)}". This type does not support serialization.`);
}

/** @param {object} value */
export function className(value) {
  return Object.getPrototypeOf(value)?.constructor?.name || "Object";
}

/** @param {string} method */
export function notImplemented(method) {
  return new TypeError(`The RPC receiver does not implement the method "${method}".`);
}

/**
 * An error as the other side gets it: class, name, message and own properties; its stack is the original's.
 * @param {Error | DOMException} error
 * @param {(value: unknown) => unknown} copyValue copies a property's value
 * @param {(copy: Error) => void} [begun] is told the copy before its properties are there, for errors that lead back to themselves
 * @returns {Error | DOMException}
 */
export function copyError(error, copyValue, begun = undefined) {
  if (error instanceof DOMException) {
    const copy = stackFrom(new DOMException(error.message, error.name), error);
    begun?.(copy);
    return copy;
  }
  const copy = bareCopy(error);
  begun?.(copy);
  for (const key of Object.getOwnPropertyNames(error)) {
    if (key === "stack" || key === "message" || key === "name") continue;
    put(copy, key, copyValue(error[key]));
  }
  return copy;
}

/** Class, name and message alone. */
function bareCopy(error) {
  const name = String(error.name);
  const Class = Object.hasOwn(BUILT_IN, name) ? BUILT_IN[name] : Error;
  const copy = Class === AggregateError ? new AggregateError([]) : new Class();
  if (Class === AggregateError) delete copy.errors;
  Object.defineProperty(copy, "message", { value: String(error.message), writable: true, configurable: true });
  if (Class === Error && name !== "Error") put(copy, "name", name);
  return stackFrom(copy, error);
}

/** Reading a stack maps its places back to the sources: only when somebody asks. */
function stackFrom(copy, error) {
  Object.defineProperty(copy, "stack", {
    get: () => error.stack,
    set: (value) => Object.defineProperty(copy, "stack", { value, writable: true, configurable: true }),
    configurable: true,
  });
  return copy;
}

/** What a caller is told besides the error itself. @typedef {Record<string, unknown>} Flags */

/**
 * What was thrown, as the caller gets it. Errors and objects are copied and flagged; of an error whose properties cannot be copied only
 * name and message arrive; anything else becomes an `Error` with it as text.
 * @param {unknown} thrown
 * @param {(value: unknown) => unknown} copyValue refuses what cannot be copied, by throwing
 * @param {Flags} flags properties that every caller gets
 * @param {Flags} whole properties that only a whole copy gets
 * @returns {object}
 */
export function thrownAcross(thrown, copyValue, flags, whole) {
  if (thrown instanceof Error || thrown instanceof DOMException) return errorAcross(thrown, copyValue, flags, whole);
  if (typeof thrown === "object" && thrown !== null) {
    try {
      return Object.assign(copyValue(thrown), whole, flags);
    } catch {
      // Not to be copied: its text has to do.
    }
  }
  return Object.assign(new Error(textOf(thrown)), flags);
}

function errorAcross(error, copyValue, flags, whole) {
  try {
    const copy = copyError(error, copyValue);
    return Object.assign(copy, Object.isExtensible(error) && !(error instanceof DOMException) ? whole : {}, flags);
  } catch {
    return Object.assign(bareCopy(error), flags);
  }
}

function textOf(thrown) {
  if (typeof thrown !== "object" || thrown === null) return String(thrown);
  if (thrown.toString === Object.prototype.toString) return `#<${className(thrown)}>`;
  return thrown instanceof RpcTarget ? "[object JsRpcTarget]" : Object.prototype.toString.call(thrown);
}

function put(target, key, value) {
  Object.defineProperty(target, key, { value, writable: true, enumerable: true, configurable: true });
}
