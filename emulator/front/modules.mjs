/** Where imports of this process lead: the project's own Vite, and a stand-in for the Cloudflare plugin. */
import { registerHooks } from "node:module";
import { join } from "node:path";
import { pathToFileURL } from "node:url";

const PROJECT_VITE = "project:vite";
const STAND_IN = new URL("./cloudflare_plugin.mjs", import.meta.url).href;
const PLUGIN = /\/node_modules\/@cloudflare\/vite-plugin\/dist\/index\.m?js$/;

/**
 * Vite as the project has it. @param {string} folder absolute
 * @returns {Promise<typeof import("vite")>} rejects with ERR_MODULE_NOT_FOUND when the project has none
 */
export async function importVite(folder) {
  const parentURL = pathToFileURL(join(folder, "package.json")).href;
  registerHooks({
    resolve: (specifier, context, next) =>
      specifier === PROJECT_VITE ? next("vite", { ...context, parentURL }) : next(specifier, context),
  });
  return import(PROJECT_VITE);
}

/**
 * Give every import of `@cloudflare/vite-plugin` the stand-in from now on. The plugin brings all of Wrangler and Miniflare with it: a second
 * and 200 MB for something that is left out in the end.
 * @returns {{wasAsked: () => boolean, leave: () => void}} whether anybody imported it; the real plugin again, for imports from then on
 */
export function standInForPlugin() {
  let asked = false;
  const hooks = registerHooks({
    resolve(specifier, context, next) {
      const found = next(specifier, context);
      if (!PLUGIN.test(found.url)) return found;
      asked = true;
      return { ...found, url: STAND_IN, format: "module", shortCircuit: true };
    },
  });
  return { wasAsked: () => asked, leave: () => hooks.deregister() };
}
