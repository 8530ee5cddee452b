/**
 * Installed packages, built once for all loads of a project (node-host.md 3).
 *
 * Every file of a package that user code imports is an entry of one esbuild build with splitting, so that each module of a package exists
 * once however it is reached. The output lies in `.agents-emu/node/<hash>/` beside an index `<plan>.json`, which holds what makes it
 * stale: the lock files and every file that went in. A change of either rebuilds all; nothing here has to be deleted by hand.
 */

import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { basename, dirname, join, relative, resolve } from "node:path";
import { pathToFileURL } from "node:url";
import { commonOptions, isInstalled, packageOf } from "./bundle_options.mjs";
import { pluginsOf } from "./bundle_plugins.mjs";
import { nowMs, parseJson, writeJson } from "./originals.mjs";

/** Changes whenever what is written here changes its meaning. */
const FORMAT = 1;
const LOCK_FILES = [
  "package-lock.json",
  "npm-shrinkwrap.json",
  "pnpm-lock.yaml",
  "yarn.lock",
  "bun.lock",
  "bun.lockb",
  "node_modules/.package-lock.json",
  "node_modules/.modules.yaml",
  "node_modules/.yarn-state.yml",
];
/** An index that nobody has used for so long goes, with its folder. */
const FORGET_MS = 14 * 86_400_000;

/**
 * An imported file of a package, as user code should see it.
 * @typedef {object} Entry
 * @property {string} file name in the folder
 * @property {string[]} names its exports
 * @property {boolean} cjs whether `names` is only `default`, which is its `module.exports`
 * @property {string[]} stars what it re-exports whole and esbuild cannot list: paths of CommonJS files, external specifiers
 */

/**
 * The index's content.
 * @typedef {object} Prebuilt
 * @property {number} format
 * @property {import("./bundle_options.mjs").BuildPlan} plan
 * @property {{path: string, version: string}} esbuild
 * @property {string|null} folder name of the folder with the output
 * @property {Record<string, Entry>} entries by absolute path
 * @property {Record<string, string|null>} stamps of every file that matters, by absolute path; null: it must not exist
 * @property {string[]} used absolute paths of the entries that user code imported last time, in the order of evaluation
 * @property {string|null} whole why user code and packages must be one bundle, null when they need not
 * @property {string|null} order why the code of last time had to be one bundle with packages, null when it had not
 * @property {string[]} copies warnings about packages that are there more than once
 */

/** The prebuilt packages of one plan, on disk. */
export class PackageCache {
  /** Absolute path of the index: what a spare process needs to know. */
  index;
  #folder;
  #plan;
  #esbuild;

  /** @param {import("./bundle_options.mjs").BuildPlan} plan @param {import("./esbuild.mjs").Esbuild} esbuild */
  constructor(plan, esbuild) {
    this.#folder = cacheFolder(plan.root);
    this.#plan = plan;
    this.#esbuild = esbuild;
    this.index = join(this.#folder, `${digest([FORMAT, plan, esbuild.version])}.json`);
  }

  /** What was built last time, null when there is none or it is stale. @returns {Prebuilt|null} */
  read() {
    const found = readIndex(this.index);
    return found !== null && isFresh(found) && this.#hasFolder(found) ? found : null;
  }

  /** Nothing built yet. @returns {Prebuilt} */
  empty() {
    return this.#record({ folder: null, entries: {}, stamps: stampAll(lockFiles(this.#plan.root)), whole: null, copies: [] });
  }

  /**
   * Build these files of packages, with whatever they import.
   * @param {string[]} paths absolute
   * @returns {Promise<Prebuilt>} with `whole` set when the output is no good
   * @throws esbuild's failure, with `errors`
   */
  async build(paths) {
    const draft = join(this.#folder, `.${randomUUID()}`);
    try {
      const { metafile } = await this.#esbuild.api.build({
        ...commonOptions(this.#plan),
        plugins: pluginsOf(this.#plan),
        external: ["cloudflare:*", "agents-emu:*"],
        entryPoints: Object.fromEntries(paths.map((path) => [entryName(path), path])),
        outdir: draft,
        chunkNames: "chunk-[hash]",
        splitting: true,
        sourcemap: "linked",
        write: true,
      });
      return this.#keep(draft, paths, new Inputs(metafile, this.#plan.root));
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }

  #keep(draft, paths, inputs) {
    const outside = inputs.firstOutside();
    const files = inputs.files().filter((path) => isInstalled(path, this.#plan.root));
    const stamps = stampAll([...lockFiles(this.#plan.root), ...files]);
    const entries = outside === null ? inputs.entries(paths) : {};
    const folder = outside === null ? digest([this.#plan, stamps, paths]) : null;
    if (folder !== null && !existsSync(join(this.#folder, folder))) renameSync(draft, join(this.#folder, folder));
    return this.#record({ folder, entries, stamps, whole: outside, copies: duplicateWarnings(files, this.#plan.root) });
  }

  #record(fields) {
    const { path, version } = this.#esbuild;
    return { format: FORMAT, plan: this.#plan, esbuild: { path, version }, used: [], order: null, ...fields };
  }

  #hasFolder({ folder }) {
    return folder === null || existsSync(join(this.#folder, folder));
  }

  /** URL of an entry's module. @param {Prebuilt} prebuilt @param {string} path */
  urlOf(prebuilt, path) {
    return pathToFileURL(join(this.#folder, prebuilt.folder, prebuilt.entries[path].file)).href;
  }

  /** Remember it for the next process, and forget what no index names; the folder named until now stays, a process may run from it. */
  write(prebuilt) {
    mkdirSync(this.#folder, { recursive: true });
    const before = readIndex(this.index)?.folder;
    const draft = `${this.index}.${process.pid}`;
    writeFileSync(draft, writeJson(prebuilt));
    renameSync(draft, this.index);
    if (before !== prebuilt.folder) this.#sweep(new Set([before]));
  }

  /** Whether there is an index. */
  get isWritten() {
    return existsSync(this.index);
  }

  /** It was used now: the first process of the next run begins with it. */
  touch() {
    const nowS = nowMs() / 1000;
    utimesSync(this.index, nowS, nowS);
  }

  #sweep(kept) {
    const names = readdirSync(this.#folder);
    for (const name of names.filter((one) => one.endsWith(".json"))) {
      const path = join(this.#folder, name);
      if (path !== this.index && nowMs() - statSync(path).mtimeMs > FORGET_MS) rmSync(path, { force: true });
      else kept.add(readIndex(path)?.folder);
    }
    for (const name of names)
      if (/^[0-9a-f]{16}$/.test(name) && !kept.has(name)) rmSync(join(this.#folder, name), { recursive: true, force: true });
  }
}

/** Where a project's prebuilt packages are. @param {string} root */
export function cacheFolder(root) {
  return join(root, ".agents-emu", "node");
}

/** An index as it stands in its file, null when there is none that this version can read. @param {string} path @returns {Prebuilt|null} */
export function readIndex(path) {
  if (!existsSync(path)) return null;
  try {
    const found = parseJson(readFileSync(path, "utf8"));
    return found.format === FORMAT ? found : null;
  } catch {
    return null; // half a file, of a process that was killed: as good as none
  }
}

/** Path of the index that was written last, in a list that is empty when there is none. @param {string} root */
export function newestIndex(root) {
  const folder = cacheFolder(root);
  if (!existsSync(folder)) return [];
  const paths = readdirSync(folder).filter((name) => name.endsWith(".json"));
  const dated = paths.map((name) => ({ path: join(folder, name), writtenMs: statSync(join(folder, name)).mtimeMs }));
  return dated
    .toSorted((one, other) => other.writtenMs - one.writtenMs)
    .slice(0, 1)
    .map(({ path }) => path);
}

/** Whether every file that went in is as it was. @param {Prebuilt} prebuilt */
export function isFresh({ stamps }) {
  return Object.entries(stamps).every(([path, stamp]) => stampOf(path) === stamp);
}

/** Files whose change may resolve imports elsewhere. @param {string} root */
export function lockFiles(root) {
  const found = [];
  for (let folder = root; ; folder = dirname(folder)) {
    found.push(...LOCK_FILES.map((name) => join(folder, name)));
    if (dirname(folder) === folder) return found;
  }
}

function stampAll(paths) {
  return Object.fromEntries(paths.map((path) => [path, stampOf(path)]));
}

/** Not the time of modification: package managers set that back. */
function stampOf(path) {
  const stat = statSync(path, { throwIfNoEntry: false });
  return stat === undefined ? null : `${stat.ctimeMs}/${stat.size}`;
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

  /** Null for what is no file: virtual modules, those that `browser` in a package.json switches off. */
  #pathOf(key) {
    return /^[\w-]{2,}:|^\(disabled\):/.test(key) ? null : resolve(this.#root, key);
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
  return `${basename(path).replace(/\W+/g, "_")}-${digest(path).slice(0, 8)}`;
}

function digest(value) {
  return createHash("sha256").update(writeJson(value)).digest("hex").slice(0, 16);
}
