/** How wrangler's bundler would be asked to build this project: esbuild options, as data (node-host.md 3). */

import { builtinModules } from "node:module";
import { isAbsolute, relative, resolve, sep } from "node:path";
import { writeJson } from "./originals.mjs";

/**
 * LOAD's `project.bundle`: the wrangler file's keys that steer its bundler.
 * @typedef {object} BundleKeys
 * @property {Record<string, string>} [alias]
 * @property {Record<string, string>} [define]
 * @property {{type: string, globs: string[], fallthrough?: boolean}[]} [rules]
 * @property {string} [tsconfig] relative to the project
 * @property {string} [jsx_factory]
 * @property {string} [jsx_fragment]
 * @property {boolean} [keep_names]
 */

/**
 * What decides how code is built, and nothing else of the project: two that are equal share their prebuilt packages.
 * @typedef {object} BuildPlan
 * @property {string} root absolute
 * @property {string} main absolute
 * @property {BundleKeys} keys
 * @property {boolean} nodeCompat whether Node's modules are there (`nodejs_compat`)
 * @property {boolean} userAgent whether `navigator` is there
 * @property {boolean} importMetaUrl whether `import.meta.url` is there
 * @property {string} nodeEnv
 * @property {string[]} conditions
 * @property {boolean} vite whether it is Vite that builds the Worker for a deploy, so that its words mean something in it
 */

/** Modules of Node by their bare names. */
export const BUILTIN_NAMES = builtinModules.filter((name) => !name.startsWith("_") && !name.startsWith("node:"));

/** wrangler's defaults, after the project's own rules. */
const DEFAULT_RULES = [
  { type: "Text", globs: ["**/*.txt", "**/*.html", "**/*.sql"] },
  { type: "Data", globs: ["**/*.bin"] },
  { type: "CompiledWasm", globs: ["**/*.wasm", "**/*.wasm?module"] },
];

/**
 * @param {object} project LOAD's project (wire/README.md)
 * @param {Record<string, string|undefined>} environ the process's environment, of which wrangler's bundler heeds two variables
 * @param {string[]} names of the files in the project's folder
 * @returns {BuildPlan}
 */
export function planOf(project, environ, names) {
  const { flags } = project;
  return {
    root: project.root,
    main: resolve(project.root, project.main),
    keys: project.bundle ?? {},
    nodeCompat: Boolean(flags.nodejs_compat || flags.nodejs_compat_v2),
    userAgent: !flags.no_global_navigator,
    importMetaUrl: Boolean(flags.new_module_registry),
    nodeEnv: environ.NODE_ENV || "development",
    conditions: environ.WRANGLER_BUILD_CONDITIONS?.split(",") ?? ["workerd", "worker", "browser"],
    vite: names.some((name) => /^vite\.config\.[cm]?[jt]s$/.test(name)),
  };
}

/** What every build of the plan has in common. @param {BuildPlan} plan @returns {import("esbuild").BuildOptions} */
export function commonOptions(plan) {
  const { keys } = plan;
  const nodeEnv = writeJson(plan.nodeEnv);
  return {
    absWorkingDir: plan.root,
    bundle: true,
    format: "esm",
    platform: "browser",
    target: "es2022",
    // The platform and Node run these natively; without them esbuild would write its own.
    supported: { using: true },
    conditions: plan.conditions,
    keepNames: keys.keep_names ?? true,
    external: ["cloudflare:*"],
    outExtension: { ".js": ".mjs" },
    loader: { ".js": "jsx", ".mjs": "jsx", ".cjs": "jsx" },
    define: {
      ...(plan.userAgent ? { "navigator.userAgent": '"Cloudflare-Workers"' } : {}),
      "process.env.NODE_ENV": nodeEnv,
      "global.process.env.NODE_ENV": nodeEnv,
      "globalThis.process.env.NODE_ENV": nodeEnv,
      ...(plan.importMetaUrl ? {} : { "import.meta.url": "undefined" }),
      "import.meta.dirname": "undefined",
      "import.meta.filename": "undefined",
      ...(plan.vite ? { "import.meta.env": writeJson(viteEnv(plan)) } : {}),
      ...keys.define,
    },
    ...(keys.jsx_factory === undefined ? {} : { jsxFactory: keys.jsx_factory }),
    ...(keys.jsx_fragment === undefined ? {} : { jsxFragment: keys.jsx_fragment }),
    ...(keys.tsconfig === undefined ? {} : { tsconfig: resolve(plan.root, keys.tsconfig) }),
    charset: "utf8",
    sourcesContent: false,
    metafile: true,
    write: false,
    logLevel: "silent",
  };
}

/** `import.meta.env` without the variables of .env files. */
function viteEnv({ nodeEnv }) {
  const isProduction = nodeEnv === "production";
  return { BASE_URL: "/", MODE: nodeEnv, DEV: !isProduction, PROD: isProduction, SSR: true };
}

/**
 * The rules that hold, and those that an earlier rule of the same type hides because it does not say `fallthrough`.
 * @param {BundleKeys} keys
 * @returns {{rules: {type: string, globs: string[]}[], hidden: {type: string, globs: string[]}[]}}
 */
export function moduleRules(keys) {
  const closed = new Set();
  const rules = [];
  const hidden = [];
  for (const rule of [...(keys.rules ?? []), ...DEFAULT_RULES]) {
    (closed.has(rule.type) ? hidden : rules).push(rule);
    if (rule.fallthrough !== true) closed.add(rule.type);
  }
  return { rules, hidden };
}

/** A rule's glob as a pattern of absolute paths: `*` stops at a slash, `**` does not, a query is not part of a path. */
export function globPattern(glob) {
  const [path] = glob.split("?");
  const body = path
    .replace(/^\.?\//, "")
    .split(/(\*\*\/|\*\*|\*)/)
    .map((part) => ({ "**/": "(?:.*[\\\\/])?", "**": ".*", "*": "[^\\\\/]*" })[part] ?? part.replace(/[\\^$.|+()[\]{}]/g, "\\$&"))
    .join("");
  return new RegExp(`(?:^|[\\\\/])${body}$`);
}

/**
 * The file behind a key of esbuild's metafile; null for what is none: made-up modules, those that `browser` in a package.json switches off.
 * @param {string} key @param {string} root the project's folder @returns {string|null} absolute
 */
export function fileOf(key, root) {
  const path = key.startsWith("raw:") ? key.slice("raw:".length) : key;
  return /^[\w-]{2,}:|^\(disabled\):|^</.test(path) ? null : resolve(root, path);
}

/**
 * Whether a file is an installed package's. Folders above the project do not count: it may itself lie in a `node_modules`.
 * @param {string} path absolute @param {string} root the project's folder
 */
export function isInstalled(path, root) {
  const inside = relative(root, path);
  const shown = inside.startsWith("..") || isAbsolute(inside) ? path : inside;
  return shown.split(sep).includes("node_modules");
}

/** The folder and name of the package that an installed file belongs to, null for other files. @param {string} path absolute */
export function packageOf(path) {
  const found = /^(.*[\\/]node_modules[\\/]((?:@[^\\/]+[\\/])?[^\\/]+))[\\/]/.exec(path);
  return found === null ? null : { folder: found[1], name: found[2].replace("\\", "/") };
}
