/** The files of an object: layout, broken files, few open ones for many objects, facets (design 4.2). */
import assert from "node:assert/strict";
import { existsSync, mkdirSync, readdirSync, readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import process from "node:process";
import { DatabaseSync } from "node:sqlite";
import { test } from "node:test";
import { FacetFiles, ROOT } from "../../../emulator/hosts/node/storage/facet_files.mjs";
import { OpenFiles, StartError } from "../../../emulator/hosts/node/storage/storage.mjs";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const folder = temporaryFolder();
let count = 0;
const newRig = (options = {}) => new Rig(join(folder, `${++count}.sqlite`), { manual: true, ...options });
const newRoot = () => join(folder, `${++count}`, `${"ab".repeat(32)}.sqlite`);
const isBroken = (code, path) => (error) => error instanceof StartError && error.code === code && error.where === path;
const descriptors = () => readdirSync("/proc/self/fd").length;
const countsDescriptors = { skip: existsSync("/proc/self/fd") ? false : "counts descriptors through /proc" };

test("nothing is opened before the first use, and nothing made by looking", () => {
  const rig = newRig();
  rig.storage.commit();
  assert.deepEqual([existsSync(rig.path), rig.options.files.size], [false, 0]);
});

test("the layout is the one of wrangler", () => {
  const rig = newRig({ name: "lobby" });
  rig.storage.writeName();
  rig.js.put("k", 5);
  rig.js.setAlarm(4_102_444_800_000);
  rig.storage.commit();
  rig.storage.close();
  const file = new DatabaseSync(rig.path, { returnArrays: true });
  const all = (sql) => file.prepare(sql).all();
  assert.deepEqual([all("PRAGMA journal_mode"), all("PRAGMA page_size")], [[["wal"]], [[4096]]]);
  const tables = Object.fromEntries(all("SELECT name, sql FROM sqlite_master WHERE type = 'table'"));
  assert.deepEqual(tables, {
    __miniflare_do_name: "CREATE TABLE __miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)",
    _cf_KV: "CREATE TABLE _cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID",
    _cf_METADATA: "CREATE TABLE _cf_METADATA (key INTEGER PRIMARY KEY, value BLOB)",
  });
  assert.deepEqual(all("SELECT * FROM __miniflare_do_name"), [[1, "lobby"]]);
  assert.deepEqual(all("SELECT key, hex(value) FROM _cf_KV"), [["k", "FF0F490A"]]);
  file.close();
  assert.equal(rig.reopen().storage.readName(), "lobby");
});

test("writing a known name again is no write", () => {
  const rig = newRig({ name: "lobby" });
  rig.storage.writeName();
  rig.storage.commit();
  rig.storage.writeName();
  assert.equal(rig.storage.isDirty, false);
});

test("a file that is no database hurts only its object", async () => {
  const files = new OpenFiles();
  const [broken, healthy] = [newRig({ files }), newRig({ files })];
  writeFileSync(broken.path, "this is not a database, whatever its name says".repeat(100));
  await assert.rejects(broken.js.get("k"), (error) => isBroken("E350", broken.path)(error) && error.hint.includes(`mv '${broken.path}'`));
  healthy.js.put("k", 1);
  healthy.storage.commit();
  assert.equal(await healthy.js.get("k"), 1);
  assert.equal(files.size, 1);
});

test("a path that is a folder, and a folder that is a file", () => {
  const rig = newRig();
  mkdirSync(rig.path);
  assert.throws(() => rig.rows("SELECT 1"), isBroken("E351", rig.path));
  writeFileSync(join(folder, "file"), "");
  const below = new Rig(join(folder, "file", "object.sqlite"));
  assert.throws(() => below.rows("SELECT 1"), isBroken("E351", below.path));
});

test("many objects share few open files", countsDescriptors, () => {
  const files = new OpenFiles(8);
  const before = descriptors();
  const rigs = Array.from({ length: 100 }, () => newRig({ files }));
  for (const [number, rig] of rigs.entries()) {
    rig.js.kv.put("n", number);
    rig.storage.commit();
    assert.ok(files.size <= 8);
  }
  assert.ok(descriptors() - before <= 8 * 3); // file, log and shared memory
  assert.deepEqual(
    rigs.map((rig) => rig.js.kv.get("n")),
    rigs.map((_, number) => number),
  );
  assert.equal(files.size, 8);
  files.closeAll();
  assert.deepEqual([files.size, descriptors() - before], [0, 0]);
});

test("objects in a turn keep their file open", () => {
  const files = new OpenFiles(2);
  const rigs = Array.from({ length: 6 }, () => newRig({ files }));
  for (const [number, rig] of rigs.entries()) rig.js.kv.put("n", number); // all of them in the middle of a turn
  assert.equal(files.size, 6);
  for (const rig of rigs) rig.storage.commit();
  assert.deepEqual(
    rigs.map((rig) => rig.js.kv.get("n")),
    [0, 1, 2, 3, 4, 5],
  );
  assert.equal(files.size, 2);
});

test("the one about to be used is never closed to make room", () => {
  const files = new OpenFiles(1);
  const released = [];
  const closable = (name, busy) => ({ busy, release: () => released.push(name) });
  files.touch(closable("first", true));
  files.touch(closable("second", false));
  assert.deepEqual(released, []);
});

test("commits wait for the disk as wrangler's do, but for the first one of a new log", () => {
  const rig = newRig();
  const level = () => rig.storage.database.get("PRAGMA synchronous")[0];
  rig.js.kv.put("k", 1);
  assert.equal(level(), 0);
  rig.storage.commit();
  assert.equal(level(), 1);
  const second = new Rig(rig.path, { manual: true }); // the log is there
  second.js.kv.get("k");
  assert.equal(second.storage.database.get("PRAGMA synchronous")[0], 1);
});

test("a host that ends leaves its files as they are, and the next one has everything", () => {
  const files = new OpenFiles();
  const rig = newRig({ files });
  rig.js.kv.put("kept", 1);
  rig.storage.commit();
  rig.js.kv.put("lost", 1);
  files.abandon();
  rig.storage.rollback();
  rig.storage.revoke();
  assert.ok(existsSync(`${rig.path}-wal`));
  const next = new Rig(rig.path, { manual: true });
  assert.deepEqual([...next.js.kv.list()], [["kept", 1]]);
  next.js.kv.put("more", 2);
  next.storage.commit();
  next.storage.close();
  assert.deepEqual([...new Rig(rig.path).js.kv.list()].length, 2);
});

test("what was committed survives the end of the process at that moment", async () => {
  const { spawnSync } = await import("node:child_process");
  const rig = newRig();
  const code = `
    import { ObjectStorage, OpenFiles } from ${JSON.stringify(new URL("../../../emulator/hosts/node/storage/storage.mjs", import.meta.url).href)};
    const hooks = { dirty() {}, committed() {}, alarmChanged() {} };
    const storage = new ObjectStorage({ path: ${JSON.stringify(rig.path)}, files: new OpenFiles(), hasAlarmHandler: true, hooks });
    for (let i = 0; i < 50; i++) {
      storage.userStorage.kv.put("n", i);
      storage.commit();
    }
    storage.userStorage.kv.put("n", "lost");
    process.kill(process.pid, "SIGKILL");
  `; // S-56
  const { signal } = spawnSync(process.execPath, ["--input-type=module", "-e", code]);
  assert.equal(signal, "SIGKILL");
  assert.equal(rig.js.kv.get("n"), 49);
});

test("settings survive closing and reopening", () => {
  const rig = newRig();
  rig.rows("PRAGMA foreign_keys = off");
  rig.rows("PRAGMA case_sensitive_like = on");
  rig.rows("PRAGMA defer_foreign_keys = on"); // this one ends with its transaction
  rig.storage.close();
  assert.deepEqual(rig.rows("PRAGMA foreign_keys"), [[0]]);
  assert.deepEqual(rig.rows("SELECT 'a' LIKE 'A'"), [[0]]);
  assert.deepEqual(rig.rows("PRAGMA defer_foreign_keys"), [[0]]);
  assert.deepEqual(rig.reopen().rows("PRAGMA foreign_keys"), [[1]]); // a new instance starts with the default
});

test("a setting sqlite ignored is not made later", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a)");
  rig.rows("PRAGMA foreign_keys = off"); // inside the turn's transaction
  rig.storage.commit();
  rig.storage.close();
  assert.deepEqual(rig.rows("PRAGMA foreign_keys"), [[1]]);
});

test("delete all gives the space back", async () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a)");
  rig.rows("INSERT INTO t VALUES (zeroblob(1000000))");
  rig.storage.commit();
  assert.ok(rig.js.sql.databaseSize > 1_000_000);
  await rig.js.deleteAll();
  assert.ok(rig.js.sql.databaseSize <= 4096);
});

// --- facets ---

test("facets: numbers count from one and are kept", () => {
  const root = newRoot();
  const facets = new FacetFiles(root);
  assert.equal(facets.number(ROOT, "one"), 1);
  assert.equal(facets.number(ROOT, "zwei ü"), 2);
  assert.equal(facets.number(2, "one"), 3);
  assert.equal(facets.number(ROOT, "one"), 1);
  const hex = (text) => Buffer.from(text).toString("hex");
  assert.equal(
    readFileSync(root.replace(".sqlite", ".facets"), "hex"),
    `57efb0c55bcecdc400000300${hex("one")}00000700${hex("zwei ü")}02000300${hex("one")}`,
  );
  const again = new FacetFiles(root);
  assert.equal(again.find(2, "one"), 3);
  assert.deepEqual(
    [...again.children(ROOT)],
    [
      ["one", 1],
      ["zwei ü", 2],
    ],
  );
  assert.equal(again.path(3), root.replace(".sqlite", ".3.sqlite"));
  assert.equal(again.path(ROOT), root);
});

test("facets: looking writes nothing", () => {
  const root = newRoot();
  const facets = new FacetFiles(root);
  assert.deepEqual([facets.find(ROOT, "one"), facets.children(ROOT).size], [null, 0]);
  assert.equal(existsSync(root.replace(".sqlite", ".facets")), false);
});

test("facets: deleting takes the subtree and keeps the numbers", () => {
  const root = newRoot();
  const facets = new FacetFiles(root);
  const child = facets.number(ROOT, "child");
  const grandchild = facets.number(child, "grandchild");
  const other = facets.number(ROOT, "other");
  for (const number of [child, grandchild, other]) writeFileSync(facets.path(number), "data");
  writeFileSync(`${facets.path(child)}-wal`, "wal");
  assert.deepEqual(facets.delete(child), [grandchild, child]);
  const left = readdirSync(join(root, "..")).filter((name) => name.includes(".sqlite"));
  assert.deepEqual(
    left.map((name) => join(root, "..", name)),
    [facets.path(other)],
  );
  assert.equal(new FacetFiles(root).number(ROOT, "child"), child);
});

for (let lost = 1; lost <= 9; lost++) {
  test(`facets: an entry that lacks its last ${lost} bytes is overwritten`, () => {
    const root = newRoot();
    const index = root.replace(".sqlite", ".facets");
    new FacetFiles(root).number(ROOT, "first");
    new FacetFiles(root).number(ROOT, "second");
    writeFileSync(index, readFileSync(index).subarray(0, -lost));
    assert.equal(new FacetFiles(root).number(ROOT, "second again"), 2);
    assert.deepEqual([...new FacetFiles(root).children(ROOT).keys()], ["first", "second again"]);
  });
}

test("facets: nothing of a lost long entry stays behind a short one", () => {
  const root = newRoot();
  const index = root.replace(".sqlite", ".facets");
  new FacetFiles(root).number(ROOT, "first");
  new FacetFiles(root).number(ROOT, "a long name \u0001\u0000\u0001\u0000x \u0000\u0000\u0001\u0000y and more");
  writeFileSync(index, readFileSync(index).subarray(0, -1));
  new FacetFiles(root).number(ROOT, "x");
  assert.deepEqual([...new FacetFiles(root).children(ROOT).keys()], ["first", "x"]);
});

for (let size = 0; size < 8; size++) {
  test(`facets: ${size} bytes of the head are an empty index`, () => {
    const root = newRoot();
    mkdirSync(join(root, ".."));
    writeFileSync(root.replace(".sqlite", ".facets"), Buffer.from("57efb0c55bcecdc4", "hex").subarray(0, size));
    assert.equal(new FacetFiles(root).number(ROOT, "first"), 1);
    assert.deepEqual([...new FacetFiles(root).children(ROOT).keys()], ["first"]);
  });
}

test("facets: another file is refused", () => {
  const root = newRoot();
  mkdirSync(join(root, ".."));
  writeFileSync(root.replace(".sqlite", ".facets"), "something else entirely");
  assert.throws(() => new FacetFiles(root).number(ROOT, "first"), isBroken("E352", root.replace(".sqlite", ".facets")));
});
