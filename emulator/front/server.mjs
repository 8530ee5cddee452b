/**
 * The project's Vite as a server of ours: its configuration as it is, without the Cloudflare plugin, on a Unix socket.
 *
 * As with that plugin, Vite answers what is its own (modules, styles, public files) and knows nothing of pages: which HTML file a path means
 * is decided by the rules of the platform's assets, in the gateway. So there are two extensions of HTTP here, both in the header `x-emu-front`:
 * a request names the HTML file (its path below Vite's root, percent-encoded) that answers, transformed, when Vite itself has no answer; and
 * `miss` in a response says that there was neither.
 */
import { readFile } from "node:fs/promises";
import { join } from "node:path";
import { controlLogger } from "./logger.mjs";
import { importVite, standInForPlugin } from "./modules.mjs";
import { sortOut } from "./plugins.mjs";

const HEADER = "x-emu-front";
const PRIVATE = [".env", ".env.*", "*.{crt,pem,key,pfx,p12,p8,jks,cer,der}", ".npmrc", ".yarnrc", ".yarnrc.yml", "**/.git/**"];
const OURS = [".dev.vars", ".dev.vars.*", "**/.wrangler/**", "**/.agents-emu/**", "agents-emu.toml"];
const UNWATCHED = ["**/.wrangler/**", "**/.agents-emu/**"];

/**
 * Start it; settles once it listens.
 * @param {{config: string, folder: string, socket: string, port: number, denied: string[]}} settings `port` is the gateway's, where browsers
 *   are; `denied` are names of further files that are nobody's business
 * @param {import("./control.mjs").Control} control
 */
export async function serve(settings, control) {
  const vite = await importVite(settings.folder);
  const logger = controlLogger(control);
  const { config, dependencies } = await loadConfig(vite, settings.config);
  const { kept, leftOut } = await sortOut(config.plugins);
  const given = config.server ?? {};
  const server = await vite.createServer({
    ...config,
    configFile: false,
    root: config.root ?? settings.folder,
    appType: "custom",
    clearScreen: false,
    customLogger: config.customLogger ?? logger,
    plugins: [...kept, edge(vite, settings.config, dependencies, control)],
    server: {
      ...given,
      // The address and the browser are the gateway's business. Clients find the socket for reloads by the page's own address.
      open: false,
      middlewareMode: false,
      port: settings.port,
      watch: given.watch === null ? null : { ...given.watch, ignored: [UNWATCHED, given.watch?.ignored ?? []].flat() },
      fs: { ...given.fs, deny: [...PRIVATE, ...OURS, ...settings.denied, ...(given.fs?.deny ?? [])] },
    },
  });
  await listen(server, settings.socket);
  server.config.server.port = settings.port; // listening on a path made it undefined
  const { root, publicDir } = server.config;
  control.ready({ vite: vite.version, root, publicDir, leftOut });
}

async function loadConfig(vite, path) {
  const load = () => vite.loadConfigFromFile({ command: "serve", mode: "development" }, path, undefined, "silent");
  const standIn = standInForPlugin();
  try {
    return await load();
  } catch (error) {
    if (!standIn.wasAsked()) throw error;
  } finally {
    standIn.leave();
  }
  return load(); // It may want more of the plugin than the stand-in has. Any other error comes again.
}

function listen(server, socket) {
  return new Promise((resolve, reject) => {
    server.httpServer.once("error", reject);
    server.httpServer.once("listening", resolve);
    server.httpServer.listen(socket);
  });
}

/** What comes last in Vite's chain, when nothing there had an answer. */
function edge(vite, configFile, dependencies, control) {
  return {
    name: "agents-emu:edge",
    enforce: "post",
    config: {
      order: "post",
      handler(config) {
        delete config.server.https; // the gateway speaks to us without, whatever a plugin has set
      },
    },
    configResolved(config) {
      // As if Vite had read the file itself: it watches it, and plugins ask where it is.
      config.configFile = vite.normalizePath(configFile);
      config.configFileDependencies = dependencies.map((path) => vite.normalizePath(path));
    },
    configureServer(server) {
      server.restart = async () => control.stale();
      return () => {
        server.middlewares.use((request, response, next) => {
          const path = request.headers[HEADER];
          if (path) page(server, decodeURIComponent(path), request, response).catch(next);
          else response.writeHead(404, { [HEADER]: "miss" }).end();
        });
      };
    },
  };
}

async function page(server, path, request, response) {
  const source = await readFile(join(server.config.root, path), "utf8");
  const html = await server.transformIndexHtml(path, source, request.originalUrl);
  for (const [name, value] of Object.entries(server.config.server.headers ?? {})) if (value !== undefined) response.setHeader(name, value);
  response.setHeader("content-type", "text/html");
  response.setHeader("cache-control", "no-cache");
  response.end(html);
}
