/**
 * One open SQLite file: how it is opened, and its compiled statements.
 *
 * The file is the one `wrangler dev` uses (design 4.2): WAL, `synchronous=NORMAL`, foreign keys on. Statements of our own and of user
 * code are compiled apart: only the latter are judged by the authorizer, and a compiled statement is not judged again.
 */
import { existsSync, mkdirSync } from "node:fs";
import { dirname } from "node:path";
import { DatabaseSync } from "node:sqlite";
import { Authorizer, LIMITS } from "./sql_rules.mjs";
import { StartError } from "./storage_errors.mjs";

const OPTIONS = {
  timeout: 2000,
  limits: LIMITS,
  returnArrays: true,
  enableForeignKeyConstraints: true,
  enableDoubleQuotedStringLiterals: true,
  allowBareNamedParameters: false,
};
const SETUP = `
  PRAGMA synchronous = OFF;
  PRAGMA journal_mode = WAL;
  PRAGMA recursive_triggers = OFF;
`;
const SYNCHRONOUS = "PRAGMA synchronous = NORMAL";
const SQLITE_CORRUPT = 11;
const SQLITE_NOTADB = 26;
const CACHED_STATEMENTS = 256;

/** A compiled statement of user code. */
export class Prepared {
  /** The names of its result columns, in order. */
  columnNames;
  /** Its rows hold whole numbers beyond 2**53, which node:sqlite gives out as BigInt only. */
  bigIntegers = false;

  /** @param {import("node:sqlite").StatementSync} statement */
  constructor(statement) {
    this.statement = statement;
    this.columnNames = statement.columns().map((column) => column.name);
  }

  readBigIntegers() {
    this.bigIntegers = true;
    this.statement.setReadBigInts(true);
  }
}

export class Connection {
  /** Asked about statements of user code while `judge` is on. */
  authorizer = new Authorizer();
  #file;
  /** There was no log when the file was opened. Starting one costs a sync that only protects the log before it. */
  #startsLog = false;
  #own = new Map();
  #prepared = new Map();

  /**
   * Open `path`, making it and its folders when needed. Throws StartError for a file that is no database.
   * @param {string} path
   * @param {((file: DatabaseSync) => void) | null} [onOpen] gives it functions of our own
   */
  constructor(path, onOpen = null) {
    let file = null;
    try {
      mkdirSync(dirname(path), { recursive: true });
      this.#startsLog = !existsSync(`${path}-wal`);
      file = new DatabaseSync(path, OPTIONS);
      file.exec(SETUP);
      if (!this.#startsLog) file.exec(SYNCHRONOUS);
      onOpen?.(file);
    } catch (error) {
      file?.close();
      throw unusable(path, error);
    }
    const authorizer = this.authorizer;
    file.setAuthorizer((action, first, second) => authorizer.judge(action, first, second));
    this.#file = file;
  }

  /** A transaction is open, whoever began it. */
  get inTransaction() {
    return this.#file.isTransaction;
  }

  /** End the open transaction. Throws SQLite's error. */
  commit() {
    this.run("COMMIT");
    if (this.#startsLog) {
      this.#startsLog = false;
      this.#file.exec(SYNCHRONOUS);
    }
  }

  /**
   * Run a statement of our own.
   * @param {string} sql
   * @param {...any} values
   * @returns {number} how many rows it changed, when it changes rows
   */
  run(sql, ...values) {
    return this.#compiled(sql).run(...values).changes;
  }

  /**
   * The first row of a statement of our own, undefined when there is none.
   * @param {string} sql
   * @param {...any} values
   * @returns {any[] | undefined}
   */
  get(sql, ...values) {
    return this.#compiled(sql).get(...values);
  }

  /**
   * Every row of a statement of our own.
   * @param {string} sql
   * @param {...any} values
   * @returns {any[][]}
   */
  all(sql, ...values) {
    return this.#compiled(sql).all(...values);
  }

  /**
   * A statement of our own that is not worth keeping.
   * @param {string} sql
   */
  execute(sql) {
    this.#file.exec(sql);
  }

  /**
   * The compiled form of user code's `sql`. Throws SQLite's error. Call it between `authorizer.begin()` and `end()`.
   * @param {string} sql one statement
   * @param {string} [replacement] what is compiled in its place
   * @returns {Prepared}
   */
  prepare(sql, replacement = sql) {
    const cache = this.#prepared;
    let prepared = cache.get(sql);
    if (prepared !== undefined) {
      cache.delete(sql);
    } else {
      prepared = new Prepared(this.#file.prepare(replacement));
      if (cache.size >= CACHED_STATEMENTS) cache.delete(cache.keys().next().value);
    }
    cache.set(sql, prepared);
    return prepared;
  }

  /** Tables may have changed: what is compiled has the columns of before, and node:sqlite does not look again. */
  forgetPrepared() {
    this.#prepared.clear();
  }

  /**
   * Compile user code's `sql` for its errors, which are thrown, and forget it. Between `authorizer.begin()` and `end()`.
   * @param {string} sql
   */
  check(sql) {
    this.#file.prepare(sql);
  }

  /** Close the file. Statements and an open transaction go with it. */
  close() {
    this.#own.clear();
    this.#prepared.clear();
    this.#file.close();
  }

  #compiled(sql) {
    let statement = this.#own.get(sql);
    if (statement === undefined) {
      statement = this.#file.prepare(sql);
      this.#own.set(sql, statement);
    }
    return statement;
  }
}

function unusable(path, error) {
  if (error.errcode === SQLITE_NOTADB || error.errcode === SQLITE_CORRUPT) {
    return new StartError("E350", `the storage file of this object is not a usable SQLite database (${error.message})`, {
      where: path,
      hint: `restore it from a copy, or start this object empty:  mv '${path}' '${path}.broken'`,
      cause: error,
    });
  }
  return new StartError("E351", `the storage file of this object cannot be opened (${error.message})`, {
    where: path,
    hint: "check that the state folder is writable, has room, and that no other program holds the file",
    cause: error,
  });
}
