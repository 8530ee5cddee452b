/**
 * `DELETE ... ORDER BY ... LIMIT` and `UPDATE ... LIMIT`, which the platform's SQLite knows and Node's was built without: the same
 * statement with `WHERE key IN (SELECT ...)`, as SQLite itself carries it out.
 */
import { tokenize } from "./sql_tokens.mjs";

const REFUSED = /^near "(?:order|limit)": syntax error$/i;
const SQLITE_ERROR = 1;

/** SQLite does not know the clause. @param {Error} error */
export function isLimitRefused(error) {
  return REFUSED.test(error.message);
}

/**
 * The statement without its LIMIT, null when it is none of those. Throws SQLite's error for an ORDER BY alone.
 * @param {import("./sql_text.mjs").Statement} statement
 * @param {string[]} key the columns that tell rows apart
 * @returns {string | null}
 */
export function withoutLimit(statement, key) {
  const { text, verb } = statement;
  const tokens = outermost(tokenize(text).filter((token) => token.text !== ";"));
  const start = tokens.findIndex(isWord(verb));
  const clause = (name) => tokens.find((token, i) => i > start && isWord(name)(token));
  const [where, returning, order, limit] = ["where", "returning", "order", "limit"].map((name) => clause(name)?.start);
  if (order !== undefined && limit === undefined) {
    throw Object.assign(new Error(`ORDER BY without LIMIT on ${verb.toUpperCase()}`), { errcode: SQLITE_ERROR });
  }
  // UPDATE ... FROM joins: there is no one table to choose rows from. Parameters of both kinds would change places.
  const joins = verb === "update" && clause("from") !== undefined;
  if (limit === undefined || joins || (statement.named && returning !== undefined)) return null;
  const chosenEnd = order ?? limit;
  const conditionEnd = returning ?? chosenEnd;
  const headEnd = where ?? conditionEnd;
  // Between these stands the table, with its alias.
  const [before, after] = verb === "delete" ? [clause("from")?.end, headEnd] : [behindUpdate(tokens, start), clause("set")?.start];
  if (before === undefined || after === undefined) return null;
  const piece = numbered(text);
  const columns = key.map((name) => `"${name.replaceAll('"', '""')}"`).join(", ");
  const chosen = [piece(before, after), piece(headEnd, conditionEnd), piece(chosenEnd, text.length).replace(/;$/, "")].join(" ");
  return `${piece(0, headEnd)} WHERE (${columns}) IN (SELECT ${columns} FROM ${chosen}) ${piece(conditionEnd, chosenEnd)}`;
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

function isWord(name) {
  return (token) => token.kind === "word" && token.name === name;
}

/** Behind UPDATE [OR x]. */
function behindUpdate(tokens, start) {
  return tokens[tokens[start + 1]?.name === "or" ? start + 2 : start]?.end;
}

/** Gives out pieces of `text` in which each `?` has its number: the pieces change places. */
function numbered(text) {
  const numbers = new Map();
  const names = new Set();
  let count = 0;
  for (const { kind, text: mark, start } of tokenize(text)) {
    if (kind !== "variable") continue;
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
    return (piece + text.slice(position, to)).trim();
  };
}
