/** Importing the user's Worker: bundled, evaluated, its exports sorted; failures name the user's line (node-host.md 3). */

/**
 * What the main module exports.
 * @typedef {object} UserCode
 * @property {object} namespace the main module's namespace object
 * @property {unknown} default the default export: a `WorkerEntrypoint` class, an object of handlers, or undefined
 * @property {Map<string, Function>} objects Durable Object classes by export name, plain classes that a binding or migration names included
 * @property {Map<string, Function|object>} entrypoints `WorkerEntrypoint` classes and handler objects by export name, without the default
 * @property {Map<string, Function>} workflows `WorkflowEntrypoint` classes by export name
 * @property {string[]} handlers names of the events that the default export handles: `fetch`, `scheduled`, `email`, `queue`, ...
 * @property {string[]} modules READY's `modules`: what a spare process should `preload`
 * @property {string[]} warnings READY's `warnings`
 * @property {string[]} inputs READY's `inputs`: absolute paths of the files that the code was built from, without installed packages
 */

/** One per process. */
export class Loader {
  /** Become able to import user code: module hooks, readable stacks. Once, before anything of the user's or its packages is imported. */
  prepare() {}

  /**
   * A spare process gets ready: start the project's bundler, import the packages that the code used last time.
   * @param {string[]} modules the `modules` of an earlier READY
   */
  async preload(modules) {
    void modules;
  }

  /**
   * Bundle and import `main`. `env` of `cloudflare:workers` must be filled before: user code may read it at module level.
   * @param {object} project LOAD's project (wire/README.md)
   * @returns {Promise<UserCode>}
   * @throws {import("./errors.mjs").UserCodeError} E421 (no such main), E423 (a bound class is not exported), E424 (does not build or
   *   import), E425 (the project has no esbuild), with the user's `file:line`
   */
  async load(project) {
    void project;
    throw new Error("not loaded");
  }
}

/** READY's `exports` (wire/README.md). @param {UserCode} code @returns {{name: string, kind: "durable_object"|"worker"|"workflow", alarm: boolean}[]} */
export function describeExports(code) {
  const found = [...code.objects].map(([name, cls]) => ({ name, kind: "durable_object", alarm: "alarm" in cls.prototype }));
  if (code.default !== undefined) found.push({ name: "default", kind: "worker", alarm: false });
  for (const name of code.entrypoints.keys()) found.push({ name, kind: "worker", alarm: false });
  for (const name of code.workflows.keys()) found.push({ name, kind: "workflow", alarm: false });
  return found;
}
