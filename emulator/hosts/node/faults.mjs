/** Errors of user code on their way out of the host: error objects of the link (wire/README.md), stacks without our own frames. */
import { inspect } from "node:util";
import { EmuError } from "./errors.mjs";
import { userPlace, withoutMachinery } from "./stacks.mjs";

/**
 * The error object of the wire. `where` is `file:line` in user code, `object` whose code failed when a caller passed the error on, `shown`
 * that an `exception` note has told of it, `props` the error's own plain properties (`remote`, `durableObjectReset`, ...).
 * @typedef {{name: string, message: string, stack?: string, code?: string, where?: string, hint?: string, object?: object,
 *   shown?: boolean, props: Record<string, string|number|boolean>}} ErrorObject
 */

/** @typedef {{error: unknown, whose: {class: string, id: string, name: string|null}|null, shown: boolean}} Origin */

/** @type {WeakMap<object, Origin>} */
const origins = new WeakMap();

/** How many causes are followed. */
const DEPTH = 8;

/**
 * The error as the link carries it. What another object failed with is described as it was there.
 * @param {unknown} error anything that was thrown
 * @returns {ErrorObject}
 */
export function errorObject(error) {
  const origin = originOf(error);
  if (origin === null) return described(error);
  const there = described(origin.error);
  return { ...there, props: { ...there.props, ...plainProperties(error) }, object: origin.whose ?? undefined, shown: origin.shown };
}

/**
 * `error` is a caller's copy of what another object's code threw: what is told of it later names where it began. An origin that `thrown`
 * has itself is kept.
 * @param {Error} error the copy
 * @param {unknown} thrown what was thrown there
 * @param {Origin["whose"]} whose the object, null for a Worker
 * @param {boolean} shown whether an `exception` note has told of it
 */
export function markOrigin(error, thrown, whose, shown) {
  origins.set(error, originOf(thrown) ?? { error: thrown, whose, shown });
}

/** Where an error came from; null when it began here, or when somebody on its way made it one of his own. @returns {Origin|null} */
export function originOf(error) {
  return (typeof error === "object" && error !== null && origins.get(error)) || null;
}

/** `file:line` of the innermost frame of user code, null when there is none. @param {unknown} error */
export function whereOf(error) {
  const stack = textOf(error, "stack");
  return stack === null ? null : userPlace(stack);
}

/**
 * The error's stack as the user should see it: name and message, frames of the project and its libraries, then the causes.
 * @param {unknown} error
 * @returns {string}
 */
export function readableStack(error) {
  return chain(error, new Set()).join("\n");
}

function described(error) {
  if (error instanceof EmuError) {
    return {
      name: error.name,
      code: error.code,
      message: error.message,
      where: error.where ?? undefined,
      hint: error.hint ?? undefined,
      stack: error.cause === undefined ? undefined : readableStack(error.cause),
      props: {},
    };
  }
  if (!isError(error)) return { name: "Error", message: typeof error === "string" ? error : shown(error), props: {} };
  return {
    name: textOf(error, "name") ?? "Error",
    message: textOf(error, "message") ?? "",
    stack: readableStack(error),
    where: whereOf(error) ?? undefined,
    props: plainProperties(error),
  };
}

function chain(error, seen) {
  if (!isError(error)) return [typeof error === "string" ? error : shown(error)];
  seen.add(error);
  const lines = withoutMachinery(textOf(error, "stack") ?? `${textOf(error, "name")}: ${textOf(error, "message")}`).split("\n");
  for (const [label, inner] of innerErrors(error)) {
    if (seen.has(inner) || seen.size > DEPTH) continue;
    const [first, ...rest] = chain(inner, seen);
    lines.push(`  [${label}]: ${first}`, ...rest.map((line) => `  ${line}`));
  }
  return lines;
}

/** What an error was made of: its cause, and the errors of an AggregateError. */
function innerErrors(error) {
  try {
    const inner = Array.isArray(error.errors) ? error.errors.map((one, index) => [`errors ${index}`, one]) : [];
    return error.cause === undefined || error.cause === null ? inner : [["cause", error.cause], ...inner];
  } catch {
    return []; // a getter of the user's that throws says nothing
  }
}

function isError(value) {
  try {
    return value instanceof Error || Error.isError?.(value) === true;
  } catch {
    return false; // a Proxy that throws
  }
}

function textOf(error, name) {
  try {
    const value = error?.[name];
    return typeof value === "string" ? value : null;
  } catch {
    return null; // as above
  }
}

function shown(value) {
  try {
    return inspect(value);
  } catch {
    return "a value that cannot be shown";
  }
}

function plainProperties(error) {
  const properties = {};
  try {
    for (const [name, value] of Object.entries(error)) {
      if (name !== "stack" && name !== "message" && ["boolean", "number", "string"].includes(typeof value)) properties[name] = value;
    }
  } catch {
    // as above
  }
  return properties;
}
