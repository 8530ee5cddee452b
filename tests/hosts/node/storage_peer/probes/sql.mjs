/** What `sql.exec` takes. */
import { ODD, each } from "./odd.mjs";

export default {
  "sql arguments": [
    ["none", (s) => s.sql.exec()],
    ...each(ODD, (s, v) => s.sql.exec(v).toArray()).map(([l, e]) => [`query ${l}`, e]),
    ...each(
      {
        ...ODD,
        NaN: NaN,
        "-0": -0,
        Infinity: Infinity,
        "2**53": 2 ** 53,
        "a box": new Number(5),
        "a boxed bigint": Object(5n),
        "no text": Object.create(null),
      },
      (s, v) => s.sql.exec("SELECT ? AS v, typeof(?1) AS t", v).one(),
    ).map(([l, e]) => [`binding ${l}`, e]),
    [
      "binding text that throws",
      (s) =>
        s.sql.exec("SELECT ?", {
          toString() {
            throw new RangeError("mine");
          },
        }),
    ],
    [
      "binding buffers",
      (s) =>
        [
          new ArrayBuffer(2),
          new Uint8Array([1, 2, 3]).subarray(1),
          new Uint16Array([1]),
          new DataView(new ArrayBuffer(3), 1),
          Buffer.from("x"),
          new ArrayBuffer(0),
        ].map((b) => s.sql.exec("SELECT hex(?) AS v, typeof(?1) AS t", b).one()),
    ],
    ["binding shared", (s) => s.sql.exec("SELECT ? AS v", new SharedArrayBuffer(2)).one()],
    ["binding resizable", (s) => s.sql.exec("SELECT hex(?) AS v", new ArrayBuffer(2, { maxByteLength: 4 })).one()],
    ["binding an array is one binding", (s) => s.sql.exec("SELECT ?, ?", [1, 2])],
    ["binding too many", (s) => s.sql.exec("SELECT ?", 1, 2)],
    ["binding too few", (s) => s.sql.exec("SELECT ?")],
    ["named", (s) => s.sql.exec("SELECT :a AS a, $b AS b, @c AS c, :a AS again", 1, 2, 3).one()],
    ["named and not", (s) => s.sql.exec("SELECT :a AS a, ? AS b, ?2 AS c, :d AS d", 1, 2, 3).one()],
    ["numbered with a gap", (s) => s.sql.exec("SELECT ?3 AS a", 1, 2, 3).one()],
    ["numbered backwards", (s) => s.sql.exec("SELECT ?2 AS a, ?1 AS b", 1, 2).one()],
    ["names that differ in the first character", (s) => s.sql.exec("SELECT :a AS x, @a AS y, $a AS z", 1, 2, 3).one()],
    ["a query in a template", (s) => s.sql.exec`SELECT 1`],
  ],
  statements: [
    ["a null in the end", (s) => s.sql.exec("SELECT 1 AS a\u0000").toArray()],
    ["a null and more", (s) => s.sql.exec("SELECT 1 AS a\u0000, 2 AS b").toArray()],
    ["a null after the semicolon", (s) => s.sql.exec("SELECT 1 AS a;\u0000").toArray()],
    ["a null in a string", (s) => s.sql.exec("SELECT 'a\u0000b' AS a").toArray()],
    ["a null in a comment", (s) => s.sql.exec("SELECT 1 AS a -- \u0000\n, 2 AS b").toArray()],
    ["a vertical tab", (s) => s.sql.exec("SELECT\v1").toArray()],
    ["a form feed", (s) => s.sql.exec("SELECT\f1 AS a").toArray()],
    ["a no-break space", (s) => s.sql.exec("SELECT\u00a01").toArray()],
    ["a byte order mark", (s) => s.sql.exec("\ufeffSELECT 1 AS a").toArray()],
    ["space of another kind after the end", (s) => s.sql.exec("SELECT 1;\u00a0").toArray()],
    ["a vertical tab after the end", (s) => s.sql.exec("SELECT 1;\v").toArray()],
    [
      "tables",
      (s) =>
        s.sql
          .exec(
            "CREATE TABLE r(a INTEGER PRIMARY KEY, b); CREATE TABLE w(a, b, c, PRIMARY KEY (b, a)) WITHOUT ROWID; INSERT INTO r VALUES (1, 'x'), (2, 'y'), (3, 'z'), (4, 'x'), (5, 'y'); INSERT INTO w SELECT a, b, a FROM r",
          )
          .toArray(),
    ],
    ["delete, limit", (s) => [s.sql.exec("DELETE FROM r LIMIT 1").rowsWritten, s.sql.exec("SELECT a FROM r").raw().toArray()]],
    [
      "delete, order and limit",
      (s) => [s.sql.exec("DELETE FROM r ORDER BY b DESC, a LIMIT 1").rowsWritten, s.sql.exec("SELECT a FROM r").raw().toArray()],
    ],
    [
      "delete, where and limit",
      (s) => [
        s.sql.exec("DELETE FROM r WHERE b = ? OR b = ? LIMIT ?;", "x", "y", 1).rowsWritten,
        s.sql.exec("SELECT a FROM r").raw().toArray(),
      ],
    ],
    [
      "delete, returning",
      (s) => s.sql.exec("DELETE FROM r WHERE a > ? RETURNING a, ? AS given ORDER BY a DESC LIMIT ?", 0, "g", 1).toArray(),
    ],
    [
      "delete, named",
      (s) => [
        s.sql.exec("DELETE FROM r WHERE b <> :b ORDER BY a LIMIT :limit", "y", 5).rowsWritten,
        s.sql.exec("SELECT a FROM r").raw().toArray(),
      ],
    ],
    [
      "delete, alias and offset",
      (s) => [
        s.sql.exec("DELETE FROM w AS v WHERE v.c > 1 ORDER BY v.c LIMIT 1 OFFSET 1").rowsWritten,
        s.sql.exec("SELECT c FROM w ORDER BY c").raw().toArray(),
      ],
    ],
    [
      "delete, comma",
      (s) => [s.sql.exec("DELETE FROM w ORDER BY c LIMIT 1, 1").rowsWritten, s.sql.exec("SELECT c FROM w ORDER BY c").raw().toArray()],
    ],
    [
      "delete, with",
      (s) => [
        s.sql.exec("WITH few AS (SELECT 4 AS n) DELETE FROM w WHERE c IN (SELECT n FROM few LIMIT 1) LIMIT 1").rowsWritten,
        s.sql.exec("SELECT c FROM w ORDER BY c").raw().toArray(),
      ],
    ],
    ["delete, order alone", (s) => s.sql.exec("DELETE FROM w ORDER BY c").toArray()],
    [
      "delete, subquery alone",
      (s) => [
        s.sql.exec("DELETE FROM w WHERE c = (SELECT c FROM w ORDER BY c LIMIT 1)").rowsWritten,
        s.sql.exec("SELECT c FROM w ORDER BY c").raw().toArray(),
      ],
    ],
    ["delete, unknown column", (s) => s.sql.exec("DELETE FROM w WHERE nope = 1 LIMIT 1").toArray()],
    ["delete, unknown table", (s) => s.sql.exec("DELETE FROM nope LIMIT 1").toArray()],
    ["delete, too few bindings", (s) => s.sql.exec("DELETE FROM w LIMIT ?").toArray()],
    [
      "more rows",
      (s) =>
        s.sql
          .exec(
            "DELETE FROM w; INSERT INTO w VALUES (1, 'x', 1), (2, 'y', 2), (3, 'z', 3); DELETE FROM r; INSERT INTO r VALUES (1, 'x'), (2, 'y'), (3, 'z')",
          )
          .toArray(),
    ],
    [
      "update, limit",
      (s) => [
        s.sql.exec("UPDATE r SET b = ? WHERE a > ? ORDER BY a DESC LIMIT ?", "new", 1, 1).rowsWritten,
        s.sql.exec("SELECT * FROM r").raw().toArray(),
      ],
    ],
    [
      "update, or",
      (s) => [s.sql.exec("UPDATE OR IGNORE w SET c = c + 10, a = a LIMIT 2").rowsWritten, s.sql.exec("SELECT * FROM w").raw().toArray()],
    ],
    ["update, returning", (s) => s.sql.exec("UPDATE w SET c = 0 RETURNING a ORDER BY a DESC LIMIT 1").toArray()],
    [
      "update, from",
      (s) => [s.sql.exec("UPDATE r SET b = w.c FROM w WHERE w.a = r.a").rowsWritten, s.sql.exec("SELECT * FROM r").raw().toArray()],
    ],
    [
      "insert, limit of the select",
      (s) => [
        s.sql.exec("INSERT INTO r(b) SELECT 'more' FROM w LIMIT 1").rowsWritten,
        s.sql.exec("SELECT count(*) FROM r").raw().toArray(),
      ],
    ],
    [
      "a column that has the name of a clause",
      (s) => [s.sql.exec('CREATE TABLE q("limit", "order")').toArray(), s.sql.exec('DELETE FROM q WHERE "limit" = 1').rowsWritten],
    ],
    [
      "upsert",
      (s) => s.sql.exec("INSERT INTO r VALUES (1, 'up') ON CONFLICT (a) DO UPDATE SET b = excluded.b || '!' RETURNING *").toArray(),
    ],
    [
      "changes",
      (s) => [s.sql.exec("UPDATE r SET b = 1").rowsWritten > 0, s.sql.exec("SELECT changes() > 0 AS c, last_insert_rowid() AS i").one()],
    ],
    ["explain", (s) => s.sql.exec("EXPLAIN QUERY PLAN SELECT * FROM r").columnNames],
    [
      "explain of a write writes nothing",
      (s) => [s.sql.exec("EXPLAIN DELETE FROM r").toArray().length > 0, s.sql.exec("SELECT count(*) > 0 AS n FROM r").one()],
    ],
    ["quoted text", (s) => s.sql.exec('SELECT "no column" AS a').toArray()],
    ["an error in the middle", (s) => s.sql.exec("INSERT INTO r(b) VALUES ('kept'); INSERT INTO nope VALUES (1); SELECT 1").toArray()],
    ["what came before it", (s) => s.sql.exec("SELECT count(*) AS n FROM r WHERE b = 'kept'").one()],
    ["an error at run time", (s) => s.sql.exec("INSERT INTO r VALUES (100, 'a'), (1, 'b')").toArray()],
    ["what it left", (s) => s.sql.exec("SELECT count(*) AS n FROM r WHERE a = 100").one()],
    [
      "or fail",
      (s) => {
        try {
          s.sql.exec("INSERT OR FAIL INTO r VALUES (100, 'a'), (1, 'b')");
        } catch (e) {
          return [e.message, s.sql.exec("SELECT count(*) AS n FROM r WHERE a = 100").one()];
        }
      },
    ],
  ],
  "the platform's own tables": [
    ["made", (s) => [s.kv.put("k", 1), s.setAlarm(4102444800000) instanceof Promise, s.sql.exec("CREATE TABLE t(a)").toArray()]],
    ...[
      "ALTER TABLE _cf_KV ADD COLUMN a",
      "ALTER TABLE _cf_KV RENAME COLUMN value TO a",
      "ALTER TABLE _cf_KV DROP COLUMN value",
      "ALTER TABLE _cf_KV RENAME TO mine",
      "ALTER TABLE t RENAME TO _cf_t",
      "ALTER TABLE t RENAME COLUMN a TO _cf_a",
      "DROP TABLE _cf_KV",
      "DROP TABLE IF EXISTS _cf_METADATA",
      "CREATE INDEX i ON _cf_KV(value)",
      "CREATE INDEX _cf_i ON t(a)",
      "CREATE TRIGGER r AFTER INSERT ON _cf_KV BEGIN SELECT 1; END",
      "CREATE TRIGGER _cf_r AFTER INSERT ON t BEGIN SELECT 1; END",
      "CREATE TRIGGER r2 AFTER INSERT ON t BEGIN DELETE FROM _cf_KV; END",
      "INSERT INTO t VALUES (1)",
      "DROP TRIGGER r2",
      "CREATE VIEW v AS SELECT * FROM _cf_KV",
      "SELECT * FROM v",
      "CREATE VIEW _cf_v AS SELECT 1",
      "CREATE TABLE _CF_upper(a)",
      "CREATE TABLE copy AS SELECT * FROM _cf_KV",
      "CREATE TABLE child(a REFERENCES _cf_KV(key))",
      "CREATE VIRTUAL TABLE _cf_f USING fts5(a)",
      "CREATE VIRTUAL TABLE f USING fts5(a, content='_cf_KV')",
      "INSERT INTO _cf_KV VALUES ('a', 'b')",
      "UPDATE _cf_KV SET value = 1",
      "DELETE FROM _cf_METADATA",
      "SELECT count(*) FROM _cf_KV",
      "SELECT name FROM sqlite_master ORDER BY name",
      "DELETE FROM sqlite_master",
      "UPDATE sqlite_sequence SET seq = 5",
      "PRAGMA table_info(_cf_KV)",
      "SELECT * FROM pragma_table_info('_cf_KV')",
      "PRAGMA index_list(_cf_KV)",
      "SELECT * FROM __miniflare_do_name",
      "CREATE TABLE _cf(a)",
      "CREATE TABLE x_cf_(a)",
      "ANALYZE _cf_KV",
      "REINDEX _cf_KV",
      "ANALYZE",
      "REINDEX",
      "SELECT * FROM sqlite_stat1",
      "EXPLAIN SELECT * FROM _cf_KV",
      "WITH k AS (SELECT * FROM _cf_KV) SELECT 1",
      "VACUUM",
      "ATTACH 'x' AS y",
      "CREATE TEMP TABLE tt(a)",
      "SELECT load_extension('x')",
    ].map((query) => [query, (s) => s.sql.exec(query).toArray()]),
    ["what is left", (s) => [[...s.kv.list()], s.sql.exec("SELECT * FROM t").toArray()]],
  ],
};
