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
};
