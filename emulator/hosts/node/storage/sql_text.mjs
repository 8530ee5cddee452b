/**
 * Reading SQL text just far enough: where statements end, what they do and which parameters they take.
 *
 * SQLite's own parser has the last word on everything; this file answers what node:sqlite does not tell us.
 *
 * @typedef {object} Statement one statement of a query
 * @property {string} text with its closing semicolon, without space in front
 * @property {string} verb its first word, lower case; `with` looks through to the main statement
 * @property {boolean} writes it needs the turn's transaction; transaction control counts as reading: it is refused, not run
 * @property {boolean} changesRows INSERT, REPLACE, UPDATE or DELETE
 * @property {boolean} returning a write that gives rows back
 * @property {(string | null)[]} parameters what SQLite wants bound, by position: the name with its sigil, or null; `?NNN` counts up
 *   to NNN, a repeated name counts once
 * @property {boolean} named one of the parameters has a name
 * @property {string[]} assigned the columns UPDATE gives values, lower case
 * @property {string | null} table what INSERT, REPLACE, UPDATE or DELETE works on, as written without quotes
 * @property {string | null} setting the pragma given a value, lower case
 * @property {string | null} newName what ALTER TABLE ... RENAME TO calls the table; SQLite's authorizer is not told
 *
 * @typedef {object} Query a text given to `exec`, split
 * @property {Statement[]} statements
 * @property {boolean} complete false when what follows the last statement holds no statement
 */

import { tokenize } from "./sql_tokens.mjs";

const READING = new Set(["select", "values", "explain", "pragma", "attach", "detach"]);
const CONTROL = new Set(["begin", "commit", "end", "rollback", "savepoint", "release"]);
const ROW_VERBS = new Set(["insert", "replace", "update", "delete"]);
const MAIN_VERBS = new Set(["select", "values", ...ROW_VERBS]);
const MOST_REMEMBERED = 1024;
/** Characters. */
const LONGEST_REMEMBERED = 20_000;
const AFTER_SET = new Set(["from", "where", "returning", "order", "limit"]);
/** What the platform skips behind the last statement, which is more than SQLite takes for space. */
const ONLY_SPACE = /^[ \t\n\v\f\r]*$/;
const LEADING_SPACE = /^[ \t\n\f\r]+/;

/** Answers of `split`: programs run the same few texts over and over. */
const remembered = new Map();

/**
 * Split `text` into statements. Empty statements in front of one belong to it; space after the last one is nothing, but a
 * comment or another semicolon there makes the query incomplete (durable-objects.md 3.1).
 * @param {string} text
 * @returns {Query}
 */
export function split(text) {
  let query = remembered.get(text);
  if (query === undefined) {
    query = splitAnew(text);
    if (text.length <= LONGEST_REMEMBERED) {
      if (remembered.size >= MOST_REMEMBERED) remembered.clear();
      remembered.set(text, query);
    }
  }
  return query;
}

function splitAnew(text) {
  const nul = text.indexOf("\0");
  if (nul >= 0) return { ...splitAnew(text.slice(0, nul)), complete: false }; // SQLite reads no further
  const statements = [];
  let begin = 0;
  let current = [];
  let empty = true;
  let trigger = false;
  for (const token of tokenize(text)) {
    current.push(token);
    if (token.text !== ";") {
      empty = false;
      if (!trigger && token.name === "trigger") trigger = createsTrigger(current);
    } else if (!empty && !(trigger && !endsTrigger(current))) {
      statements.push(statementOf(text.slice(begin, token.end), current));
      begin = token.end;
      current = [];
      empty = true;
      trigger = false;
    }
  }
  if (!empty && !ONLY_SPACE.test(text.slice(begin))) {
    statements.push(statementOf(text.slice(begin), current));
    return { statements, complete: true };
  }
  return { statements, complete: statements.length > 0 && ONLY_SPACE.test(text.slice(begin)) };
}

/** `[EXPLAIN] CREATE [TEMP|TEMPORARY] TRIGGER`: such a statement goes on until `; END ;`. */
function createsTrigger(tokens) {
  const words = tokens.filter((token) => token.text !== ";").map((token) => token.name);
  if (words[0] === "explain") words.shift();
  return words[0] === "create" && words.length <= 3;
}

function endsTrigger(tokens) {
  const [before, end, last] = tokens.slice(-3);
  return tokens.length > 2 && before.text === ";" && end.name === "end" && last.text === ";";
}

function statementOf(text, tokens) {
  const words = tokens.filter((token) => token.text !== ";");
  const verb = verbOf(words);
  const writes = !READING.has(verb) && !CONTROL.has(verb);
  const changesRows = ROW_VERBS.has(verb);
  const parameters = parametersOf(words);
  return {
    text: text.replace(LEADING_SPACE, ""),
    verb,
    writes,
    changesRows,
    returning: changesRows && words.some((token) => token.name === "returning"),
    parameters,
    named: parameters.some((name) => name !== null),
    assigned: verb === "update" ? assignedIn(words) : [],
    table: changesRows ? tableOf(words, verb) : null,
    setting: verb === "pragma" ? settingOf(words) : null,
    newName: verb === "alter" ? newNameOf(words) : null,
  };
}

function verbOf(words) {
  const first = words[0].name;
  if (first !== "with") return first;
  let depth = 0;
  for (const token of words) {
    if (token.text === "(") depth += 1;
    else if (token.text === ")") depth -= 1;
    else if (depth === 0 && token.kind === "word" && MAIN_VERBS.has(token.name)) return token.name;
  }
  return "select";
}

function parametersOf(words) {
  const parameters = [];
  for (const { kind, text } of words) {
    if (kind !== "variable" || text[0] === "#") continue;
    if (text === "?") parameters.push(null);
    else if (text[0] !== "?") parameters.includes(text) || parameters.push(text);
    else while (parameters.length < Number(text.slice(1)) && parameters.length < MOST_PARAMETERS) parameters.push(null);
  }
  return parameters;
}

/** `?NNN` beyond SQLite's own greatest number is its error to report; it must not make us count to it. */
const MOST_PARAMETERS = 32_767;

/** The name behind INTO, UPDATE [OR x] or DELETE FROM. */
function tableOf(words, verb) {
  let at = words.findIndex((token) => token.name === verb) + 1;
  if (words[at]?.name === "or") at += 2;
  if (words[at]?.name === "into" || words[at]?.name === "from") at += 1;
  if (words[at + 1]?.text === "." && words[at + 2] !== undefined) at += 2;
  const token = words[at];
  if (token === undefined) return null;
  return token.kind === "quoted" ? token.text.slice(1, -1) : token.text;
}

/** The names on the left of the equal signs between SET and the next clause: `a = 1, (b, c) = (2, 3)`. */
function assignedIn(words) {
  const names = [];
  let depth = 0;
  let left = true;
  for (const { text, name, kind } of words.slice(words.findIndex((token) => token.name === "set") + 1)) {
    if (text === "(") depth += 1;
    else if (text === ")") depth -= 1;
    else if (text === "=" && depth === 0) left = false;
    else if (text === "," && depth === 0) left = true;
    else if (depth === 0 && kind === "word" && AFTER_SET.has(name)) break;
    else if (left && text !== ",") names.push(name);
  }
  return names;
}

function settingOf(words) {
  const at = words.findIndex((token) => token.text === "=" || token.text === "(");
  return at < 1 ? null : words[at - 1].name;
}

function newNameOf(words) {
  const at = words.findIndex((token, i) => token.name === "rename" && words[i + 1]?.name === "to");
  return at < 0 ? null : (words[at + 2]?.name ?? null);
}
