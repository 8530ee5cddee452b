/**
 * The user's code as modules that run (node-host.md 3): a small chunk of their own files, which imports the prebuilt packages
 * (dependencies.mjs), so that a save costs only that chunk. Where code and packages cannot be apart, everything is one bundle.
 *
 * The chunk's build never looks into a package: every file of one is replaced by the list of its exports, taken from the prebuilt module.
 * So esbuild itself resolves, checks the imported names and joins CommonJS and ES modules, as in one bundle.
 */

import { basename, join, relative } from "node:path";
import { commonOptions, fileOf, isInstalled } from "./bundle_options.mjs";
import { pluginsOf } from "./bundle_plugins.mjs";
import { buildPackages, duplicateWarnings } from "./dependencies.mjs";
import { isBuildFailure, warningText } from "./build_errors.mjs";
import { globalsBeforePackages } from "./evaluation_order.mjs";
import { cacheFolder } from "./package_cache.mjs";

const SCRIPT_IN_PACKAGE = /[\\/]node_modules[\\/].*\.[cm]?[jt]sx?$/;
/** Stands for a package's file whose exports are not known yet; the build that met it is done again. */
const UNKNOWN = 'export * from "file:unknown"; export { default } from "file:unknown";';
const NO_EXPORT = /^No matching export in /;
/** Entries that stars of other entries lead to come one round later. */
const ROUNDS = 5;

/**
 * Built code.
 * @typedef {object} Built
 * @property {Map<string, {code: string, map: string}>} files by name, with their source maps
 * @property {string} main name of the file with the exports of `main`
 * @property {string} outdir absolute; sources in the maps are relative to it
 * @property {import("esbuild").Metafile} metafile
 * @property {string[]} warnings what esbuild and we find worth a word
 * @property {boolean} isWhole
 */

/** Builds one plan, again and again. */
export class Bundler {
  #esbuild;
  #plan;
  #cache;
  #prebuilt;
  #missing = new Set();
  /** @type {import("esbuild").BuildContext|null} */
  #apart = null;
  /** @type {import("esbuild").BuildContext|null} */
  #whole = null;

  /**
   * @param {import("./esbuild.mjs").Esbuild} esbuild
   * @param {import("./bundle_options.mjs").BuildPlan} plan
   * @param {import("./package_cache.mjs").PackageCache} cache
   */
  constructor(esbuild, plan, cache) {
    this.#esbuild = esbuild;
    this.#plan = plan;
    this.#cache = cache;
    this.#prebuilt = cache.read() ?? cache.empty();
  }

  /** URLs of the prebuilt modules that the code imported last time, in the order of evaluation. */
  get lastUsed() {
    const { used, entries } = this.#prebuilt;
    return used.filter((path) => path in entries).map((path) => this.#cache.urlOf(this.#prebuilt, path));
  }

  /** Let esbuild read everything once, so that `build` has less to do. */
  async warm() {
    const { whole, order } = this.#prebuilt;
    const builds = whole === null ? [this.#buildApart()] : [];
    if (whole !== null || order !== null) builds.push(this.#buildWhole());
    // What is wrong with the code `build` will meet as well, and tell.
    await Promise.allSettled(builds);
  }

  /**
   * Build the code as it is now.
   * @returns {Promise<Built>}
   * @throws esbuild's failure, with `errors`
   */
  async build() {
    this.#refresh();
    for (let round = 0; round < ROUNDS && this.#prebuilt.whole === null; round += 1) {
      const result = await this.#tryApart();
      if (this.#missing.size === 0) return result === null ? this.buildWhole() : this.#inOrder(result);
      const paths = [...new Set([...Object.keys(this.#prebuilt.entries), ...this.#missing])];
      this.#prebuilt = await this.#cache.build((folder) => buildPackages(this.#esbuild.api, this.#plan, paths, folder));
    }
    return this.buildWhole();
  }

  /** Build everything as one. @returns {Promise<Built>} */
  async buildWhole() {
    return this.#built(await this.#buildWhole(), true);
  }

  /** Code and packages are one bundle from now on, until packages change. @param {string} reason */
  keepWhole(reason) {
    this.#remember({ whole: reason, used: [] });
  }

  /** Nothing more will be built: esbuild's process ends. */
  async end() {
    await Promise.all([this.#apart?.dispose(), this.#whole?.dispose()]);
    await this.#esbuild.api.stop();
  }

  /** Packages may have changed, or another process may have built them, since we looked. */
  #refresh() {
    const found = this.#cache.read() ?? this.#cache.empty();
    if (found.folder !== this.#prebuilt.folder || found.whole !== this.#prebuilt.whole) this.#prebuilt = found;
  }

  #remember(fields) {
    const same = Object.entries(fields).every(([name, value]) => String(this.#prebuilt[name]) === String(value));
    if (same && this.#cache.isWritten) return;
    this.#prebuilt = { ...this.#prebuilt, ...fields };
    this.#cache.write(this.#prebuilt);
  }

  async #inOrder(result) {
    const code = result.outputFiles.map(({ path, text }) => (path.endsWith(".mjs") ? text : "")).join("\n");
    const order = globalsBeforePackages(result.metafile, keyOf(this.#plan.main, this.#plan), code, (key) => this.#isPackages(key));
    const used = order === null ? this.#packagesOf(result.metafile) : [];
    this.#remember({ order, used });
    return order === null ? this.#built(result, false) : this.buildWhole();
  }

  /** Null when it failed for want of an export that may well be there: of a package's file that is not known yet, or not wholly. */
  async #tryApart() {
    try {
      return await this.#buildApart();
    } catch (failure) {
      const isGuess = this.#missing.size > 0 || Object.values(this.#prebuilt.entries).some(({ stars }) => stars.length > 0);
      if (!isGuess || !isBuildFailure(failure) || !failure.errors.every(({ text }) => NO_EXPORT.test(text))) throw failure;
      return null;
    }
  }

  async #buildApart() {
    this.#missing.clear();
    this.#apart ??= await this.#esbuild.api.context({
      ...this.#options(),
      splitting: true,
      plugins: [...pluginsOf(this.#plan), this.#packagesApart()],
      external: ["cloudflare:*", "agents-emu:*", "file:*"],
    });
    return this.#apart.rebuild();
  }

  async #buildWhole() {
    this.#whole ??= await this.#esbuild.api.context({
      ...this.#options(),
      plugins: pluginsOf(this.#plan),
      external: ["cloudflare:*", "agents-emu:*"],
    });
    return this.#whole.rebuild();
  }

  #options() {
    return {
      ...commonOptions(this.#plan),
      entryPoints: [this.#plan.main],
      outdir: outdirOf(this.#plan),
      entryNames: "[name]",
      sourcemap: "external",
    };
  }

  #packagesApart() {
    return {
      name: "packages apart",
      setup: (build) => {
        build.onLoad({ filter: SCRIPT_IN_PACKAGE }, ({ path }) => {
          if (!isInstalled(path, this.#plan.root)) return undefined;
          const entry = this.#prebuilt.entries[path];
          if (entry === undefined) this.#missing.add(path);
          return { contents: entry === undefined ? UNKNOWN : exportsOf(entry, this.#cache.urlOf(this.#prebuilt, path)), loader: "js" };
        });
      },
    };
  }

  #isPackages(key) {
    const path = fileOf(key, this.#plan.root);
    return path !== null && isInstalled(path, this.#plan.root);
  }

  /** Paths of the entries that the main chunk imports statically, in the order of evaluation. */
  #packagesOf(metafile) {
    const paths = new Map(Object.keys(this.#prebuilt.entries).map((path) => [this.#cache.urlOf(this.#prebuilt, path), path]));
    const main = keyOf(join(outdirOf(this.#plan), mainFile(this.#plan)), this.#plan);
    return [...staticImports(metafile, main)].map((url) => paths.get(url)).filter((path) => path !== undefined);
  }

  /** @returns {Built} */
  #built({ metafile, outputFiles, warnings }, isWhole) {
    const texts = new Map(outputFiles.map(({ path, text }) => [basename(path), text]));
    const scripts = [...texts.keys()].filter((name) => name.endsWith(".mjs"));
    const paths = Object.keys(metafile.inputs).map((key) => fileOf(key, this.#plan.root));
    const copies = () =>
      duplicateWarnings(
        paths.filter((path) => path !== null),
        this.#plan.root,
      );
    const own = warnings.filter(({ location }) => location === null || !this.#isPackages(location.file));
    return {
      files: new Map(scripts.map((name) => [name, { code: texts.get(name), map: texts.get(`${name}.map`) }])),
      main: mainFile(this.#plan),
      outdir: outdirOf(this.#plan),
      metafile,
      warnings: [...own.map(warningText), ...(isWhole ? copies() : this.#prebuilt.copies)],
      isWhole,
    };
  }
}

/** The stand-in for a package's file. */
function exportsOf({ names, cjs, stars }, url) {
  const from = JSON.stringify(url);
  if (cjs) return `import it from ${from}; module.exports = it;`;
  const listed = names.map((name) => (/^[A-Za-z_$][\w$]*$/.test(name) ? name : JSON.stringify(name)));
  const named = listed.length === 0 ? `import ${from};` : `export { ${listed.join(", ")} } from ${from};`;
  return [named, ...stars.map((star) => `export * from ${JSON.stringify(star)};`)].join("\n");
}

/** What a chunk imports from elsewhere, directly or through its other chunks, in order. */
function* staticImports({ outputs }, name, seen = new Set()) {
  if (seen.has(name)) return;
  seen.add(name);
  for (const { path, kind, external } of outputs[name].imports) {
    if (kind !== "import-statement") continue;
    if (external) yield path;
    else yield* staticImports({ outputs }, path, seen);
  }
}

function mainFile({ main }) {
  return basename(main).replace(/\.\w+$/, ".mjs");
}

/** Nothing is written there: the chunks are served from memory (module_hooks.mjs). */
function outdirOf({ root }) {
  return join(cacheFolder(root), "code");
}

function keyOf(path, { root }) {
  return relative(root, path);
}
