/** Errors of user code on their way out of the host: error objects of the link (wire/README.md), stacks without our own frames. */
import { EmuError } from "./errors.mjs";

/**
 * The error object of the wire.
 * @typedef {{name: string, message: string, stack?: string, code?: string, where?: string|null, hint?: string|null, object?: object, shown?: boolean, props: object}} ErrorObject
 */

/**
 * The error as the link carries it. What another object failed with is described as it was there (`markOrigin`).
 * @param {unknown} error anything that was thrown
 * @returns {ErrorObject}
 */
export function errorObject(error) {
  return { name: "Error", message: String(error), props: {}, code: error instanceof EmuError ? error.code : undefined };
}

/**
 * `error` began in another object's code and is about to be rethrown to a caller: what is told of it later names where it began.
 * @param {Error} error the copy the caller gets @param {unknown} origin what was thrown there
 * @param {{class: string, id: string, name: string|null}|null} whose @param {boolean} shown an `exception` note has told of it
 */
export function markOrigin(error, origin, whose, shown) {
  void [error, origin, whose, shown];
}

/** Where an error came from, null when it began where it is now. @returns {{error: unknown, whose: object|null, shown: boolean}|null} */
export function originOf(error) {
  void error;
  return null;
}

/** `file.ts:line` of the innermost frame of user code, null when there is none. @param {unknown} error */
export function whereOf(error) {
  void error;
  return null;
}

/** The error's stack as the user should see it: `Name: message`, then frames of user code and its libraries, then causes. */
export function readableStack(error) {
  return error instanceof Error ? (error.stack ?? String(error)) : undefined;
}
