/** What user code throws while it is imported, as errors with the user's place. */

import { readFileSync } from "node:fs";
import { relative, resolve } from "node:path";
import { UserCodeError } from "./errors.mjs";
import { whereOf } from "./faults.mjs";
import { NoSuchModule } from "./module_hooks.mjs";

/** A frame that a source map has led to a file; those of the emulator and of Node are URLs. */
const BUNDLED_FRAME = /^\s+at .*?\(?\/[^()]*:\d+:\d+\)?$/;
/** How V8 says that a module lacks an export. */
const NO_EXPORT = /requested module '([^']+)' does not provide an export/;

/**
 * E424 for what importing the built code threw.
 * @param {unknown} error
 * @param {import("esbuild").Metafile} metafile
 * @param {import("./bundle_options.mjs").BuildPlan} plan
 */
export function evaluationError(error, metafile, { root, main }) {
  const shown = relative(root, main);
  const specifier = error instanceof NoSuchModule ? error.specifier : NO_EXPORT.exec(error?.message)?.[1];
  const where = (specifier === undefined ? null : importPlace(specifier, metafile, root)) ?? shorten(whereOf(error), root) ?? shown;
  const text = error instanceof Error ? String(error) : `it threw ${String(error)}`;
  return new UserCodeError("E424", `${shown} does not load: ${text}`, { where, hint: error?.hint ?? null, cause: error });
}

/** Whether the innermost frame of code that was bundled is a package's. @param {unknown} error */
export function failedInPackages(error) {
  if (!(error instanceof Error)) return false;
  const frame = String(error.stack)
    .split("\n")
    .find((line) => BUNDLED_FRAME.test(line));
  return frame?.includes("/node_modules/") ?? false;
}

/** Where user code imports a module: the line that names it. */
function importPlace(specifier, { inputs }, root) {
  for (const [key, { imports }] of Object.entries(inputs)) {
    if (!imports.some(({ path, external }) => external && path === specifier)) continue;
    const lines = readFileSync(resolve(root, key), "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes(`"${specifier}"`) || line.includes(`'${specifier}'`));
    return at === -1 ? key : `${key}:${at + 1}`;
  }
  return null;
}

/** Places are shown as seen from the project. */
function shorten(where, root) {
  return where === null || !where.startsWith(`${root}/`) ? where : where.slice(root.length + 1);
}
