/**
 * `sql.exec` of one object: statements in, rows out, in the platform's words (durable-objects.md 3.1 to 3.4).
 *
 * Rows are read when the statement runs. That is safer than the platform, where an unfinished cursor locks its table and an
 * unread `RETURNING` loses the whole turn, and the same for code that reads its cursors to the end.
 */
import { Buffer } from "node:buffer";
import { currentTurn } from "../owner.mjs";
import { describe, isAboutTheText, offsetOf } from "./sql_errors.mjs";
import { isLimitRefused, withoutLimit } from "./sql_limit.mjs";
import { rowsWritten } from "./sql_metering.mjs";
import { LASTING_PRAGMAS, MAX_QUERY_BYTES, isReserved } from "./sql_rules.mjs";
import { split } from "./sql_text.mjs";
import { byName, readRows, toJs, toSql } from "./sql_values.mjs";

const NO_STATEMENT = "SQL code did not contain a statement.";
const WRONG_COUNT = "Wrong number of parameter bindings for SQL query.";
const ONLY_LAST = "When executing multiple SQL statements in a single call, only the last statement can have parameters.";
const TOO_LONG = "statement too long: SQLITE_TOOBIG";
const NO_ROW = "Expected exactly one result from SQL query, but got no results.";
const MANY_ROWS = "Expected exactly one result from SQL query, but got multiple results.";
const NOT_AUTHORIZED = "not authorized: SQLITE_AUTH";

const PAGE_COUNT = "PRAGMA page_count";
const PAGE_SIZE = "PRAGMA page_size";
/** Of a WITHOUT ROWID table only. */
const PRIMARY_KEY = "SELECT name FROM pragma_table_info(?1) WHERE pk AND EXISTS (SELECT 1 FROM pragma_table_list(?1) WHERE wr) ORDER BY pk";
const NO_ROWS = Object.freeze([]);

/** @typedef {(string | number | ArrayBuffer | null)[]} Row */

/** The rows of one statement with a position: what a cursor walks over. */
export class SqlRows {
  #rows;
  #position = 0;
  #countWrites;

  /**
   * @param {string[]} columnNames
   * @param {any[][]} rows as node:sqlite gives them
   * @param {(() => number) | null} countWrites
   */
  constructor(columnNames, rows, countWrites) {
    this.columnNames = columnNames;
    this.#rows = rows;
    this.#countWrites = countWrites;
  }

  /** @returns {Row | undefined} the next row, undefined after the last */
  next() {
    if (this.#position === this.#rows.length) return undefined;
    return toJs(this.#rows[this.#position++]);
  }

  /** @returns {Row} the only row left; Error when there are none or several */
  one() {
    const left = this.#rows.length - this.#position;
    this.#position = this.#rows.length;
    if (left !== 1) throw new Error(left === 0 ? NO_ROW : MANY_ROWS);
    return toJs(this.#rows[this.#position - 1]);
  }

  /** Rows given out so far and the one that is ready. The platform also counts rows it scanned and does not give out. */
  get rowsRead() {
    return Math.min(this.#position + 1, this.#rows.length);
  }

  get rowsWritten() {
    return this.#countWrites === null ? 0 : this.#countWrites();
  }
}

/** What a statement did, for the turn that runs it. */
function count(changed, { changesRows }, rows) {
  const turn = currentTurn();
  if (turn === null) return;
  turn.statements += 1;
  if (changesRows) turn.rowsWritten += changed + rows.length;
  else turn.rowsRead += rows.length;
}

/** Runs SQL of user code on one object's database. */
export class Sql {
  #database;

  /** @param {import("./database.mjs").Database} database */
  constructor(database) {
    this.#database = database;
  }

  /** Bytes: pages times page size. */
  get databaseSize() {
    return this.#database.get(PAGE_COUNT)[0] * this.#database.get(PAGE_SIZE)[0];
  }

  /**
   * Run every statement of `text` and return the rows of the last one, which alone takes `bindings`.
   *
   * Throws an Error with SQLite's text; what earlier statements did stays (durable-objects.md 2.5).
   * @param {string} text
   * @param {any[]} bindings
   * @returns {SqlRows}
   */
  exec(text, bindings) {
    if (text.length * 3 > MAX_QUERY_BYTES && Buffer.byteLength(text) > MAX_QUERY_BYTES) throw new Error(TOO_LONG);
    const { statements, complete } = split(text);
    if (statements.length !== 1 || !complete) this.#runAllButLast(statements, complete);
    const statement = statements[statements.length - 1];
    const values = bindings.map(toSql);
    if (values.length !== statement.parameters.length) throw this.#miscounted(statement);
    return this.#run(statement, statement.named ? byName(statement.parameters, values) : values);
  }

  #runAllButLast(statements, complete) {
    for (const statement of complete ? statements.slice(0, -1) : statements) {
      if (statement.parameters.length > 0) throw new Error(ONLY_LAST);
      this.#run(statement, []);
    }
    if (!complete) throw new Error(NO_STATEMENT);
  }

  #run(statement, values) {
    const database = this.#database;
    const connection = database.connection();
    if (statement.newName !== null && isReserved(statement.newName)) throw new Error(NOT_AUTHORIZED);
    if (statement.writes) database.beginTurn();
    const prepared = this.#prepare(connection, statement);
    let rows = NO_ROWS;
    let changed = 0;
    connection.authorizer.begin();
    try {
      if (statement.changesRows && !statement.returning) changed = prepared.statement.run(...values).changes;
      else rows = readRows(prepared, values, statement.returning);
    } catch (error) {
      throw this.#failure(error, statement);
    } finally {
      connection.authorizer.end();
    }
    count(changed, statement, rows);
    if (statement.setting !== null && LASTING_PRAGMAS.has(statement.setting)) {
      database.rememberSetting(statement.setting, statement.text);
    }
    if (!statement.changesRows) {
      if (statement.writes) database.tablesMayHaveChanged();
      return new SqlRows(prepared.columnNames, rows, null);
    }
    return new SqlRows(prepared.columnNames, rows, () => rowsWritten(database, statement, statement.returning ? rows.length : changed));
  }

  /** Compile a statement of user code. Errors are as user code sees them. */
  #prepare(connection, statement) {
    connection.authorizer.begin();
    try {
      return connection.prepare(statement.text);
    } catch (error) {
      if (statement.changesRows && isLimitRefused(error)) return this.#prepareWithoutLimit(connection, statement, error);
      throw this.#failure(error, statement);
    } finally {
      connection.authorizer.end();
    }
  }

  #prepareWithoutLimit(connection, statement, refusal) {
    connection.authorizer.end();
    try {
      const replacement = withoutLimit(statement, this.#keyOf(statement.table));
      if (replacement === null) throw refusal;
      connection.authorizer.begin();
      return connection.prepare(statement.text, replacement);
    } catch (error) {
      throw this.#failure(error, statement);
    }
  }

  /** The columns that tell the rows of `table` apart. */
  #keyOf(table) {
    const key = this.#database.all(PRIMARY_KEY, table).map(([name]) => name);
    return key.length > 0 ? key : ["rowid"];
  }

  // --- errors ---

  /** `error` as user code sees it. */
  #failure(error, statement) {
    if (error.errcode === undefined) return error;
    const { reason } = this.#database.connection().authorizer;
    if (reason !== null && !reason.startsWith("no such function")) return new Error(reason);
    const about = reason === null ? error : Object.assign(new Error(reason), { errcode: 1 });
    const offset = isAboutTheText(about) ? offsetOf(about.message, statement.text, (text) => this.#complaintAbout(text)) : null;
    return new Error(describe(about, offset));
  }

  /** SQLite's complaint about `text`, which is compiled and not run; null when there is none. */
  #complaintAbout(text) {
    try {
      this.#database.connection().check(text);
    } catch (error) {
      return error.message;
    }
    return null;
  }

  /** A statement that does not compile says so first; only then is the number of bindings looked at. */
  #miscounted(statement) {
    this.#prepare(this.#database.connection(), statement);
    return new Error(WRONG_COUNT);
  }
}
