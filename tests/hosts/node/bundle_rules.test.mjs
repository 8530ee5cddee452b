import assert from "node:assert/strict";
import { test } from "node:test";
import { fileOf, globPattern, isInstalled, moduleRules, packageOf } from "../../../emulator/hosts/node/bundle_options.mjs";
import { globalsBeforePackages } from "../../../emulator/hosts/node/evaluation_order.mjs";
import { nearest } from "../../../emulator/hosts/node/nearest.mjs";

test("globs of rules match paths", () => {
  const matches = (glob, ...paths) => paths.filter((path) => globPattern(glob).test(path));
  const paths = ["/p/a.txt", "/p/deep/er/a.txt", "/p/a.txt.ts", "/p/atxt", "/p/data/x.bin", "/p/other/x.bin", "/p/m.wasm"];
  assert.deepEqual(matches("**/*.txt", ...paths), ["/p/a.txt", "/p/deep/er/a.txt"]);
  assert.deepEqual(matches("data/*.bin", ...paths), ["/p/data/x.bin"]);
  assert.deepEqual(matches("./data/**", ...paths), ["/p/data/x.bin"]);
  assert.deepEqual(matches("**/*.wasm?module", ...paths), ["/p/m.wasm"]);
});

test("a rule hides later ones of its type unless it falls through", () => {
  const text = { type: "Text", globs: ["**/*.md"] };
  const types = (rules) => rules.map(({ type, globs }) => `${type} ${globs[0]}`);
  const defaults = ["Text **/*.txt", "Data **/*.bin", "CompiledWasm **/*.wasm"];
  assert.deepEqual(types(moduleRules({}).rules), defaults);
  assert.deepEqual(types(moduleRules({ rules: [{ ...text, fallthrough: true }] }).rules), ["Text **/*.md", ...defaults]);
  const { rules, hidden } = moduleRules({ rules: [text] });
  assert.deepEqual(types(rules), ["Text **/*.md", ...defaults.slice(1)]);
  assert.deepEqual(types(hidden), ["Text **/*.txt"]);
});

test("installed files are told from the project's, which may itself be installed somewhere", () => {
  assert.equal(isInstalled("/p/node_modules/a/index.js", "/p"), true);
  assert.equal(isInstalled("/p/src/index.ts", "/p"), false);
  assert.equal(isInstalled("/store/node_modules/a/index.js", "/p"), true);
  assert.equal(isInstalled("/shared/src/a.ts", "/p"), false);
  assert.equal(isInstalled("/x/node_modules/p/src/index.ts", "/x/node_modules/p"), false);
  assert.deepEqual(packageOf("/p/node_modules/a/node_modules/@s/b/dist/x.js"), {
    folder: "/p/node_modules/a/node_modules/@s/b",
    name: "@s/b",
  });
  assert.equal(packageOf("/p/src/x.js"), null);
});

test("keys of the metafile are files, or made up", () => {
  const keys = [
    "src/a.ts",
    "../b.ts",
    "raw:/p/c.ts",
    "required-built-in:node:fs",
    "(disabled):node_modules/x.js",
    "<define:import.meta.env>",
  ];
  assert.deepEqual(
    keys.map((key) => fileOf(key, "/p")),
    ["/p/src/a.ts", "/b.ts", "/p/c.ts", null, null, null],
  );
});

/** Modules by key, each with the keys it imports, as esbuild's metafile has them. */
function graph(modules) {
  const imports = (keys) => keys.map((path) => ({ path, kind: path.startsWith("lazy/") ? "dynamic-import" : "import-statement" }));
  return { inputs: Object.fromEntries(Object.entries(modules).map(([key, keys]) => [key, { imports: imports(keys) }])) };
}

const reason = (modules, code) => globalsBeforePackages(graph(modules), "main.ts", code, (key) => key.startsWith("node_modules/"));

test("who changes globals before a package is imported is found, by the order of evaluation", () => {
  const code = "// shim.ts\nglobalThis.shim ??= 1;\n\n// main.ts\nconsole.log(globalThis.shim === 1);\n";
  assert.equal(
    reason({ "main.ts": ["shim.ts", "node_modules/a"], "shim.ts": [], "node_modules/a": [] }, code),
    "shim.ts changes globals before packages are imported",
  );
  assert.equal(reason({ "main.ts": ["node_modules/a", "shim.ts"], "shim.ts": [], "node_modules/a": [] }, code), null);
  assert.equal(reason({ "main.ts": ["shim.ts", "lazy/b"], "shim.ts": [], "lazy/b": ["node_modules/a"], "node_modules/a": [] }, code), null);
  assert.equal(
    reason({ "main.ts": ["first.ts", "node_modules/a"], "first.ts": ["shim.ts"], "shim.ts": [], "node_modules/a": [] }, code),
    "shim.ts changes globals before packages are imported",
  );
  assert.equal(reason({ "main.ts": ["shim.ts"], "shim.ts": [] }, code), null);
});

test("what changes a global is told from what only looks", () => {
  const modules = { "main.ts": ["shim.ts", "node_modules/a"], "shim.ts": [], "node_modules/a": [] };
  const changes = (statement) => reason(modules, `// shim.ts\n${statement}\n`) !== null;
  for (const statement of [
    "globalThis.x = 1;",
    'globalThis["x"] = 1;',
    "self.onerror = null;",
    "Object.assign(globalThis, { x: 1 });",
    'Object.defineProperty(globalThis, "x", {});',
    'Reflect.set(globalThis, "x", 1);',
    "Array.prototype.last = function() {};",
    "console.log = () => {};",
    "process.env.KEY ||= 1;",
    "globalThis.process.env.KEY = 1;",
  ]) {
    assert.equal(changes(statement), true, statement);
  }
  for (const statement of [
    "const x = globalThis.x;",
    "if (globalThis.x === 1) run();",
    "const f = (self) => self.name;",
    "Object.assign(mine, globalThis);",
    "this.state.console = 1;",
    "const env = process.env.KEY;",
    "globalThis.x == null;",
  ]) {
    assert.equal(changes(statement), false, statement);
  }
});

test("a near miss is named, a far one is not", () => {
  assert.equal(nearest("Countr", ["Counter", "Chat"]), "Counter");
  assert.equal(nearest("chat", ["Counter", "Chat"]), "Chat");
  assert.equal(nearest("Room", ["Counter", "Chat"]), null);
  assert.equal(nearest("Room", []), null);
});
