/** `sql.exec` and its cursors beyond what the recorded answers cover (S-43 to S-46, S-52, S-55). */
import assert from "node:assert/strict";
import { join } from "node:path";
import { test } from "node:test";
import { Rig, temporaryFolder } from "./storage_rig.mjs";

const folder = temporaryFolder();
let count = 0;
const newRig = (options = {}) => new Rig(join(folder, `${++count}.sqlite`), { manual: true, ...options });

function threeRows() {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a INTEGER PRIMARY KEY, b); CREATE INDEX i ON t(b); INSERT INTO t(b) VALUES ('x'), ('y'), ('z')");
  return rig;
}

test("an unread returning cursor does not lose the turn", () => {
  const rig = threeRows();
  rig.js.sql.exec("INSERT INTO t(b) VALUES ('kept'), ('too') RETURNING a");
  rig.storage.commit();
  assert.deepEqual(rig.rows("SELECT count(*) FROM t WHERE b IN ('kept', 'too')"), [[2]]);
});

test("a cursor left open locks nothing", () => {
  const rig = threeRows();
  const cursor = rig.js.sql.exec("SELECT a FROM t");
  cursor.next();
  rig.rows("DROP TABLE t");
  rig.storage.commit();
  assert.deepEqual(
    [...cursor].map((row) => row.a),
    [2, 3],
  );
});

test("the length of the whole text is limited", () => {
  const rig = newRig();
  for (const query of ["SELECT '' IS NULL", "SELECT 1; SELECT '' IS NULL"]) {
    const ofLength = (size, character = "x") => query.replace("''", `'${character.repeat(size - query.length)}'`);
    assert.deepEqual(rig.rows(ofLength(100_000)), [[0]]);
    assert.throws(() => rig.rows(ofLength(100_001)), /^Error: statement too long: SQLITE_TOOBIG$/);
    assert.throws(() => rig.rows(ofLength(50_100, "é")), /SQLITE_TOOBIG/);
  }
});

test("user code cannot ride on statements of ours", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a)");
  rig.js.kv.put("k", 1);
  rig.storage.commit();
  rig.rows("INSERT INTO t VALUES (1)");
  for (const query of ["COMMIT", "ROLLBACK", "BEGIN IMMEDIATE"]) assert.throws(() => rig.rows(query), /To execute a transaction/);
  assert.throws(() => rig.rows("SELECT value FROM main._cf_KV WHERE key = ?", "k"), /access to _cf_KV\.(value|key) is prohibited/);
  assert.equal(rig.storage.isDirty, true);
});

test("the platform's own tables cannot be changed", () => {
  const rig = newRig();
  rig.js.kv.put("k", 1);
  rig.rows("CREATE TABLE t(a)");
  for (const query of [
    "ALTER TABLE _cf_KV ADD COLUMN a",
    "ALTER TABLE _cf_KV RENAME COLUMN value TO a",
    "ALTER TABLE _cf_KV RENAME TO mine",
    "ALTER TABLE t RENAME TO _cf_t",
    "DROP TABLE _cf_KV",
    "CREATE INDEX i ON _cf_KV(value)",
    "CREATE TRIGGER r AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
  ]) {
    assert.throws(() => rig.rows(query), /not authorized: SQLITE_AUTH|prohibited: SQLITE_AUTH/, query);
  }
});

test("a statement is judged again when the tables change", () => {
  const rig = newRig();
  rig.js.kv.put("k", 1);
  rig.rows("CREATE TABLE harmless(key); CREATE VIEW v AS SELECT key FROM harmless");
  assert.deepEqual(rig.rows("SELECT key FROM v"), []);
  rig.rows("DROP VIEW v; CREATE VIEW v AS SELECT key FROM _cf_KV");
  assert.throws(() => rig.rows("SELECT key FROM v"), /prohibited/);
});

test("the platform's own table may be made while user code's statements are compiled", () => {
  const rig = threeRows();
  const query = "SELECT * FROM t WHERE a = ?";
  assert.deepEqual(rig.rows(query, 1), [[1, "x"]]);
  rig.js.kv.put("k", 1);
  assert.deepEqual(rig.rows(query, 2), [[2, "y"]]);
});

test("the wrong count of bindings has no effect", () => {
  // S-47
  const rig = threeRows();
  assert.throws(() => rig.rows("INSERT INTO t(b) VALUES (?)"), /Wrong number of parameter bindings/);
  assert.throws(() => rig.rows("SELECT :a, :b", 1), /Wrong number of parameter bindings/);
  assert.deepEqual(rig.rows("SELECT count(*) FROM t"), [[3]]);
});

test("a statement that failed can be run again", () => {
  const rig = threeRows();
  const query = "INSERT INTO t VALUES (?, ?)";
  assert.throws(() => rig.rows(query, 1, "again"), /UNIQUE constraint failed: t\.a/);
  assert.deepEqual(rig.rows(query, 4, "new"), []);
  assert.deepEqual(rig.rows("SELECT b FROM t WHERE a = 4"), [["new"]]);
});

test("the same statement with small and big numbers", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE n(a INTEGER)");
  const query = "SELECT a FROM n ORDER BY rowid";
  rig.rows("INSERT INTO n VALUES (1)");
  assert.deepEqual(rig.rows(query), [[1]]);
  rig.rows("INSERT INTO n VALUES (9223372036854775807)");
  assert.deepEqual(rig.rows(query), [[1], [2 ** 63]]);
  rig.rows("DELETE FROM n WHERE a > 1");
  assert.deepEqual(rig.rows(query), [[1]]);
  assert.deepEqual(rig.rows("INSERT INTO n VALUES (?) RETURNING a, typeof(a)", 2 ** 53), [[2 ** 53, "integer"]]);
});

test("an error is placed at the token it speaks of", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a, wher)");
  assert.throws(() => rig.rows("SELECT a FROM FROM t"), /near "FROM": syntax error at offset 14: SQLITE_ERROR/);
  assert.throws(() => rig.rows("SELECT a, wher,, a FROM t"), /near ",": syntax error at offset 15: SQLITE_ERROR/);
});

test("more statements than are kept compiled", () => {
  const rig = threeRows();
  for (let round = 0; round < 2; round++) {
    for (let i = 0; i < 600; i++) assert.deepEqual(rig.rows(`SELECT ${i}, b FROM t WHERE a = ?`, 1 + (i % 3)), [[i, "xyz"[i % 3]]]);
  }
});

test("values that were bound do not stay with a statement that is used again", () => {
  const rig = newRig();
  const query = "SELECT ?1 AS a, ?2 AS b";
  assert.deepEqual(rig.rows(query, "x", "y"), [["x", "y"]]);
  assert.deepEqual(rig.rows(query, null, undefined), [[null, null]]);
});

test("a blob given out is user code's own", () => {
  const rig = newRig();
  rig.rows("CREATE TABLE t(a); INSERT INTO t VALUES (x'0102')");
  const [[blob]] = rig.rows("SELECT a FROM t");
  new Uint8Array(blob).fill(9);
  assert.deepEqual(new Uint8Array(rig.rows("SELECT a FROM t")[0][0]), new Uint8Array([1, 2]));
  assert.equal(structuredClone(blob, { transfer: [blob] }).byteLength, 2);
});
