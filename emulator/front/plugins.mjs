/** Which plugins of a project's Vite run here: all but Cloudflare's, which would start a second runtime. */

const LEFT_OUT = /^vite-plugin-cloudflare(:|$)/;

/**
 * Flatten a configuration's plugins as Vite does (lists in lists, promises, false values) and take Cloudflare's out.
 * @param {unknown} plugins `plugins` of the configuration
 * @returns {Promise<{kept: object[], leftOut: string[]}>} `leftOut` are names
 */
export async function sortOut(plugins) {
  let flat = [plugins];
  while (flat.some((plugin) => Array.isArray(plugin) || typeof plugin?.then === "function")) {
    flat = (await Promise.all(flat)).flat(Number.POSITIVE_INFINITY);
  }
  const real = flat.filter(Boolean);
  const isOut = (plugin) => LEFT_OUT.test(plugin.name);
  return { kept: real.filter((plugin) => !isOut(plugin)), leftOut: real.filter(isOut).map((plugin) => plugin.name) };
}
