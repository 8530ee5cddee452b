/** Open exchanges by id. */

import assert from "node:assert/strict";
import { test } from "node:test";
import { ExchangeTable } from "../../../emulator/hosts/node/wire/exchange_table.mjs";

test("exchanges are found by id until they are deleted, also where their places meet", () => {
  const table = new ExchangeTable();
  const ids = [1, 2, 3, 1025, 2049, 0xffff_fff0];
  for (const id of ids) table.add({ id });
  assert.equal(table.size, ids.length);
  for (const id of ids) assert.equal(table.get(id).id, id);
  assert.equal(table.get(4), undefined);
  table.delete(1);
  table.delete(1);
  table.delete(7);
  assert.equal(table.has(1), false);
  assert.equal(table.has(1025), true);
  table.add({ id: 3073 });
  table.delete(1025);
  assert.deepEqual(
    table
      .takeAll()
      .map(({ id }) => id)
      .sort((a, b) => a - b),
    [2, 3, 2049, 3073, 0xffff_fff0],
  );
  assert.equal(table.size, 0);
  assert.equal(table.has(2049), false);
});
