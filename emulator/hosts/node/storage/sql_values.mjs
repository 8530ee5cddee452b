/** JavaScript values on their way into SQLite and rows on their way out (durable-objects.md 3.2). */
import { types } from "node:util";
import { textOf } from "./arguments.mjs";

const BIGINT = "Cannot convert a BigInt value to a number";
const OUT_OF_RANGE = "ERR_OUT_OF_RANGE";

/**
 * A JavaScript value as SQLite stores it: numbers are REAL, booleans and objects text.
 * @param {any} value
 * @returns {string | number | ArrayBufferView | null}
 */
export function toSql(value) {
  switch (typeof value) {
    case "number":
      return value;
    case "undefined":
      return null;
    case "bigint":
      throw new TypeError(BIGINT);
    case "object":
      if (value === null || ArrayBuffer.isView(value)) return value;
      if (types.isAnyArrayBuffer(value)) return new Uint8Array(value);
  }
  return textOf(value);
}

/**
 * What node:sqlite wants for a statement with named parameters: an object of those, then the others in order.
 * @param {(string | null)[]} parameters by position
 * @param {any[]} values
 * @returns {any[]}
 */
export function byName(parameters, values) {
  const named = Object.fromEntries(parameters.map((name, i) => [name, values[i]]).filter(([name]) => name !== null));
  return [named, ...values.filter((_, i) => parameters[i] === null)];
}

/**
 * The rows of a statement. node:sqlite refuses whole numbers beyond 2**53 unless all come as BigInt.
 * @param {import("./connection.mjs").Prepared} prepared
 * @param {any[]} values
 * @param {boolean} once the statement may not run twice
 * @returns {any[][]}
 */
export function readRows(prepared, values, once) {
  if (once) prepared.readBigIntegers();
  try {
    return prepared.statement.all(...values);
  } catch (error) {
    if (error.code !== OUT_OF_RANGE || prepared.bigIntegers) throw error;
    prepared.readBigIntegers();
    return prepared.statement.all(...values);
  }
}

/**
 * A row as user code sees it: blobs are ArrayBuffers, whole numbers beyond 2**53 the nearest double.
 * @param {any[]} row changed in place
 * @returns {(string | number | ArrayBuffer | null)[]}
 */
export function toJs(row) {
  for (let i = 0; i < row.length; i++) {
    const cell = row[i];
    if (typeof cell === "bigint") row[i] = Number(cell);
    else if (typeof cell === "object" && cell !== null) row[i] = cell.buffer;
  }
  return row;
}
