/**
 * SQLite's errors in the words of the platform: `<text> at offset N: SQLITE_CODE (extended: SQLITE_CODE_DETAIL)`.
 *
 * node:sqlite does not say where in the statement an error is, so the offset (in bytes, from the start of the failing
 * statement) is worked out from the text of the message: see `offsetOf`. Where it is not certain there is none
 * (durable-objects.md 3.1).
 */
import { Buffer } from "node:buffer";
import { tokenize } from "./sql_tokens.mjs";

const SQLITE_ERROR = 1;
const SQLITE_CONSTRAINT = 19;
/** By SQLite's number, from 1. */
const PRIMARY = `
  ERROR INTERNAL PERM ABORT BUSY LOCKED NOMEM READONLY INTERRUPT IOERR CORRUPT NOTFOUND FULL CANTOPEN PROTOCOL EMPTY
  SCHEMA TOOBIG CONSTRAINT MISMATCH MISUSE NOLFS AUTH FORMAT RANGE NOTADB
`
  .trim()
  .split(/\s+/);
/** What follows the primary code's name, by SQLite's number of the detail, from 1. */
const DETAILS = {
  ERROR: "MISSING_COLLSEQ RETRY SNAPSHOT RESERVESIZE KEY UNABLE",
  ABORT: "- ROLLBACK",
  BUSY: "RECOVERY SNAPSHOT TIMEOUT",
  LOCKED: "SHAREDCACHE VTAB",
  READONLY: "RECOVERY CANTLOCK ROLLBACK DBMOVED CANTINIT DIRECTORY",
  IOERR:
    "READ SHORT_READ WRITE FSYNC DIR_FSYNC TRUNCATE FSTAT UNLOCK RDLOCK DELETE BLOCKED NOMEM ACCESS CHECKRESERVEDLOCK LOCK CLOSE " +
    "DIR_CLOSE SHMOPEN SHMSIZE SHMLOCK SHMMAP SEEK DELETE_NOENT MMAP GETTEMPPATH CONVPATH VNODE AUTH BEGIN_ATOMIC COMMIT_ATOMIC " +
    "ROLLBACK_ATOMIC DATA CORRUPTFS IN_PAGE",
  CORRUPT: "VTAB SEQUENCE INDEX",
  CANTOPEN: "NOTEMPDIR ISDIR FULLPATH CONVPATH DIRTYWAL SYMLINK",
  CONSTRAINT: "CHECK COMMITHOOK FOREIGNKEY FUNCTION NOTNULL PRIMARYKEY TRIGGER UNIQUE VTAB ROWID PINNED DATATYPE",
};
const NEAR = /^near "([\s\S]*)": syntax error$/;
const UNRECOGNIZED = /^unrecognized token: "([\s\S]*)"$/;
const COLUMN = /^(?:no such|ambiguous) column(?: name)?: ([\s\S]*)$/;
const FUNCTION =
  /^(?:no such function: |not authorized to use function: |wrong number of arguments to function |too many arguments on function )([^()]+)/;
const AGGREGATE = /^misuse of (?:aggregate|window) function ([^()]+)/;
const TABLE_EXISTS = /^(?:table|view) ([\s\S]*) already exists$/;
const TOO_MANY_VARIABLES = "too many SQL variables";
const VARIABLE_NUMBER = /^variable number must be between \?1 and \?(\d+)$/;
const MAX_VARIABLES = 100;

/**
 * The platform's text for `error`.
 * @param {Error & {errcode?: number}} error as node:sqlite throws it
 * @param {number | null} [offset]
 * @returns {string}
 */
export function describe(error, offset = null) {
  const where = offset === null ? "" : ` at offset ${offset}`;
  const code = error.errcode ?? SQLITE_ERROR;
  const primary = PRIMARY[(code & 0xff) - 1] ?? "ERROR";
  const detail = DETAILS[primary]?.split(" ")[(code >> 8) - 1];
  const extended = detail === undefined ? "" : ` (extended: SQLITE_${primary}_${detail})`;
  return `${error.message}${where}: SQLITE_${primary}${extended}`;
}

/** It broke a rule of the tables, not of SQL. */
export function isConstraint(error) {
  return (error.errcode & 0xff) === SQLITE_CONSTRAINT;
}

/** It is about the statement itself: such errors may have an offset. */
export function isAboutTheText(error) {
  return error.errcode === SQLITE_ERROR;
}

/**
 * The byte offset `message` speaks of, or null when it has none or it is not certain.
 * @param {string} message
 * @param {string} statement
 * @param {(text: string) => string | null} complaintAbout compiles the beginning of the statement and returns its error message,
 *   null when it compiles
 * @returns {number | null}
 */
export function offsetOf(message, statement, complaintAbout) {
  const index = indexOf(message, statement, complaintAbout);
  return index === null ? null : Buffer.byteLength(statement.slice(0, index));
}

function indexOf(message, statement, complaintAbout) {
  const tokens = tokenize(statement);
  const [, near] = NEAR.exec(message) ?? [];
  if (near !== undefined) {
    let candidates = tokens.filter((token) => token.text === near);
    if (candidates.length > 1) candidates = candidates.filter((token) => complaintAbout(statement.slice(0, token.end)) === message);
    return candidates[0]?.start ?? null;
  }
  const [, unrecognized] = UNRECOGNIZED.exec(message) ?? [];
  if (unrecognized !== undefined) return found(statement.indexOf(unrecognized));
  const [, column] = COLUMN.exec(message) ?? [];
  if (column !== undefined) return columnIn(tokens, column);
  const [, called] = FUNCTION.exec(message) ?? [];
  if (called !== undefined) return tokens.find(isNamed(called))?.start ?? null;
  const [, aggregate] = AGGREGATE.exec(message) ?? [];
  if (aggregate !== undefined) return tokens.findLast(isNamed(aggregate))?.start ?? null;
  const [, table] = TABLE_EXISTS.exec(message) ?? [];
  if (table !== undefined) return tokens.find(isNamed(unquoted(table)))?.start ?? null;
  const variables = tokens.filter((token) => token.kind === "variable");
  if (message === TOO_MANY_VARIABLES) return variables[MAX_VARIABLES]?.start ?? null;
  const [, most] = VARIABLE_NUMBER.exec(message) ?? [];
  if (most !== undefined) return variables.find(({ text }) => /^\?\d+$/.test(text) && !isBetween(text.slice(1), most))?.start ?? null;
  return null;
}

/** Where a column is named. The target of `UPDATE ... SET x =` carries no offset on the platform either. */
function columnIn(tokens, name) {
  const parts = name.split(".");
  const at = tokens.findIndex((_, i) => parts.every((part, j) => tokens[i + 2 * j]?.name === unquoted(part).toLowerCase()));
  if (at >= 0) return tokens[at - 1]?.name === "set" ? null : tokens[at].start;
  return parts.length > 1 ? (tokens.find((token) => token.text === "*")?.start ?? null) : null;
}

function isNamed(name) {
  const wanted = name.toLowerCase();
  return (token) => token.name === wanted;
}

function isBetween(number, most) {
  return Number(number) >= 1 && Number(number) <= Number(most);
}

function unquoted(name) {
  return name.replace(/^"+|"+$/g, "");
}

function found(index) {
  return index < 0 ? null : index;
}
