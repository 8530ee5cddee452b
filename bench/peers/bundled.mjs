// Raw workerd on the bundle of a project: `node bundled.mjs PROJECT STATE PORT WORKERD`. Bundles with the project's own esbuild and again
// at each save, and workerd starts again with each bundle; no wrangler in between.
import { spawn } from "node:child_process";
import { mkdirSync, writeFileSync } from "node:fs";
import { createRequire, isBuiltin } from "node:module";
import { join } from "node:path";

const [project, state, port, workerd] = process.argv.slice(2);
const classes = ["Echo", "Counter", "Stream", "Chat", "Reminder"];
const quoted = JSON.stringify;
mkdirSync(join(state, "objects"), { recursive: true });

const builtins = {
  name: "builtins",
  setup(build) {
    build.onResolve({ filter: /^[a-z_/]+$/ }, ({ path }) => (isBuiltin(path) ? { path: `node:${path}`, external: true } : undefined));
    // workerd alone has no such module; wrangler brings one.
    build.onResolve({ filter: /^cloudflare:email$/ }, () => ({ path: "email", namespace: "stand-in" }));
    build.onLoad({ filter: /.*/, namespace: "stand-in" }, () => ({ contents: "export class EmailMessage {}" }));
  },
};
const esbuild = createRequire(join(project, "package.json"))("esbuild");
const bundle = await esbuild.context({
  absWorkingDir: project,
  entryPoints: ["src/server.ts"],
  outfile: join(state, "bundle.js"),
  bundle: true,
  format: "esm",
  target: "es2024",
  keepNames: true,
  mainFields: ["workerd", "module", "main"],
  conditions: ["workerd", "worker", "browser"],
  external: ["cloudflare:*", "node:*"],
  define: { "process.env.NODE_ENV": '"development"' },
  plugins: [builtins],
  logLevel: "error",
});
await bundle.rebuild();
await bundle.watch();

const list = (line) => classes.map(line).join(",\n    ");
writeFileSync(
  join(state, "config.capnp"),
  `using Workerd = import "/workerd/workerd.capnp";
const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "objects", disk = (path = ${quoted(join(state, "objects"))}, writable = true)),
  ],
  sockets = [(name = "http", address = "127.0.0.1:${port}", http = (), service = "main")],
);
const main :Workerd.Worker = (
  modules = [(name = "bundle.js", esModule = embed "bundle.js")],
  compatibilityDate = "2026-08-01",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [
    ${list((name) => `(name = "${name}", durableObjectNamespace = "${name}")`)}
  ],
  durableObjectNamespaces = [
    ${list((name) => `(className = "${name}", uniqueKey = "bench-ts-${name}", enableSql = true)`)}
  ],
  durableObjectStorage = (localDisk = "objects"),
);
`,
);
const server = spawn(workerd, ["serve", "--experimental", "--watch", join(state, "config.capnp")], { stdio: "inherit" });
for (const signal of ["SIGINT", "SIGTERM"]) {
  process.on(signal, () => {
    server.kill();
    process.exit(0);
  });
}
server.on("exit", (code) => process.exit(code ?? 1));
