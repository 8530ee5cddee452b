/** Importing the user's Worker: bundled, evaluated, its exports sorted; failures name the user's line (node-host.md 3). */

import { existsSync, readdirSync } from "node:fs";
import { enableCompileCache, flushCompileCache } from "node:module";
import { basename, dirname, isAbsolute, join, relative } from "node:path";
import { buildError, isBuildFailure } from "./build_errors.mjs";
import { Bundler } from "./bundle.mjs";
import { fileOf, isInstalled, planOf } from "./bundle_options.mjs";
import { EmuError, UserCodeError } from "./errors.mjs";
import { brokenEsbuild, isEsbuildsOwn, loadEsbuild, reloadEsbuild } from "./esbuild.mjs";
import { evaluationError, failedInPackages } from "./evaluation_errors.mjs";
import { importModules } from "./module_level.mjs";
import { ModuleHooks, urlIn } from "./module_hooks.mjs";
import { nearest } from "./nearest.mjs";
import { clearTimeout, environment, setTimeout, writeJson } from "./originals.mjs";
import { cacheFolder, compiledFolder, lockFiles, newestIndex, PackageCache, readIndex } from "./package_cache.mjs";
import { SourceMaps } from "./source_maps.mjs";
import { StackFrames } from "./stack_frames.mjs";
import { checkExports, describeExports, sortExports } from "./user_exports.mjs";

/** A package whose top-level `await` has not ended by then may never end. */
const IMPORT_WITHIN_MS = 5000;

/**
 * What the main module exports.
 * @typedef {object} UserCode
 * @property {object} namespace the main module's namespace object
 * @property {unknown} default the default export: a `WorkerEntrypoint` class, an object of handlers, or undefined
 * @property {Map<string, Function>} objects by export name: Durable Object classes, and plain classes and functions, which are good for
 *   facets or a binding
 * @property {Map<string, Function|object>} entrypoints `WorkerEntrypoint` classes and handler objects by export name, without the default
 * @property {Map<string, Function>} workflows `WorkflowEntrypoint` classes by export name
 * @property {string[]} handlers names of the events that the default export handles: `fetch`, `scheduled`, `email`, `queue`, ...
 * @property {{name: string, kind: "durable_object"|"worker"|"workflow", alarm: boolean}[]} exports READY's `exports`
 * @property {string[]} modules READY's `modules`: what a spare process should `preload`
 * @property {string[]} warnings READY's `warnings`
 * @property {string[]} inputs READY's `inputs`: absolute paths of the files whose change changes the code, without installed packages
 */

/** One per process. */
export class Loader {
  #hooks;
  #maps = new SourceMaps();
  #prepared = false;
  #hasRun = false;
  /** @type {{esbuild: import("./esbuild.mjs").Esbuild, plan: object, cache: PackageCache, bundler: Bundler}|null} */
  #ready = null;

  /**
   * @param {{surface?: URL, builtins?: import("./platform_builtins.mjs").PlatformBuiltins}} [parts] `surface` is the folder with the modules
   *   that stand for `cloudflare:*`, `builtins` gives the platform's form of Node's modules
   */
  constructor({ surface, builtins } = {}) {
    this.#hooks = new ModuleHooks(surface, builtins);
  }

  /** Become able to import user code: module hooks, readable stacks. Once, before anything of the user's or its packages is imported. */
  prepare() {
    if (this.#prepared) return;
    this.#prepared = true;
    this.#hooks.install();
    new StackFrames(this.#maps, (url) => this.#hooks.sourceOf(url)).install();
  }

  /**
   * Get ready before `load`: start the project's bundler, import the packages that the code used last time.
   * @param {string[]} modules the `modules` of an earlier READY
   * @returns {Promise<void>} settled before the next call of this object may come
   */
  async preload([index]) {
    const known = index === undefined || index === this.#ready?.cache.index ? null : readIndex(index);
    if (known === null) return;
    this.prepare();
    try {
      await this.#preload(known);
    } catch {
      // Whatever is wrong, `load` meets it too, and tells.
    }
    flushCompileCache();
  }

  /** `preload` of what was built last in a project, if anything was: the first process has no READY to go by. @param {string} root */
  async preloadLast(root) {
    await this.preload(newestIndex(root));
  }

  async #preload({ plan, esbuild: { path, version } }) {
    this.#readyFor(plan, reloadEsbuild(path, version) ?? loadEsbuild(plan.root));
    await Promise.all([this.#ready.bundler.warm(), this.#importPackages()]);
  }

  /**
   * Bundle and import `main`. `env` of `cloudflare:workers` must be filled before: user code may read it at module level.
   * @param {object} project LOAD's project (wire/README.md)
   * @returns {Promise<UserCode>}
   * @throws {UserCodeError} E421 (no such main), E423 (a bound class is not exported), E424 (does not build or import), E425 (the project
   *   has no esbuild), with the user's `file:line`
   */
  async load(project) {
    const plan = planOf(project, environment, readdirSync(project.root));
    if (!existsSync(plan.main)) throw noMain(project, plan);
    const isWarm = this.#ready !== null && writeJson(this.#ready.plan) === writeJson(plan);
    if (!isWarm) this.#readyFor(plan, this.#ready?.esbuild ?? loadEsbuild(plan.root));
    const { bundler, esbuild, cache } = this.#ready;
    try {
      const building = bundler.build();
      building.catch(() => {}); // heard below, after the packages
      if (!isWarm) await this.#importPackages();
      const { namespace, built } = await this.#run(await building);
      const sorted = sortExports(namespace, project.main);
      const warnings = [...built.warnings, ...checkExports(sorted, project)];
      cache.touch();
      const exports = describeExports(sorted, project.classes);
      return { ...sorted, namespace, exports, warnings, modules: [cache.index], inputs: inputsOf(built.metafile, plan) };
    } catch (error) {
      if (isBuildFailure(error)) throw await buildError(error, plan, esbuild.api);
      throw isEsbuildsOwn(error) ? brokenEsbuild(error) : error;
    } finally {
      // Nobody waits for it, and what an esbuild that is broken says has been said. Code that did not build may be mended in a moment.
      if (this.#hasRun) bundler.end().catch(() => {});
    }
  }

  /** Where a place in built code came from, null when no map knows. */
  original(url, line, column) {
    return this.#maps.original(url, line, column);
  }

  /** Nothing of the user's own code has run, so `load` may be called again after it has failed. */
  get isUntouched() {
    return !this.#hasRun;
  }

  #readyFor(plan, esbuild) {
    const cache = new PackageCache(plan, esbuild);
    enableCompileCache(compiledFolder(plan.root));
    this.#hooks.serve(cacheFolder(plan.root), plan.nodeCompat);
    this.#ready = { esbuild, plan, cache, bundler: new Bundler(esbuild, plan, cache) };
  }

  /** One that fails will fail again, and be reported, when the user's code imports it; one that never ends is not waited for. */
  async #importPackages() {
    const all = async () => {
      for (const url of this.#ready.bundler.lastUsed) await importModules(() => import(url)).catch(() => {});
    };
    let timer;
    const bound = new Promise((resolve) => {
      timer = setTimeout(resolve, IMPORT_WITHIN_MS);
    });
    await Promise.race([all(), bound]);
    clearTimeout(timer);
  }

  /** Evaluate built code; where its packages fail apart from it, as one bundle. */
  async #run(built) {
    try {
      return { namespace: await this.#evaluate(built, "code"), built };
    } catch (error) {
      if (built.isWhole || !failedInPackages(error)) throw this.#failure(error, built);
      const { bundler } = this.#ready;
      const whole = await bundler.buildWhole();
      const namespace = await this.#evaluate(whole, "whole").catch((again) => {
        throw this.#failure(again, whole);
      });
      bundler.keepWhole(`packages do not load apart: ${error}`);
      return { namespace, built: whole };
    }
  }

  #failure(error, built) {
    return error instanceof EmuError ? error : evaluationError(error, built.metafile, this.#ready.plan);
  }

  #evaluate({ files, main, outdir }, name) {
    this.#hasRun = true;
    const folder = join(dirname(outdir), name);
    this.#hooks.provide(folder, new Map([...files].map(([file, { code }]) => [file, code])));
    for (const [file, { map }] of files) this.#maps.add(urlIn(folder, file), map, outdir);
    return importModules(() => import(urlIn(folder, main)));
  }
}

function noMain({ main }, plan) {
  const folder = dirname(plan.main);
  const names = existsSync(folder) ? readdirSync(folder).filter((name) => /\.[cm]?[jt]sx?$/.test(name)) : [];
  const close = nearest(basename(plan.main), names);
  return new UserCodeError("E421", `main is "${main}", and there is no such file`, {
    where: main,
    hint: close === null ? 'set "main" in the wrangler file to the Worker\'s main module' : `did you mean "${join(dirname(main), close)}"?`,
  });
}

/** The files that went in, and those that steered how; the latter may be missing today. */
function inputsOf({ inputs }, { root }) {
  const sources = Object.keys(inputs)
    .map((key) => fileOf(key, root))
    .filter((path) => path !== null && !isInstalled(path, root));
  const folders = new Set(sources.map((path) => dirname(path)));
  const steering = [...folders, root]
    .flatMap((folder) => ancestors(folder, root))
    .flatMap((folder) => [join(folder, "tsconfig.json"), join(folder, "package.json")]);
  const locks = lockFiles(root).filter((path) => existsSync(path) && !isInstalled(path, root));
  return [...new Set([...sources, ...steering.filter((path) => existsSync(path)), ...locks])];
}

/** A folder and those above it up to the project's, or up to the file system's root for one outside. */
function ancestors(folder, root) {
  const inside = relative(root, folder);
  const last = inside.startsWith("..") || isAbsolute(inside) ? null : root;
  const found = [];
  for (let one = folder; ; one = dirname(one)) {
    found.push(one);
    if (one === last || dirname(one) === one) return found;
  }
}
