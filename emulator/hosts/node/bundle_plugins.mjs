/** esbuild plugins that make it resolve and load as wrangler's bundler does. */

import { readFile } from "node:fs/promises";
import { BUILTIN_NAMES, globPattern, moduleRules } from "./bundle_options.mjs";

const BUILTIN = new RegExp(`^(?:node:.+|${BUILTIN_NAMES.join("|")})$`);
const PREFIXED = /^node:/;
const REQUIRED = "required-built-in";

/** All of them. @param {import("./bundle_options.mjs").BuildPlan} plan @returns {import("esbuild").Plugin[]} */
export function pluginsOf(plan) {
  return [aliases(plan), builtins(plan), ...fileModules(plan), ...(plan.vite ? [rawFiles] : [])];
}

/** `alias`: a whole import path stands for another one, resolved from the project's folder. */
function aliases({ keys: { alias = {} }, root }) {
  const names = Object.keys(alias);
  return {
    name: "alias",
    setup(build) {
      if (names.length === 0) return;
      const filter = new RegExp(`^(?:${names.map((name) => name.replace(/[-/\\^$*+?.()|[\]{}]/g, "\\$&")).join("|")})$`);
      build.onResolve({ filter }, ({ path, kind }) => build.resolve(alias[path], { resolveDir: root, kind, pluginData: null }));
    },
  };
}

/**
 * Node's modules stay imports. Without `nodejs_compat` the bare names are ordinary packages, and who imports `node:...` meets
 * `No such module` at run time (module_hooks.mjs), both as on the platform. A `require` of one becomes an import, because there is no
 * `require` at run time.
 */
function builtins({ nodeCompat }) {
  return {
    name: "built-in modules",
    setup(build) {
      build.onResolve({ filter: nodeCompat ? BUILTIN : PREFIXED }, ({ path, kind }) => {
        const full = path.startsWith("node:") ? path : `node:${path}`;
        return kind === "require-call" ? { path: full, namespace: REQUIRED } : { path: full, external: true };
      });
      build.onLoad({ filter: /./, namespace: REQUIRED }, ({ path }) => ({
        contents: `import it from ${JSON.stringify(path)}; module.exports = it;`,
        loader: "js",
      }));
    },
  };
}

/** The wrangler file's `rules`: files that are modules of text, bytes or compiled WebAssembly. */
function fileModules({ keys }) {
  const { rules, hidden } = moduleRules(keys);
  const made = rules.flatMap(({ type, globs }) => globs.map((glob) => [globPattern(glob), LOADS[type]]));
  const refused = hidden.flatMap((rule) => rule.globs.map((glob) => [globPattern(glob), () => ({ errors: [{ text: refusal(rule) }] })]));
  return [...made, ...refused]
    .filter(([, load]) => load !== undefined)
    .map(([filter, load]) => ({
      name: `files like ${filter}`,
      setup(build) {
        build.onLoad({ filter }, load);
      },
    }));
}

/** By type of rule; the types of JavaScript need nothing. @type {Record<string, (args: import("esbuild").OnLoadArgs) => unknown>} */
const LOADS = {
  Text: async ({ path }) => ({ contents: await readFile(path), loader: "text" }),
  Data: ({ path }) => ({ contents: fromFile("data", path), loader: "js" }),
  CompiledWasm: ({ path }) => ({ contents: fromFile("wasm", path), loader: "js" }),
};

/** Read when the module is evaluated (binary_modules.mjs): bytes need not go through the bundler. */
function fromFile(maker, path) {
  return `import { ${maker} } from "agents-emu:binary_modules"; export default ${maker}(${JSON.stringify(path)});`;
}

function refusal(rule) {
  return `This file matched a module rule in your configuration (${JSON.stringify(rule)}), but was ignored because a previous rule with the same type was not marked as \`fallthrough = true\`.`;
}

/** Vite's `import text from "./file?raw"`. */
const rawFiles = {
  name: "raw files",
  setup(build) {
    build.onResolve({ filter: /\?raw$/ }, async ({ path, ...where }) => {
      const { errors, path: found } = await build.resolve(path.slice(0, -"?raw".length), {
        kind: where.kind,
        importer: where.importer,
        resolveDir: where.resolveDir,
      });
      return errors.length > 0 ? { errors } : { path: found, namespace: "raw" };
    });
    build.onLoad({ filter: /./, namespace: "raw" }, async ({ path }) => ({ contents: await readFile(path), loader: "text" }));
  },
};
