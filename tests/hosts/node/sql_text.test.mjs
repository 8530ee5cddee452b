/** Splitting SQL text into statements, knowing what each needs, and placing errors in it. */
import assert from "node:assert/strict";
import { test } from "node:test";
import { offsetOf } from "../../../emulator/hosts/node/storage/sql_errors.mjs";
import { withoutLimit } from "../../../emulator/hosts/node/storage/sql_limit.mjs";
import { split } from "../../../emulator/hosts/node/storage/sql_text.mjs";
import { tokenize } from "../../../emulator/hosts/node/storage/sql_tokens.mjs";

const texts = (query) => split(query).statements.map((statement) => statement.text);
const first = (query) => split(query).statements[0];

test("statements end where SQLite ends them", () => {
  const trigger = "CREATE TRIGGER t AFTER INSERT ON a BEGIN SELECT 1; SELECT CASE WHEN 1 THEN 2 END; END;";
  const cases = {
    "SELECT 1": ["SELECT 1"],
    "SELECT 1; SELECT 2;": ["SELECT 1;", "SELECT 2;"],
    " ;; SELECT 1": [";; SELECT 1"],
    "SELECT ';' ; SELECT \";\", [;], `;` -- ;\n, 2": ["SELECT ';' ;", 'SELECT ";", [;], `;` -- ;\n, 2'],
    "SELECT 'it''s; fine'; SELECT /* ; */ 2": ["SELECT 'it''s; fine';", "SELECT /* ; */ 2"],
    [`${trigger} SELECT 3`]: [trigger, "SELECT 3"],
    [`EXPLAIN ${trigger.replace("CREATE", "CREATE TEMP")} SELECT 3`]: [`EXPLAIN ${trigger.replace("CREATE", "CREATE TEMP")}`, "SELECT 3"],
    "CREATE TABLE trigger_log(a); SELECT 1": ["CREATE TABLE trigger_log(a);", "SELECT 1"],
    "DROP TRIGGER t; SELECT 1": ["DROP TRIGGER t;", "SELECT 1"],
  };
  for (const [query, expected] of Object.entries(cases)) assert.deepEqual(texts(query), expected, query);
});

test("what is left over", () => {
  const cases = { "SELECT 1": true, "SELECT 1; \n\v": true, "SELECT 1; -- x": false, "SELECT 1;;": false, "": false, "-- x": false };
  for (const [query, complete] of Object.entries(cases)) assert.equal(split(query).complete, complete, query);
});

test("parameters", () => {
  const cases = {
    "SELECT 1": [],
    "SELECT ?, ?": [null, null],
    "SELECT ?3": [null, null, null],
    "SELECT ?2, ?, ?1": [null, null, null],
    "SELECT :a, @b, $c, :a": [":a", "@b", "$c"],
    "SELECT :a, ?, ?2, :b": [":a", null, ":b"],
    "SELECT '?', \"?\", `?`, -- ?\n /* ? */ ?": [null],
    "SELECT x'00', ?": [null],
  };
  for (const [query, parameters] of Object.entries(cases)) assert.deepEqual(first(query).parameters, parameters, query);
  assert.ok(first("SELECT ?999999999").parameters.length < 100_000);
});

test("what a statement does", () => {
  const cases = {
    "select 1": ["select", false, false, null],
    "VALUES (1)": ["values", false, false, null],
    "WITH x AS (SELECT 1) SELECT * FROM x": ["select", false, false, null],
    "WITH x AS (DELETE_ME) INSERT INTO t SELECT 1": ["insert", true, true, "t"],
    'INSERT OR REPLACE INTO main."my t" VALUES (1)': ["insert", true, true, "my t"],
    "UPDATE OR IGNORE t SET a = 1": ["update", true, true, "t"],
    "DELETE FROM t": ["delete", true, true, "t"],
    "REPLACE INTO t VALUES (1)": ["replace", true, true, "t"],
    "CREATE TABLE t(a)": ["create", true, false, null],
    "EXPLAIN INSERT INTO t VALUES (1)": ["explain", false, false, null],
    "PRAGMA foreign_keys = off": ["pragma", false, false, null],
    COMMIT: ["commit", false, false, null],
    nonsense: ["nonsense", true, false, null],
  };
  for (const [query, expected] of Object.entries(cases)) {
    const { verb, writes, changesRows, table } = first(query);
    assert.deepEqual([verb, writes, changesRows, table], expected, query);
  }
});

test("settings, new names and assigned columns", () => {
  assert.equal(first("PRAGMA main.Foreign_Keys = off").setting, "foreign_keys");
  assert.equal(first("PRAGMA table_info(t)").setting, "table_info");
  assert.equal(first("PRAGMA foreign_keys").setting, null);
  assert.equal(first('ALTER TABLE t RENAME TO "_cf_X"').newName, "_cf_x");
  assert.equal(first("ALTER TABLE t RENAME COLUMN a TO b").newName, null);
  assert.deepEqual(first('UPDATE t SET a = b, "C" = max(d, 1), (e, f) = (1, 2) WHERE g = 1').assigned, ["a", "c", "e", "f"]);
});

test("the same text is split once", () => {
  assert.equal(split("SELECT 1, 2, 3"), split("SELECT 1, 2, 3"));
  for (let i = 0; i < 3000; i++) assert.equal(split(`SELECT ${i}`).statements[0].text, `SELECT ${i}`);
});

/** Texts of the given pieces, the same ones each time. */
function* generated(pieces, length, count) {
  let state = 12_345;
  const roll = (sides) => {
    state = (Math.imul(state, 1_664_525) + 1_013_904_223) >>> 0;
    return Math.floor((state / 2 ** 32) * sides);
  };
  for (let i = 0; i < count; i++) yield Array.from({ length: roll(length) }, () => pieces[roll(pieces.length)]).join("");
}

test("every character lands in one token or in space", () => {
  for (const text of generated([..."a1 ;'\"`[]-/*\n?:@$#x.()=<>|é\0"], 40, 2000)) {
    let position = 0;
    for (const token of tokenize(text)) {
      assert.ok(token.start >= position, text);
      assert.equal(text.slice(token.start, token.end), token.text, text);
      position = token.end;
    }
  }
});

test("splitting loses no text", () => {
  for (const text of generated(["SELECT ", "1", ";", "'a;b'", "-- ;\n", "/* ; */", " ", '"x;"', "?"], 12, 2000)) {
    let rest = text;
    for (const statement of split(text).statements) {
      const at = rest.indexOf(statement.text);
      assert.equal(rest.slice(0, at).trim(), "", text);
      rest = rest.slice(at + statement.text.length);
    }
  }
});

test("LIMIT becomes a choice of rows", () => {
  const rewritten = (query, key = ["rowid"]) => withoutLimit(first(query), key)?.replace(/\s+/g, " ").trim() ?? null;
  assert.equal(
    rewritten("DELETE FROM t WHERE a > ? ORDER BY b LIMIT ?;"),
    'DELETE FROM t WHERE ("rowid") IN (SELECT "rowid" FROM t WHERE a > ?1 ORDER BY b LIMIT ?2)',
  );
  assert.equal(
    rewritten("UPDATE OR IGNORE t AS x SET a = ? WHERE x.b IN (SELECT 1 LIMIT 1) RETURNING ? LIMIT ?", ["k", 'o"dd']),
    'UPDATE OR IGNORE t AS x SET a = ?1 WHERE ("k", "o""dd") IN (SELECT "k", "o""dd" FROM t AS x WHERE x.b IN (SELECT 1 LIMIT 1) ' +
      "LIMIT ?3) RETURNING ?2",
  );
  assert.equal(rewritten("UPDATE t SET a = 1 FROM u LIMIT 1"), null);
  assert.equal(rewritten("DELETE FROM t WHERE :a RETURNING ? LIMIT :b"), null);
  assert.equal(rewritten("DELETE LIMIT 1"), null);
  assert.equal(rewritten("UPDATE t LIMIT 1"), null);
  assert.throws(() => rewritten("UPDATE t SET a = 1 ORDER BY a"), { message: "ORDER BY without LIMIT on UPDATE" });
});

test("an unknown message has no offset", () => {
  assert.equal(
    offsetOf("database is locked", "SELECT 1", () => null),
    null,
  );
  assert.equal(
    offsetOf('near "x": syntax error', "SELECT y", () => null),
    null,
  );
});
