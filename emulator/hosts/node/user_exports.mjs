/** What the main module exports, sorted, and what of it is wrong. Pure but for the user's getters. */

import { UserCodeError } from "./errors.mjs";
import { nearest } from "./nearest.mjs";
import { DurableObject, WorkerEntrypoint, WorkflowEntrypoint } from "./rpc/bases.mjs";

/** Events a Worker can handle, by the names of their handlers. */
const HANDLERS = ["fetch", "scheduled", "queue", "email", "trace", "tail", "tailStream", "test", "connect"];

/**
 * Exports by what they are. A class of no base of the platform's is a Durable Object class of the old kind.
 * @typedef {object} SortedExports
 * @property {unknown} default the default export: a `WorkerEntrypoint` class, an object of handlers, or undefined
 * @property {Map<string, Function>} objects
 * @property {Map<string, Function|object>} entrypoints `WorkerEntrypoint` classes and handler objects, without the default
 * @property {Map<string, Function>} workflows
 * @property {string[]} handlers names of the events that the default export handles
 */

/**
 * @param {object} namespace the main module's
 * @param {string} main the main file, for messages
 * @returns {SortedExports}
 * @throws {UserCodeError} E424 when the platform would refuse an export, in its words
 */
export function sortExports(namespace, main) {
  const sorted = { default: undefined, objects: new Map(), entrypoints: new Map(), workflows: new Map(), handlers: [] };
  if (Object.keys(namespace).length === 0) throw nothingExported(main);
  for (const [name, value] of Object.entries(namespace)) {
    refuse(name, value, main);
    if (name === "default") {
      sorted.default = value;
      sorted.handlers = handlersOf(value);
    } else if (typeof value !== "function") sorted.entrypoints.set(name, value);
    else if (isMade(value, WorkerEntrypoint)) sorted.entrypoints.set(name, value);
    else if (isMade(value, WorkflowEntrypoint)) sorted.workflows.set(name, value);
    else if (value.prototype !== undefined) sorted.objects.set(name, value);
  }
  return sorted;
}

/**
 * Hold the exports against the wrangler file.
 * @param {SortedExports} sorted
 * @param {{bindings: {kind: string, name: string, class?: string}[], classes: Record<string, string>, main: string}} project LOAD's
 * @returns {string[]} warnings
 * @throws {UserCodeError} E423 when a bound class is not exported
 */
export function checkExports({ objects }, { bindings, classes, main }) {
  for (const { kind, name, class: wanted } of bindings) {
    if (kind !== "durable_object" || objects.has(wanted)) continue;
    const own = durableObjects(objects);
    const close = nearest(wanted, own);
    const exported = own.join(", ") || "no Durable Object class";
    throw new UserCodeError("E423", `the binding "${name}" names the class "${wanted}", which ${main} does not export`, {
      where: main,
      hint: close === null ? `it exports ${exported}; export ${wanted}, or change class_name` : `did you mean "${close}"?`,
    });
  }
  const bound = new Set(bindings.map((binding) => binding.class));
  return Object.keys(classes)
    .filter((name) => !objects.has(name) && !bound.has(name))
    .map((name) => `the migrations have the class "${name}", which ${main} does not export: a deploy would be refused`);
}

/**
 * READY's `exports` (wire/README.md).
 * @param {SortedExports} sorted
 * @param {Record<string, string>} classes LOAD's: classes that bindings and migrations name are objects whatever they extend
 * @returns {{name: string, kind: "durable_object"|"worker"|"workflow", alarm: boolean}[]}
 */
export function describeExports(sorted, classes) {
  const found = [];
  for (const [name, made] of sorted.objects) {
    if (name in classes || isMade(made, DurableObject)) found.push({ name, kind: "durable_object", alarm: "alarm" in made.prototype });
  }
  if (sorted.default !== undefined) found.push({ name: "default", kind: "worker", alarm: false });
  for (const name of sorted.entrypoints.keys()) found.push({ name, kind: "worker", alarm: false });
  for (const name of sorted.workflows.keys()) found.push({ name, kind: "workflow", alarm: false });
  return found;
}

function refuse(name, value, main) {
  if (typeof value === "function" || (typeof value === "object" && value !== null)) return;
  const said =
    value === null || value === undefined
      ? `Cannot initialize ExportedHandler with required members from an undefined or null value.`
      : `Incorrect type for map entry '${name}': the provided value is not of type 'function or ExportedHandler'.`;
  throw new UserCodeError("E424", `${main} does not load: TypeError: ${said}`, {
    where: main,
    hint: `the platform takes classes, functions and objects of handlers as exports of the main module: export "${name}" from another file`,
  });
}

function nothingExported(main) {
  return new UserCodeError("E424", `${main} does not load: it exports nothing`, {
    where: main,
    hint: "export default { fetch(request, env) { ... } }, and the agents' classes; a Service Worker (addEventListener) can have no agents",
  });
}

function handlersOf(value) {
  const holder = typeof value === "function" ? (value.prototype ?? {}) : value;
  return HANDLERS.filter((name) => typeof holder[name] === "function");
}

function isMade(value, base) {
  return typeof value === "function" && (value === base || Object.prototype.isPrototypeOf.call(base, value));
}

function durableObjects(objects) {
  return [...objects].filter(([, made]) => isMade(made, DurableObject)).map(([name]) => name);
}
