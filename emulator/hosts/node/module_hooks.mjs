/** How import specifiers become modules in this process: `cloudflare:*` is our surface, the user's chunks come from memory. */

import { existsSync, readFileSync } from "node:fs";
import { isBuiltin, registerHooks } from "node:module";
import { fileURLToPath, pathToFileURL } from "node:url";

const SURFACE = new URL("surface/", import.meta.url);
const OURS = new URL(".", import.meta.url).href;
/** What modules of bytes and of WebAssembly are made with (bundle_plugins.mjs). */
const BINARY_MODULES = "agents-emu:binary_modules";

/** Modules that the platform has and we do not: said so, instead of denying them. */
const NOT_EMULATED = new Set(["ai", "br", "durable-objects", "internal-class", "node", "pipelines", "vectorize"]);

/** An import of a module that is not there. The message is the platform's. */
export class NoSuchModule extends Error {
  /** @param {string} specifier @param {string|null} hint */
  constructor(specifier, hint) {
    super(`No such module "${specifier}".`);
    this.specifier = specifier;
    this.hint = hint;
  }

  get name() {
    return "Error";
  }
}

/** Modules of the running process that are not files. */
export class ModuleHooks {
  /** Whether user code may import Node's modules (`nodejs_compat`); its folder is where bundled code lives. */
  #nodeCompat = true;
  #folder = null;
  /** Source by URL. @type {Map<string, string>} */
  #chunks = new Map();

  #surface;
  #builtins;

  /**
   * @param {URL} [surface] the folder with `cloudflare_<name>.mjs` for each `cloudflare:<name>`
   * @param {Pick<import("./platform_builtins.mjs").PlatformBuiltins, "replacement">} [builtins] the platform's form of Node's modules
   */
  constructor(surface = SURFACE, builtins = { replacement: () => null }) {
    this.#surface = surface;
    this.#builtins = builtins;
  }

  /** Register with Node, synchronously and in this thread. */
  install() {
    registerHooks({
      resolve: (specifier, context, next) => this.#resolve(specifier, context, next),
      load: (url, context, next) => this.#load(url, context, next),
    });
  }

  /** Where bundled code of the project lives, and what it may import. @param {string} folder absolute @param {boolean} nodeCompat */
  serve(folder, nodeCompat) {
    this.#folder = `${pathToFileURL(folder).href}/`;
    this.#nodeCompat = nodeCompat;
  }

  /** Chunks that are served from memory, as if they were files of `folder`. @param {string} folder absolute @param {Map<string, string>} chunks source by name */
  provide(folder, chunks) {
    for (const [name, source] of chunks) this.#chunks.set(urlIn(folder, name), source);
  }

  /** The code of a module of the project's, from memory or disk; null for other modules. @param {string} url */
  sourceOf(url) {
    const chunk = this.#chunks.get(url);
    if (chunk !== undefined) return chunk;
    if (!this.#isProjects(url)) return null;
    const path = fileURLToPath(url);
    return existsSync(path) ? readFileSync(path, "utf8") : null;
  }

  #isProjects(url) {
    return this.#folder !== null && (url ?? "").startsWith(this.#folder);
  }

  #resolve(specifier, context, next) {
    if (specifier.startsWith("cloudflare:")) return { url: this.#surfaceModule(specifier), format: "module", shortCircuit: true };
    if (specifier === BINARY_MODULES) return { url: `${OURS}binary_modules.mjs`, format: "module", shortCircuit: true };
    const chunk = specifier.startsWith("./") ? new URL(specifier, context.parentURL).href : specifier;
    if (this.#chunks.has(chunk)) return { url: chunk, format: "module", shortCircuit: true };
    if (!isBuiltin(specifier)) return next(specifier, context);
    if (!this.#nodeCompat && this.#isProjects(context.parentURL)) {
      throw new NoSuchModule(specifier, 'add "nodejs_compat" to "compatibility_flags" in the wrangler file: it is a module of Node');
    }
    const url = this.#builtins.replacement(specifier, context.parentURL);
    return url === null ? next(specifier, context) : { url, format: "module", shortCircuit: true };
  }

  #surfaceModule(specifier) {
    const name = specifier.slice("cloudflare:".length);
    const url = new URL(`cloudflare_${name.replaceAll("-", "_")}.mjs`, this.#surface);
    if (/^[a-z-]+$/.test(name) && existsSync(url)) return url.href;
    throw new NoSuchModule(specifier, whyMissing(name));
  }

  #load(url, context, next) {
    const source = this.#chunks.get(url);
    return source === undefined ? next(url, context) : { format: "module", source, shortCircuit: true };
  }
}

/** URL of a chunk. @param {string} folder absolute @param {string} name */
export function urlIn(folder, name) {
  return `${pathToFileURL(folder).href}/${name}`;
}

function whyMissing(name) {
  if (name === "test") return '"cloudflare:test" is only there in tests that run under @cloudflare/vitest-pool-workers';
  if (NOT_EMULATED.has(name)) return "the platform has this module, and agents-emu does not emulate it; see docs/parity.md";
  return "the platform has no such module";
}
