/**
 * Building installed packages apart from user code (node-host.md 3): every file of a package that user code imports is an entry of one esbuild
 * build with splitting, so that each module of a package exists once however it is reached.
 */

import { readFileSync } from "node:fs";
import { basename, join, relative, resolve } from "node:path";
import { commonOptions, fileOf, isInstalled, packageOf } from "./bundle_options.mjs";
import { pluginsOf } from "./bundle_plugins.mjs";
import { shortHash } from "./package_cache.mjs";

/**
 * An imported file of a package, as user code should see it.
 * @typedef {object} Entry
 * @property {string} file name in the folder
 * @property {string[]} names its exports
 * @property {boolean} cjs whether `names` is only `default`, which is its `module.exports`
 * @property {string[]} stars what it re-exports whole and esbuild cannot list: paths of CommonJS files, external specifiers
 */

/**
 * Packages that were built.
 * @typedef {object} BuiltPackages
 * @property {Record<string, Entry>} entries by absolute path; empty when `outside` says something
 * @property {string[]} files absolute paths of all installed files that went in, and of their packages' package.json
 * @property {string|null} outside why packages cannot be apart from user code: they import a file of it
 * @property {string[]} copies warnings about packages that are there more than once
 */

/**
 * Build these files of packages, with whatever they import.
 * @param {typeof import("esbuild")} api
 * @param {import("./bundle_options.mjs").BuildPlan} plan
 * @param {string[]} paths absolute
 * @param {string} folder where the output goes
 * @returns {Promise<BuiltPackages>}
 * @throws esbuild's failure, with `errors`
 */
export async function buildPackages(api, plan, paths, folder) {
  const { metafile } = await api.build({
    ...commonOptions(plan),
    plugins: pluginsOf(plan),
    external: ["cloudflare:*", "agents-emu:*"],
    entryPoints: Object.fromEntries(paths.map((path) => [entryName(path), path])),
    outdir: folder,
    chunkNames: "chunk-[hash]",
    splitting: true,
    sourcemap: "linked",
    write: true,
  });
  const inputs = new Inputs(metafile, plan.root);
  const outside = inputs.firstOutside();
  const files = inputs.files().filter((path) => isInstalled(path, plan.root));
  return { entries: outside === null ? inputs.entries(paths) : {}, files, outside, copies: duplicateWarnings(files, plan.root) };
}

/** What esbuild said of a build of packages. */
class Inputs {
  #metafile;
  #root;

  constructor(metafile, root) {
    this.#metafile = metafile;
    this.#root = root;
  }

  /** Absolute paths of the files, and of their packages' package.json. */
  files() {
    const found = new Set();
    for (const key of Object.keys(this.#metafile.inputs)) {
      const path = this.#pathOf(key);
      if (path === null) continue;
      found.add(path);
      const owner = packageOf(path);
      if (owner !== null) found.add(join(owner.folder, "package.json"));
    }
    return [...found];
  }

  /** Why packages cannot be apart from user code: the first one that imports a file of the user's. */
  firstOutside() {
    for (const [key, { imports }] of Object.entries(this.#metafile.inputs)) {
      const path = this.#pathOf(key);
      const outside = path === null ? undefined : imports.find((one) => this.#isOutside(one.path));
      if (outside !== undefined) return `${key} imports ${outside.path}`;
    }
    return null;
  }

  #isOutside(key) {
    const path = key in this.#metafile.inputs ? this.#pathOf(key) : null;
    return path !== null && !isInstalled(path, this.#root);
  }

  /** @param {string[]} paths @returns {Record<string, Entry>} */
  entries(paths) {
    const wanted = new Set(paths);
    const found = {};
    for (const [output, { entryPoint, exports }] of Object.entries(this.#metafile.outputs)) {
      const path = entryPoint === undefined ? null : this.#pathOf(entryPoint);
      if (!wanted.has(path)) continue;
      const cjs = this.#metafile.inputs[entryPoint].format === "cjs";
      found[path] = { file: basename(output), names: exports, cjs, stars: cjs ? [] : [...this.#stars(entryPoint, new Set())] };
    }
    return found;
  }

  /** `export * from` something that is no ES module: esbuild finds those names only when the code runs. */
  #stars(key, seen) {
    const found = new Set();
    if (seen.has(key)) return found;
    seen.add(key);
    const source = readFileSync(resolve(this.#root, key), "utf8");
    for (const [, specifier] of source.matchAll(/\bexport\s*\*\s*from\s*["']([^"']+)["']/g)) {
      const target = this.#metafile.inputs[key].imports.find(
        (one) => one.original === specifier || (one.external && one.path === specifier),
      );
      if (target === undefined) continue;
      if (target.external) found.add(target.path);
      else if (this.#metafile.inputs[target.path]?.format === "cjs") found.add(resolve(this.#root, target.path));
      else for (const star of this.#stars(target.path, seen)) found.add(star);
    }
    return found;
  }

  #pathOf(key) {
    return fileOf(key, this.#root);
  }
}

/** Packages that break when they are there twice: classes of one are no classes of the other. */
const SINGLE = ["agents"];

/** @param {string[]} files absolute paths of what was bundled @param {string} root @returns {string[]} */
export function duplicateWarnings(files, root) {
  const folders = new Map(SINGLE.map((name) => [name, new Set()]));
  for (const path of files) {
    const owner = packageOf(path);
    if (owner !== null) folders.get(owner.name)?.add(owner.folder);
  }
  return [...folders]
    .filter(([, copies]) => copies.size > 1)
    .map(([name, copies]) => {
      const places = [...copies]
        .map((copy) => relative(root, copy))
        .sort()
        .join(" and ");
      return `the project has two copies of "${name}", in ${places}: an agent of one is unknown to the other (npm dedupe, or npm ls ${name})`;
    });
}

function entryName(path) {
  return `${basename(path).replace(/\W+/g, "_")}-${shortHash(path).slice(0, 8)}`;
}
