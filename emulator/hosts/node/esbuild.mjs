/** Finding the project's own esbuild: nearly every project has one, because wrangler and vite bring it (node-host.md 3). */

import { existsSync, readFileSync, realpathSync } from "node:fs";
import { createRequire } from "node:module";
import { dirname, join } from "node:path";
import { UserCodeError } from "./errors.mjs";
import { parseJson } from "./originals.mjs";
import { declaredPackages } from "./package_json.mjs";

/** The first version that lowers TC39 decorators, which `@callable()` is. */
const OLDEST = [0, 21, 0];

/** Whose esbuild may be used, in this order; null is the project itself. wrangler's first: it is the one that deploys. */
const HOLDERS = [
  ["wrangler"],
  ["@cloudflare/vite-plugin", "wrangler"],
  [null],
  ["vite"],
  ["@cloudflare/vitest-pool-workers"],
  ["vitest"],
  ["agents"],
  ["tsx"],
  ["tsup"],
];

/**
 * @typedef {object} Esbuild
 * @property {string} path its main module
 * @property {string} version
 * @property {typeof import("esbuild")} api
 */

/**
 * The project's esbuild, loaded.
 * @param {string} root the project's folder
 * @returns {Esbuild}
 * @throws {UserCodeError} E425 when there is none, or only one too old for decorators
 */
export function loadEsbuild(root) {
  const old = [];
  for (const path of candidates(root)) {
    const version = versionOf(path);
    if (!isNewEnough(version)) old.push(version);
    else return { path, version, api: createRequire(path)(path) };
  }
  throw missing(root, old);
}

/**
 * The same one again, in another process.
 * @param {string} path @param {string} version as `loadEsbuild` gave them
 * @returns {Esbuild|null} null when it is not there any more
 */
export function reloadEsbuild(path, version) {
  if (!existsSync(path) || versionOf(path) !== version) return null;
  return { path, version, api: createRequire(path)(path) };
}

/** Whether an error is esbuild's about itself, not about the code it was to build. @param {unknown} error */
export function isEsbuildsOwn(error) {
  return error instanceof Error && !(error instanceof UserCodeError) && /esbuild/i.test(error.message);
}

/** E425 for an esbuild that does not run: installed for another machine, or only half. @param {Error} error */
export function brokenEsbuild(error) {
  const [said] = error.message.trim().split("\n");
  const hint = "rm -r node_modules, then npm install";
  return new UserCodeError("E425", `the project's esbuild does not run: ${said}`, { where: "package.json", hint, cause: error });
}

/** Main modules of the esbuilds that can be found, best first. @param {string} root */
function* candidates(root) {
  for (const chain of HOLDERS) {
    let from = root;
    for (const name of chain) if (from !== null && name !== null) from = packageFolder(name, from);
    const path = from === null ? null : resolveFrom(from, "esbuild");
    if (path !== null) yield path;
  }
}

/** The real folder of an installed package, looked for in `node_modules` here and in every folder above. @returns {string|null} */
export function packageFolder(name, from) {
  for (let folder = from; ; folder = dirname(folder)) {
    const found = join(folder, "node_modules", name);
    if (existsSync(join(found, "package.json"))) return realpathSync(found);
    if (dirname(folder) === folder) return null;
  }
}

function resolveFrom(folder, name) {
  try {
    return createRequire(join(folder, "package.json")).resolve(name);
  } catch (error) {
    if (error.code === "MODULE_NOT_FOUND" || error.code === "ERR_PACKAGE_PATH_NOT_EXPORTED") return null;
    throw error;
  }
}

/** esbuild's main module is `lib/main.js` of its package. */
function versionOf(path) {
  return parseJson(readFileSync(join(dirname(path), "..", "package.json"), "utf8")).version;
}

function isNewEnough(version) {
  const parts = version.split(".").map((part) => Number.parseInt(part, 10));
  for (const [index, least] of OLDEST.entries()) if (parts[index] !== least) return parts[index] > least;
  return true;
}

function missing(root, old) {
  if (existsSync(join(root, ".pnp.cjs"))) {
    return new UserCodeError("E425", "the project's packages are not in node_modules, where its esbuild is looked for", {
      where: ".pnp.cjs",
      hint: 'set "nodeLinker: node-modules" in .yarnrc.yml, then yarn install',
    });
  }
  if (old.length > 0) {
    return new UserCodeError("E425", `the project's esbuild is ${old[0]}, and decorators need ${OLDEST.join(".")} or newer`, {
      where: "package.json",
      hint: "npm install --save-dev wrangler@latest",
    });
  }
  const packages = declaredPackages(root);
  const declared = ["wrangler", "@cloudflare/vite-plugin", "esbuild"].find((name) => packages.has(name));
  return new UserCodeError("E425", "the project has no esbuild, which turns its code into something that runs", {
    where: "package.json",
    hint:
      declared === undefined
        ? "npm install --save-dev wrangler   (it brings esbuild)"
        : `npm install   (package.json names ${declared}, which brings it)`,
  });
}
