/**
 * `DELETE ... ORDER BY ... LIMIT` and `UPDATE ... LIMIT`, which the platform's SQLite knows and Node's was built without: the same
 * statement with `WHERE key IN (SELECT ...)`, as SQLite itself carries it out.
 */
import { tokenize } from "./sql_text.mjs";

const REFUSED = /^near "(?:order|limit)": syntax error$/i;
const CLAUSES = ["where", "returning", "order", "limit"];

/** SQLite does not know the clause. @param {Error} error */
export function isLimitRefused(error) {
  return REFUSED.test(error.message);
}

/**
 * The statement without its LIMIT, null when it is none of those.
 * @param {import("./sql_text.mjs").Statement} statement
 * @param {string[]} key the columns that tell rows apart
 * @returns {string | null}
 */
export function withoutLimit(statement, key) {
  const { text, verb } = statement;
  const tokens = outermost(tokenize(text).filter((token) => token.text !== ";"));
  const at = (name) => tokens.findIndex((token, i) => token.name === name && token.kind === "word" && i > start);
  const start = tokens.findIndex((token) => token.name === verb && token.kind === "word");
  const ends = Object.fromEntries(CLAUSES.map((name) => [name, tokens[at(name)]?.start]));
  // UPDATE ... FROM joins: there is no one table to choose rows from. Parameters of both kinds would change places.
  if (ends.limit === undefined || (verb === "update" && at("from") > 0) || (statement.named && ends.returning !== undefined)) return null;
  const numbered = numberParameters(text);
  const piece = (from, to) => numbered(from, to).trim();
  const tail = ends.order ?? ends.limit;
  const rowsEnd = ends.returning ?? tail;
  const head = piece(0, ends.where ?? rowsEnd);
  const [from, to] =
    verb === "delete" ? [tokens[at("from")].end, ends.where ?? rowsEnd] : [targetStart(tokens, start), tokens[at("set")].start];
  const where = ends.where === undefined ? "" : piece(ends.where, rowsEnd);
  const returning = ends.returning === undefined ? "" : piece(ends.returning, tail);
  const columns = key.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
  const chosen = `SELECT ${columns} FROM ${piece(from, to)} ${where} ${piece(tail, text.length).replace(/;$/, "")}`;
  return `${head} WHERE (${columns}) IN (${chosen}) ${returning}`;
}

/** The tokens outside of parentheses. */
function outermost(tokens) {
  let depth = 0;
  return tokens.filter(({ text }) => {
    if (text === ")") depth -= 1;
    if (text === "(") depth += 1;
    return depth === 0;
  });
}

/** Behind UPDATE [OR x]. */
function targetStart(tokens, start) {
  return tokens[tokens[start + 1]?.name === "or" ? start + 2 : start].end;
}

/** Pieces of `text` in which each `?` has its number: the pieces change places. */
function numberParameters(text) {
  const marks = tokenize(text).filter((token) => token.kind === "variable");
  const numbers = new Map();
  let count = 0;
  const names = new Set();
  for (const { text: mark, start } of marks) {
    if (mark === "?") numbers.set(start, ++count);
    else if (mark[0] === "?") count = Math.max(count, Number(mark.slice(1)));
    else if (!names.has(mark)) {
      names.add(mark);
      count += 1;
    }
  }
  return (from, to) => {
    let piece = "";
    let position = from;
    for (const [start, number] of numbers) {
      if (start < from || start >= to) continue;
      piece += `${text.slice(position, start)}?${number}`;
      position = start + 1;
    }
    return piece + text.slice(position, to);
  };
}
