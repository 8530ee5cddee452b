/**
 * What user code may do with storage in JavaScript and what it finds then.
 *
 * worker.mjs runs the probes on the real runtime, whose answers stand in tests/vectors/storage_javascript.json; storage_javascript.test.mjs
 * runs them on ours. Each probe is a list of `[label, expression of storage]`, run in order on one new object.
 */
import cursors from "./probes/cursors.mjs";
import keyValue from "./probes/key_value.mjs";
import sql from "./probes/sql.mjs";
import theRest from "./probes/the_rest.mjs";
import transactions from "./probes/transactions.mjs";
import values from "./probes/values.mjs";

export const PROBES = { ...keyValue, ...values, ...sql, ...cursors, ...transactions, ...theRest };

/** The answers to one probe: label and what happened. */
export async function answer(name, storage) {
  const answers = {};
  for (const [label, expression] of PROBES[name]) {
    let thrown = "throws ";
    try {
      const result = expression(storage);
      if (result instanceof Promise) {
        thrown = "rejects ";
        answers[label] = `resolves ${show(await result)}`;
      } else {
        answers[label] = show(result);
      }
    } catch (error) {
      answers[label] = thrown + show(error);
    }
    answers[label] = answers[label].replace(/reference = \w+/, "reference = ..."); // a new one each time
  }
  return answers;
}

/** A value as JSON that also tells types apart. */
export function show(value, depth = 0) {
  if (value === undefined) return "undefined";
  if (value === null || typeof value === "boolean") return String(value);
  if (typeof value === "string") return JSON.stringify(value);
  if (typeof value === "number") return Object.is(value, -0) ? "-0" : String(value);
  if (typeof value === "bigint") return `${value}n`;
  if (typeof value === "symbol" || typeof value === "function") return typeof value;
  if (depth > 6) return "...";
  const inner = (item) => show(item, depth + 1);
  const prototype = Object.getPrototypeOf(value);
  const type = prototype === null ? "null-prototype" : prototype.constructor.name;
  const own = Object.keys(value)
    .filter((key) => !(Array.isArray(value) || ArrayBuffer.isView(value) || value instanceof String) || !/^\d+$/.test(key))
    .map((key) => (key === "stack" ? "stack" : `${key}: ${inner(value[key])}`));
  const extra = own.length === 0 ? "" : ` {${own.join(", ")}}`;
  if (value instanceof DOMException) return `DOMException(${value.name}: ${value.message} ${value.code})`;
  if (value instanceof Error) {
    const cause = "cause" in value ? ` cause=${inner(value.cause)}` : "";
    return `${type}(${value.name}: ${value.message}${cause})${extra}`;
  }
  if (value instanceof ArrayBuffer) return `ArrayBuffer(${[...new Uint8Array(value)]}${value.resizable ? " resizable" : ""})`;
  if (value instanceof DataView) return `DataView(${[...new Uint8Array(value.buffer, value.byteOffset, value.byteLength)]})`;
  if (ArrayBuffer.isView(value)) return `${type}(${[...value].map(String)})${extra}`;
  if (value instanceof Map) return `Map(${[...value].map(([k, v]) => `${inner(k)} => ${inner(v)}`).join(", ")})`;
  if (value instanceof Set) return `Set(${[...value].map(inner).join(", ")})`;
  if (value instanceof Date) return `Date(${value.getTime()})`;
  if (value instanceof RegExp) return `RegExp(${value} ${value.lastIndex})`;
  if (Array.isArray(value)) return `[${Array.from(value, (item, i) => (i in value ? inner(item) : "hole")).join(", ")}]${extra}`;
  if (value instanceof Number || value instanceof String || value instanceof Boolean) return `${type}(${inner(value.valueOf())})${extra}`;
  return `${type === "Object" ? "" : type}{${own.join(", ")}}`;
}
