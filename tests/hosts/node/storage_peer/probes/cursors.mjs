/** Rows, cursors and their counts. */

export default {
  "rows and cursors": [
    [
      "rows written by statements for tables",
      (s) => {
        const n = (q) => {
          const c = s.sql.exec(q);
          c.toArray();
          return c.rowsWritten;
        };
        return [n("CREATE TABLE dd(a)"), n("CREATE INDEX di ON dd(a)"), n("ALTER TABLE dd ADD COLUMN b"), n("DROP TABLE dd")];
      },
    ],
    ["row", (s) => s.sql.exec("SELECT 1 AS a, 'x' AS b, NULL AS c, 1.5 AS d, x'01' AS e").one()],
    [
      "row is plain",
      (s) => {
        const r = s.sql.exec("SELECT 1 AS a").one();
        return [
          Object.getPrototypeOf(r) === Object.prototype,
          Object.isFrozen(r),
          Array.isArray(s.sql.exec("SELECT 1").raw().next().value),
        ];
      },
    ],
    ["order of names", (s) => Object.keys(s.sql.exec('SELECT 1 AS b, 2 AS a, 3 AS "2", 4 AS "1"').one())],
    ["names that clash", (s) => s.sql.exec("SELECT 1 AS a, 2 AS a, 3 AS b").one()],
    ["names of nothing", (s) => s.sql.exec('SELECT 1 AS "", 2 AS "a b"').one()],
    [
      "a column called __proto__",
      (s) => {
        const r = s.sql.exec("SELECT 1 AS __proto__, 2 AS a, 3 AS constructor").one();
        return [Object.keys(r), Object.getPrototypeOf(r) === Object.prototype];
      },
    ],
    [
      "whole numbers",
      (s) => s.sql.exec("SELECT 9007199254740991 AS a, 9007199254740993 AS b, -9223372036854775808 AS c, 1.0 AS d, -0.0 AS e").one(),
    ],
    ["numbers of fraction", (s) => s.sql.exec("SELECT 1e999 AS a, -1e999 AS b, 0.1 AS c").one()],
    ["text", (s) => s.sql.exec("SELECT 'größer 😀' AS a, 'a' || char(0) || 'b' AS b, CAST(x'ff41' AS TEXT) AS c, '' AS d").one()],
    ["blobs", (s) => s.sql.exec("SELECT x'' AS a, x'0102' AS b, zeroblob(2) AS c").one()],
    [
      "a blob may be changed",
      (s) => {
        const { a } = s.sql.exec("SELECT x'0102' AS a").one();
        new Uint8Array(a)[0] = 9;
        return a;
      },
    ],
    [
      "next",
      (s) => {
        const c = s.sql.exec("VALUES (1), (2)");
        return [c.next(), c.next(), c.next(), c.next()];
      },
    ],
    [
      "raw next",
      (s) => {
        const c = s.sql.exec("VALUES (1), (2)").raw();
        return [c.next(), c.next(), c.next(), c.next()];
      },
    ],
    [
      "keys of next",
      (s) => {
        const c = s.sql.exec("SELECT 1");
        return [Object.keys(c.next()), Object.keys(c.next())];
      },
    ],
    [
      "one position",
      (s) => {
        const c = s.sql.exec("VALUES (1), (2), (3), (4)");
        return [c.next().value, c.raw().next().value, c.toArray(), c.toArray()];
      },
    ],
    [
      "iterating",
      (s) => {
        const c = s.sql.exec("VALUES (1), (2), (3)");
        const found = [];
        for (const row of c) {
          found.push(row);
          if (found.length === 2) break;
        }
        return [found, [...c]];
      },
    ],
    [
      "is its iterator",
      (s) => {
        const c = s.sql.exec("SELECT 1");
        const r = s.sql.exec("SELECT 1").raw();
        return [c[Symbol.iterator]() === c, r[Symbol.iterator]() === r];
      },
    ],
    [
      "return and throw",
      (s) => {
        const c = s.sql.exec("SELECT 1");
        return [typeof c.return, typeof c.throw, typeof c.raw().return];
      },
    ],
    [
      "raw has",
      (s) => {
        const r = s.sql.exec("SELECT 1").raw();
        return [typeof r.toArray, typeof r.one, typeof r.columnNames];
      },
    ],
    ["raw toArray", (s) => s.sql.exec("VALUES (1,2), (3,4)").raw().toArray()],
    ["one of none", (s) => s.sql.exec("SELECT 1 WHERE 0").one()],
    ["one of two", (s) => s.sql.exec("VALUES (1), (2)").one()],
    [
      "one of two leaves",
      (s) => {
        const c = s.sql.exec("VALUES (1), (2), (3)");
        try {
          c.one();
        } catch {}
        return c.toArray();
      },
    ],
    [
      "one twice",
      (s) => {
        const c = s.sql.exec("SELECT 1");
        c.one();
        return c.one();
      },
    ],
    [
      "columnNames",
      (s) => {
        const c = s.sql.exec("SELECT 1 AS a, 2 AS a");
        const names = c.columnNames;
        return [names, c.columnNames === names, Object.isFrozen(names)];
      },
    ],
    [
      "columnNames at the end",
      (s) => {
        const c = s.sql.exec("SELECT 1 AS a");
        c.toArray();
        return c.columnNames;
      },
    ],
    ["columnNames of a write", (s) => s.sql.exec("CREATE TABLE t(a INTEGER PRIMARY KEY, b)").columnNames],
    [
      "columnNames cannot be set",
      (s) => {
        const c = s.sql.exec("SELECT 1 AS a");
        try {
          c.columnNames = 5;
        } catch (e) {
          return e.name;
        }
      },
    ],
    ["returning", (s) => s.sql.exec("INSERT INTO t(b) VALUES ('x'), ('y') RETURNING a, b").toArray()],
    ["returning big", (s) => s.sql.exec("INSERT INTO t VALUES (9223372036854775807, 'z') RETURNING a").toArray()],
    [
      "names after a change of the table",
      (s) => {
        const q = "SELECT * FROM t LIMIT 1";
        const before = s.sql.exec(q).toArray();
        s.sql.exec("ALTER TABLE t RENAME COLUMN b TO c");
        const between = s.sql.exec(q).toArray();
        s.sql.exec("ALTER TABLE t ADD COLUMN d DEFAULT 4");
        return [before, between, s.sql.exec(q).toArray(), s.sql.exec(q).columnNames];
      },
    ],
    [
      "names after a rolled back change",
      (s) => {
        const q = "SELECT * FROM t LIMIT 1";
        try {
          s.transactionSync(() => {
            s.sql.exec("ALTER TABLE t RENAME COLUMN c TO e");
            s.sql.exec(q).toArray();
            throw new Error("back");
          });
        } catch {}
        return s.sql.exec(q).toArray();
      },
    ],
    [
      "the error",
      (s) => {
        try {
          s.sql.exec("SELEC");
        } catch (e) {
          return [e.constructor.name, Object.keys(e), e.name, String(e)];
        }
      },
    ],
    [
      "rows read",
      (s) => {
        const c = s.sql.exec("SELECT a FROM t");
        const found = [c.rowsRead];
        for (let i = 0; i < 4; i++) found.push([c.next().done, c.rowsRead]);
        return [...found, c.rowsWritten];
      },
    ],
    [
      "rows read at once",
      (s) => {
        const c = s.sql.exec("SELECT a FROM t");
        return [c.toArray().length, c.rowsRead];
      },
    ],
    [
      "rows read of one",
      (s) => {
        const c = s.sql.exec("SELECT count(*) FROM t");
        return [c.rowsRead, c.one(), c.rowsRead];
      },
    ],
    [
      "rows written",
      (s) => [
        s.sql.exec("SELECT 1").rowsWritten,
        s.sql.exec("UPDATE t SET c = 2 WHERE a = -1").rowsWritten,
        s.sql.exec("PRAGMA table_info(t)").rowsWritten,
      ],
    ],
    [
      "rows written without an index",
      (s) => {
        s.sql.exec("CREATE TABLE w(a, b)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [
          n("INSERT INTO w VALUES (1, 2)"),
          n("INSERT INTO w VALUES (3, 4), (5, 6)"),
          n("UPDATE w SET b = 9"),
          n("UPDATE w SET b = b + 1 WHERE a = 1"),
          n("DELETE FROM w WHERE a = 1"),
          n("DELETE FROM w"),
        ];
      },
    ],
    [
      "rows written with an index",
      (s) => {
        s.sql.exec("CREATE TABLE x(a, b); CREATE INDEX xa ON x(a)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [
          n("INSERT INTO x VALUES (1, 2)"),
          n("INSERT INTO x VALUES (3, 4), (5, 6)"),
          n("UPDATE x SET b = 9"),
          n("UPDATE x SET a = a + 1"),
          n("DELETE FROM x WHERE a = 2"),
          n("DELETE FROM x"),
        ];
      },
    ],
    [
      "rows written with two indexes",
      (s) => {
        s.sql.exec("CREATE TABLE y(a UNIQUE, b); CREATE INDEX yb ON y(b)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [
          n("INSERT INTO y VALUES (1, 2)"),
          n("INSERT OR REPLACE INTO y VALUES (1, 3)"),
          n("INSERT INTO y VALUES (1, 4) ON CONFLICT DO UPDATE SET b = excluded.b"),
          n("INSERT OR IGNORE INTO y VALUES (1, 5)"),
          n("UPDATE y SET b = 6"),
          n("UPDATE y SET a = 7, b = 8"),
          n("DELETE FROM y WHERE a = 7"),
        ];
      },
    ],
    [
      "rows written with an integer key",
      (s) => {
        s.sql.exec("CREATE TABLE z(a INTEGER PRIMARY KEY, b)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [n("INSERT INTO z VALUES (1, 2)"), n("UPDATE z SET b = 9"), n("UPDATE z SET a = 5"), n("DELETE FROM z")];
      },
    ],
    [
      "rows written with a text key",
      (s) => {
        s.sql.exec("CREATE TABLE zz(a TEXT PRIMARY KEY, b)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [
          n("INSERT INTO zz VALUES ('k', 2)"),
          n("INSERT OR REPLACE INTO zz VALUES ('k', 3)"),
          n("UPDATE zz SET b = 9"),
          n("UPDATE zz SET a = 'l'"),
          n("DELETE FROM zz"),
        ];
      },
    ],
    [
      "rows written without rowid",
      (s) => {
        s.sql.exec("CREATE TABLE wr(a TEXT PRIMARY KEY, b) WITHOUT ROWID");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [n("INSERT INTO wr VALUES ('k', 2)"), n("UPDATE wr SET b = 9"), n("DELETE FROM wr")];
      },
    ],
    [
      "rows written by autoincrement",
      (s) => {
        s.sql.exec("CREATE TABLE ai(a INTEGER PRIMARY KEY AUTOINCREMENT, b)");
        const n = (q) => s.sql.exec(q).rowsWritten;
        return [n("INSERT INTO ai(b) VALUES (1)"), n("INSERT INTO ai(b) VALUES (1), (2)")];
      },
    ],
    [
      "rows written with returning",
      (s) => {
        const c = s.sql.exec("INSERT INTO w VALUES (1, 2), (3, 4) RETURNING a");
        const before = c.rowsWritten;
        c.toArray();
        return [before, c.rowsWritten];
      },
    ],
    [
      "rows written by a trigger",
      (s) => {
        s.sql.exec("CREATE TRIGGER wt AFTER INSERT ON w BEGIN INSERT INTO z(b) VALUES (1); END");
        return s.sql.exec("INSERT INTO w VALUES (1, 2)").rowsWritten;
      },
    ],
    ["rows written by several statements", (s) => s.sql.exec("INSERT INTO z(b) VALUES (1); INSERT INTO z(b) VALUES (1), (2)").rowsWritten],
    [
      "two cursors of one query",
      (s) => {
        const q = "VALUES (1), (2)";
        const a = s.sql.exec(q);
        const b = s.sql.exec(q);
        return [a.next(), b.next(), a.next(), b.next()];
      },
    ],
    ["pragma", (s) => s.sql.exec("PRAGMA table_info(t)").toArray()],
    [
      "delete with limit",
      (s) => [s.sql.exec("DELETE FROM t ORDER BY a DESC LIMIT 1").toArray(), s.sql.exec("SELECT count(*) AS n FROM t").one()],
    ],
  ],
};
