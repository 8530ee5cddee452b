/** What user code throws while it is imported, as errors with the user's place. */

import { readFileSync } from "node:fs";
import { relative } from "node:path";
import { fileOf } from "./bundle_options.mjs";
import { UserCodeError } from "./errors.mjs";
import { NoSuchModule } from "./module_hooks.mjs";

/** A frame that a source map has led to a file; those of the emulator and of Node are URLs. */
const BUNDLED_FRAME = /^\s+at (?:.*[ (])?(\/[^()]*):(\d+):\d+\)?$/;
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
  const where = (specifier === undefined ? null : importPlace(specifier, metafile, root)) ?? placeOf(error, root) ?? shown;
  const text = error instanceof Error ? String(error) : `it threw ${String(error)}`;
  return new UserCodeError("E424", `${shown} does not load: ${text}`, { where, hint: error?.hint ?? null, cause: error });
}

/** Whether the innermost frame of code that was bundled is a package's. @param {unknown} error */
export function failedInPackages(error) {
  return bundledFrames(error)[0]?.path.includes("/node_modules/") ?? false;
}

/** The innermost line of the user's own, else of a package, as seen from the project. */
function placeOf(error, root) {
  const frames = bundledFrames(error);
  const frame = frames.find(({ path }) => !path.includes("/node_modules/")) ?? frames[0];
  if (frame === undefined) return null;
  return `${frame.path.startsWith(`${root}/`) ? frame.path.slice(root.length + 1) : frame.path}:${frame.line}`;
}

function bundledFrames(error) {
  if (!(error instanceof Error)) return [];
  const found = String(error.stack)
    .split("\n")
    .map((line) => BUNDLED_FRAME.exec(line));
  return found.filter((match) => match !== null).map(([, path, line]) => ({ path, line }));
}

/** Where user code imports a module: the line that names it. */
function importPlace(specifier, { inputs }, root) {
  for (const [key, { imports }] of Object.entries(inputs)) {
    const file = fileOf(key, root);
    if (file === null || !imports.some(({ path, external }) => external && path === specifier)) continue;
    const lines = readFileSync(file, "utf8").split("\n");
    const at = lines.findIndex((line) => line.includes(`"${specifier}"`) || line.includes(`'${specifier}'`));
    return at === -1 ? key : `${key}:${at + 1}`;
  }
  return null;
}
