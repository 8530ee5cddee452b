import assert from "node:assert/strict";
import { SourceMap as NodeSourceMap } from "node:module";
import { test } from "node:test";
import { SourceMaps } from "../../../emulator/hosts/node/source_maps.mjs";

const DIGITS = "ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/";

function encoded(fields) {
  return fields
    .map((field) => {
      let rest = field < 0 ? (-field << 1) | 1 : field << 1;
      let text = "";
      do {
        text += DIGITS[(rest & 31) | (rest > 31 ? 32 : 0)];
        rest >>>= 5;
      } while (rest > 0);
      return text;
    })
    .join("");
}

/** Mappings with segments of every length, from the code's first line to its last; a small generator instead of chance. */
function mappings() {
  let seed = 7;
  const next = (below) => {
    seed = (seed * 1103515245 + 12345) % 2147483648;
    return seed % below;
  };
  const before = [0, 0, 0, 0];
  const lines = Array.from({ length: 40 }, (_, row) => {
    before[0] = 0;
    let column = 0;
    const segments = Array.from({ length: row === 3 ? 0 : 1 + next(30) }, () => {
      column += 1 + next(40);
      const kind = [1, 4, 5][next(3)];
      const there = kind === 1 ? [column] : [column, next(3), next(5000), next(200)];
      const difference = there.map((value, index) => value - before[index]);
      there.forEach((value, index) => {
        before[index] = value;
      });
      return encoded(kind === 5 ? [...difference, 0] : difference);
    });
    return segments.join(",");
  });
  return lines.join(";");
}

test("places are found as Node's own reader finds them", () => {
  const map = { version: 3, sources: ["a.ts", "../b.ts", "c/d.ts"], names: ["name"], mappings: mappings() };
  const maps = new SourceMaps();
  maps.add("file:///out/x.mjs", JSON.stringify(map), "/project/out");
  const theirs = new NodeSourceMap(map);
  let found = 0;
  for (let line = 0; line < 41; line += 1) {
    for (let column = 0; column < 1200; column += 7) {
      const ours = maps.original("file:///out/x.mjs", line + 1, column + 1);
      const entry = theirs.findEntry(line, column);
      // A place that belongs to no source, or stands before the first of its line, is nowhere for us.
      if (entry.originalSource === undefined || entry.generatedLine !== line) continue;
      const file = { "a.ts": "/project/out/a.ts", "../b.ts": "/project/b.ts", "c/d.ts": "/project/out/c/d.ts" }[entry.originalSource];
      assert.deepEqual(ours, { file, line: entry.originalLine + 1, column: entry.originalColumn + 1 }, `${line}:${column}`);
      found += 1;
    }
  }
  assert.ok(found > 1000);
});

test("code without a map, and lines without code, are nowhere", () => {
  const maps = new SourceMaps();
  maps.add("file:///x.mjs", JSON.stringify({ version: 3, sources: ["a.ts"], mappings: ";EAAA" }), "/p");
  assert.equal(maps.original("file:///y.mjs", 1, 1), null);
  assert.equal(maps.original("node:internal/x", 1, 1), null);
  assert.equal(maps.original("file:///x.mjs", 1, 1), null);
  assert.equal(maps.original("file:///x.mjs", 2, 2), null);
  assert.deepEqual(maps.original("file:///x.mjs", 2, 3), { file: "/p/a.ts", line: 1, column: 1 });
  assert.equal(maps.original("file:///x.mjs", 9, 1), null);
});
