/**
 * SQLite's clock and chance in the files of objects, where a run shall repeat: its own ask the machine.
 *
 * The date functions are SQLite's, called on a database of their own with the moment in the place of 'now'. They count as deterministic, as
 * SQLite's do: an index may use them, and within one statement 'now' is one moment.
 */

import { DatabaseSync } from "node:sqlite";
import { filled, randomBytes } from "../chance.mjs";
import { PlatformDate } from "../originals.mjs";

const DATES = { varargs: true, deterministic: true, useBigIntArguments: true };
const CURRENT = { current_timestamp: "datetime", current_date: "date", current_time: "time" };
/** Their first argument is a moment, and without one it is now. */
const MOMENT_FIRST = ["date", "time", "datetime", "julianday", "unixepoch"];
const SUBSECOND = /^subsec(ond)?$/i;

/**
 * `date`, `strftime`, CURRENT_TIMESTAMP and the others on a clock of ours.
 * @param {() => number} nowMs
 * @returns {(file: DatabaseSync) => void} gives them to a file
 */
export function clockFunctions(nowMs) {
  const originals = new DatabaseSync(":memory:");
  /** By their text. @type {Map<string, import("node:sqlite").StatementSync>} */
  const statements = new Map();
  const now = () => new PlatformDate(nowMs()).toISOString();
  const ask = (name, given) => {
    const moments = given.map((value) => (typeof value === "string" && value.toLowerCase() === "now" ? now() : value));
    const sql = `SELECT ${name}(${moments.map(() => "?").join(", ")})`;
    let statement = statements.get(sql);
    if (statement === undefined) {
      statement = originals.prepare(sql);
      statement.setReturnArrays(true);
      // Whole numbers stay whole: what SQLite gets back as a JavaScript number becomes a REAL.
      statement.setReadBigInts(true);
      statements.set(sql, statement);
    }
    return statement.get(...moments)[0];
  };
  // 'subsec' in the place of a moment is a modifier of now.
  const momentFirst = (name, given) => ask(name, given.length === 0 || SUBSECOND.test(given[0]) ? ["now", ...given] : given);
  return (file) => {
    for (const name of MOMENT_FIRST) file.function(name, DATES, (...given) => momentFirst(name, given));
    for (const [name, original] of Object.entries(CURRENT)) file.function(name, DATES, () => ask(original, ["now"]));
    file.function("strftime", DATES, (format, ...given) =>
      ask("strftime", given.length === 0 || SUBSECOND.test(given[0]) ? [format, "now", ...given] : [format, ...given]),
    );
    file.function("timediff", { ...DATES, varargs: false }, (later, earlier) => ask("timediff", [later, earlier]));
  };
}

/**
 * `random()` and `randomblob(n)` from the stream that everything else draws from.
 * @returns {(file: DatabaseSync) => void} gives them to a file
 */
export function chanceFunctions() {
  return (file) => {
    file.function("random", () => filled(new BigInt64Array(1))[0]);
    file.function("randomblob", (size) => randomBytes(Math.max(Math.trunc(Number(size)) || 0, 1)));
  };
}
