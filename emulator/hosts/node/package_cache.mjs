/**
 * Prebuilt packages on disk: `.agents-emu/node/<hash>/` has the output, `<plan>.json` beside it is the index, which holds what makes it stale:
 * the lock files and every file that went in. A change of one rebuilds all; nothing here has to be deleted by hand.
 */

import { createHash, randomUUID } from "node:crypto";
import { existsSync, mkdirSync, readdirSync, readFileSync, renameSync, rmSync, statSync, utimesSync, writeFileSync } from "node:fs";
import { dirname, join } from "node:path";
import { pathToFileURL } from "node:url";
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
/** V8's compiled code, by Node's own rules. */
const COMPILED = "compiled";
/** An index that nobody has used for so long goes, with its folder. */
const FORGET_MS = 14 * 86_400_000;
/** No build takes so long: what a killed process left behind. */
const ABANDONED_MS = 3_600_000;

/**
 * The index's content.
 * @typedef {object} Prebuilt
 * @property {number} format
 * @property {import("./bundle_options.mjs").BuildPlan} plan
 * @property {{path: string, version: string}} esbuild
 * @property {string|null} folder name of the folder with the output
 * @property {Record<string, import("./dependencies.mjs").Entry>} entries by absolute path
 * @property {Record<string, string|null>} stamps of every file that matters, by absolute path; null: it must not exist
 * @property {string[]} used absolute paths of the entries that user code imported last time, in the order of evaluation
 * @property {string|null} whole why user code and packages must be one bundle, null when they need not
 * @property {string|null} order why the code of last time had to be one bundle with packages, null when it had not
 * @property {string[]} copies warnings about packages that are there more than once
 */

/** The prebuilt packages of one plan. */
export class PackageCache {
  /** Absolute path of the index: what a spare process needs to know. */
  index;
  #folder;
  #plan;
  #esbuild;
  #lockFiles;

  /** @param {import("./bundle_options.mjs").BuildPlan} plan @param {import("./esbuild.mjs").Esbuild} esbuild */
  constructor(plan, esbuild) {
    this.#folder = cacheFolder(plan.root);
    this.#plan = plan;
    this.#esbuild = { path: esbuild.path, version: esbuild.version };
    this.#lockFiles = lockFiles(plan.root);
    this.index = join(this.#folder, `${shortHash([FORMAT, plan, esbuild.version])}.json`);
  }

  /** What was built last time, null when there is none or it is stale. @returns {Prebuilt|null} */
  read() {
    const found = readIndex(this.index);
    const there = found !== null && (found.folder === null || existsSync(join(this.#folder, found.folder)));
    return there && isFresh(found) ? found : null;
  }

  /** Nothing built yet. @returns {Prebuilt} */
  empty() {
    return this.#record({ folder: null, entries: {}, stamps: stampAll(this.#lockFiles), whole: null, copies: [] });
  }

  /**
   * Build packages and keep what came of it.
   * @param {(folder: string) => Promise<import("./dependencies.mjs").BuiltPackages>} build writes its output there
   * @returns {Promise<Prebuilt>}
   */
  async build(build) {
    const draft = join(this.#folder, `.${randomUUID()}`);
    try {
      const { entries, files, outside, copies } = await build(draft);
      const stamps = stampAll([...this.#lockFiles, ...files]);
      const folder = outside === null ? shortHash([this.#plan, stamps, Object.keys(entries)]) : null;
      if (folder !== null) moveUnlessThere(draft, join(this.#folder, folder));
      const prebuilt = this.#record({ folder, entries, stamps, whole: outside, copies });
      this.write(prebuilt);
      return prebuilt;
    } finally {
      rmSync(draft, { recursive: true, force: true });
    }
  }

  /** URL of an entry's module. @param {Prebuilt} prebuilt @param {string} path */
  urlOf(prebuilt, path) {
    return pathToFileURL(join(this.#folder, prebuilt.folder, prebuilt.entries[path].file)).href;
  }

  /** Whether there is an index. */
  get isWritten() {
    return existsSync(this.index);
  }

  /** Remember it for the next process, and forget what no index names; the folder named until now stays, a process may run from it. */
  write(prebuilt) {
    mkdirSync(this.#folder, { recursive: true });
    const before = readIndex(this.index)?.folder ?? null;
    const draft = join(this.#folder, `.${randomUUID()}`);
    writeFileSync(draft, writeJson(prebuilt));
    renameSync(draft, this.index);
    if (before !== null && before !== prebuilt.folder) this.#sweep(before);
  }

  /** It was used now: the first process of the next run begins with it. */
  touch() {
    const nowS = nowMs() / 1000;
    utimesSync(this.index, nowS, nowS);
  }

  #record(fields) {
    return { format: FORMAT, plan: this.#plan, esbuild: this.#esbuild, used: [], order: null, ...fields };
  }

  #sweep(before) {
    const names = readdirSync(this.#folder);
    const indexes = names.filter((name) => name.endsWith(".json"));
    const forgotten = indexes.filter((name) => this.#ageMs(name) > FORGET_MS);
    const kept = indexes.filter((name) => !forgotten.includes(name)).map((name) => readIndex(join(this.#folder, name))?.folder);
    const unnamed = names.filter((name) => /^[0-9a-f]{16}$/.test(name) && name !== before && !kept.includes(name));
    const drafts = names.filter((name) => name.startsWith(".") && this.#ageMs(name) > ABANDONED_MS);
    // What V8 has compiled is of files that are gone, for the most part.
    for (const name of [...forgotten, ...unnamed, ...drafts, COMPILED]) rmSync(join(this.#folder, name), { recursive: true, force: true });
  }

  #ageMs(name) {
    return nowMs() - statSync(join(this.#folder, name)).mtimeMs;
  }
}

/** Where a project's prebuilt packages are. @param {string} root */
export function cacheFolder(root) {
  return join(root, ".agents-emu", "node");
}

/** Where V8's compiled code of a project's modules is. @param {string} root */
export function compiledFolder(root) {
  return join(cacheFolder(root), COMPILED);
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

/** Whether every file that went in is as it was. */
function isFresh({ stamps }) {
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

/** Another process may have built the same. */
function moveUnlessThere(from, to) {
  try {
    renameSync(from, to);
  } catch (error) {
    if (!existsSync(to)) throw error;
  }
}

/** A short name for a value, the same for equal ones. @param {unknown} value that JSON can say */
export function shortHash(value) {
  return createHash("sha256").update(writeJson(value)).digest("hex").slice(0, 16);
}
