/**
 * One object's database: opened on first use, closed when idle, and the transactions of its turns.
 *
 * Three tables are the platform's own, `__miniflare_do_name`, `_cf_KV` and `_cf_METADATA`, each made by the first write that needs it
 * (design 4.2). Three kinds of transaction (durable-objects.md 2.5, 2.6):
 *
 * - the *turn*: the first write opens it and calls `onDirty`; the host calls `commit` when the turn ends;
 * - a *savepoint* (`transactionSync`), inside whatever is open;
 * - an *explicit* transaction (`beginExplicit`), which outlives turns; the turn's `commit` leaves it alone.
 */
import { Connection } from "./connection.mjs";
import { describe, isConstraint } from "./sql_errors.mjs";
import { CommitFailed, StorageRevoked } from "./storage_errors.mjs";

const NAME_TABLE = "CREATE TABLE IF NOT EXISTS main.__miniflare_do_name (id INTEGER PRIMARY KEY, name TEXT)";
const READ_NAME = "SELECT name FROM main.__miniflare_do_name WHERE id = 1";
const WRITE_NAME = "INSERT OR REPLACE INTO main.__miniflare_do_name (id, name) VALUES (1, ?)";
const HAS_TABLE = "SELECT 1 FROM main.sqlite_master WHERE type = 'table' AND name = ?";
const BEGIN = "BEGIN IMMEDIATE";
const ROLLBACK = "ROLLBACK";

/** One level of `storage.transaction(...)`. Nested levels are savepoints of the outermost one. */
export class ExplicitTransaction {
  /** @type {"open" | "committed" | "rolled back"} */
  state = "open";
  #end;

  /**
   * @param {string | null} savepoint null at the outermost level
   * @param {unknown} memo `Database.memo` when it began
   * @param {(keep: boolean) => void} end
   */
  constructor(savepoint, memo, end) {
    this.savepoint = savepoint;
    this.memo = memo;
    this.#end = end;
  }

  /** Keep the writes. Nothing happens on a level that is already rolled back. Throws CommitFailed at the outermost level. */
  commit() {
    if (this.state !== "open") return;
    this.state = "committed";
    this.#end(true);
  }

  /** Drop the writes of this level and of the levels inside it; later writes belong to whatever encloses it. */
  rollback() {
    if (this.state !== "open") return;
    this.state = "rolled back";
    this.#end(false);
  }
}

/**
 * A handle on one SQLite file. `onDirty()` is told that a turn wrote, `onCommit()` that its writes are in the file.
 *
 * `memo` is any immutable value that follows the transaction: a rollback puts back what it was when the rolled back part began.
 */
export class Database {
  memo = null;
  #path;
  #files;
  #onDirty;
  #onCommit;
  #connection = null;
  #revoked = null;
  #turnMemo = null;
  #turnOpen = false;
  #explicit = [];
  #savepoints = 0;
  #knownTables = new Set();
  #settings = new Map();

  /**
   * @param {string} path
   * @param {import("./open_files.mjs").OpenFiles} files
   * @param {{onDirty: () => void, onCommit: () => void}} listeners
   */
  constructor(path, files, { onDirty, onCommit }) {
    this.#path = path;
    this.#files = files;
    this.#onDirty = onDirty;
    this.#onCommit = onCommit;
  }

  // --- the file ---

  /**
   * The open connection, opening the file when needed. Throws StorageRevoked, or StartError for a file that is no database.
   * @returns {Connection}
   */
  connection() {
    if (this.#files.newest !== this) {
      if (this.#revoked !== null) throw new StorageRevoked(this.#revoked);
      this.#files.touch(this);
    }
    return this.#connection ?? this.#open();
  }

  /** A transaction is open. */
  get busy() {
    return this.#connection?.inTransaction === true;
  }

  /** The current turn wrote something that `commit` has yet to write down. */
  get isDirty() {
    return this.#turnOpen;
  }

  /** Inside `storage.transaction(...)`. */
  get inExplicit() {
    return this.#explicit.length > 0;
  }

  /** Inside `transactionSync`. */
  get inSavepoint() {
    return this.#savepoints > 0;
  }

  /** Close the file; the next access opens it again. Uncommitted writes are lost, so commit first. */
  release() {
    this.#files.forget(this);
    const connection = this.#connection;
    this.#connection = null;
    this.#knownTables.clear();
    if (!this.#files.abandoned) connection?.close();
  }

  /**
   * The instance is gone: roll back, close, and let every later access throw StorageRevoked(`reason`).
   * @param {string} reason
   */
  revoke(reason) {
    this.rollback();
    this.release();
    this.#revoked = reason;
  }

  /**
   * A setting the object made on its connection, to be made again whenever the file is reopened.
   * @param {string} pragma
   * @param {string} statement
   */
  rememberSetting(pragma, statement) {
    if (pragma !== "foreign_keys" || !this.busy) this.#settings.set(pragma, statement); // SQLite ignores that one in a transaction
  }

  #open() {
    let connection;
    try {
      connection = new Connection(this.#path, this.#files.onOpen);
    } catch (error) {
      this.#files.forget(this);
      throw error;
    }
    for (const statement of this.#settings.values()) connection.execute(statement);
    this.#connection = connection;
    return connection;
  }

  // --- statements of our own (never the user's: those go through sql.mjs) ---

  /**
   * The first row of a statement that only reads, undefined when there is none.
   * @param {string} sql
   * @param {...any} values
   * @returns {any[] | undefined}
   */
  get(sql, ...values) {
    return this.connection().get(sql, ...values);
  }

  /**
   * Every row of a statement that only reads.
   * @param {string} sql
   * @param {...any} values
   * @returns {any[][]}
   */
  all(sql, ...values) {
    return this.connection().all(sql, ...values);
  }

  /**
   * Run a statement that writes, inside the turn's transaction.
   * @param {string} sql
   * @param {...any} values
   * @returns {number} how many rows it changed
   */
  run(sql, ...values) {
    this.beginTurn();
    return this.connection().run(sql, ...values);
  }

  /** Whether one of the platform's own tables exists; remembered until something could have removed it. */
  hasTable(name) {
    if (this.#knownTables.has(name)) return true;
    if (this.get(HAS_TABLE, name) === undefined) return false;
    this.#knownTables.add(name);
    return true;
  }

  /** @returns {string | null} the name this object was created by, if it is known (durable-objects.md 1.2) */
  readName() {
    if (!this.hasTable("__miniflare_do_name")) return null;
    return this.get(READ_NAME)?.[0] ?? null;
  }

  /** Record the object's name, unless it is there already. */
  writeName(name) {
    if (this.readName() === name) return;
    this.run(NAME_TABLE);
    this.run(WRITE_NAME, name);
  }

  // --- the turn ---

  /** Open the turn's transaction unless one is open. */
  beginTurn() {
    const connection = this.connection();
    if (connection.inTransaction) return;
    this.#settleLostTurn();
    connection.run(BEGIN);
    this.#turnMemo = this.memo;
    this.#turnOpen = true;
    this.#onDirty();
  }

  /** End the turn. Throws CommitFailed when the writes could not be kept; they are rolled back then. */
  commit() {
    if (!this.#turnOpen) return;
    const connection = this.#connection;
    if (connection === null || !connection.inTransaction) {
      this.#settleLostTurn();
      this.#onCommit();
      return;
    }
    this.#turnOpen = false;
    this.#commitConnection(connection);
  }

  /** Drop everything that is not committed, whatever kind of transaction it is in. */
  rollback() {
    for (const level of this.#explicit) level.state = "rolled back";
    if (this.#turnOpen || this.#explicit.length > 0) this.memo = this.#turnMemo;
    this.#explicit = [];
    this.#savepoints = 0;
    this.#turnOpen = false;
    this.#rollbackConnection();
  }

  #commitConnection(connection) {
    try {
      connection.commit();
    } catch (error) {
      this.memo = this.#turnMemo;
      this.#rollbackConnection();
      throw CommitFailed.refused(describe(error), { constraint: isConstraint(error), cause: error });
    }
    this.#onCommit();
  }

  #rollbackConnection() {
    this.tablesMayHaveChanged();
    if (this.#connection?.inTransaction) this.#connection.run(ROLLBACK);
  }

  /** SQLite itself rolled the turn back (`INSERT OR ROLLBACK`, a full disk): follow it. */
  #settleLostTurn() {
    if (!this.#turnOpen) return;
    this.#turnOpen = false;
    this.memo = this.#turnMemo;
    this.tablesMayHaveChanged();
  }

  /** Tables may have come, gone or got other columns. */
  tablesMayHaveChanged() {
    this.#knownTables.clear();
    this.#connection?.forgetPrepared();
  }

  // --- nested and explicit transactions ---

  /**
   * Run `callback` in a savepoint: kept when it returns, rolled back (SQL, KV and alarm) when it throws. Nests.
   * @template T
   * @param {() => T} callback
   * @returns {T}
   */
  transactionSync(callback) {
    this.beginTurn();
    const connection = this.connection();
    const memo = this.memo;
    this.#savepoints += 1;
    const savepoint = `emu_sync_${this.#savepoints}`;
    connection.run(`SAVEPOINT ${savepoint}`);
    try {
      const result = callback();
      connection.run(`RELEASE ${savepoint}`);
      return result;
    } catch (error) {
      if (this.#savepoints > 0 && this.busy) this.#rollbackTo(savepoint, memo);
      throw error;
    } finally {
      this.#savepoints = Math.max(0, this.#savepoints - 1);
    }
  }

  /**
   * Open a transaction that lasts until it is ended, across turns. The turn so far is committed first (CommitFailed).
   * @returns {ExplicitTransaction}
   */
  beginExplicit() {
    const depth = this.#explicit.length;
    const savepoint = depth === 0 ? null : `emu_txn_${depth}`;
    if (savepoint === null) {
      this.commit();
      this.connection().run(BEGIN);
      this.#turnMemo = this.memo;
    } else {
      this.connection().run(`SAVEPOINT ${savepoint}`);
    }
    const level = new ExplicitTransaction(savepoint, this.memo, (keep) => this.#endExplicit(level, keep));
    this.#explicit.push(level);
    return level;
  }

  #endExplicit(level, keep) {
    const inner = this.#explicit.splice(this.#explicit.indexOf(level));
    for (const each of inner) each.state = level.state;
    const connection = this.connection();
    if (level.savepoint !== null) {
      if (keep) connection.run(`RELEASE ${level.savepoint}`);
      else this.#rollbackTo(level.savepoint, level.memo);
    } else if (keep && connection.inTransaction) {
      this.#commitConnection(connection);
    } else {
      this.memo = level.memo;
      this.#rollbackConnection();
    }
  }

  #rollbackTo(savepoint, memo) {
    const connection = this.connection();
    connection.run(`ROLLBACK TO ${savepoint}`);
    connection.run(`RELEASE ${savepoint}`);
    this.memo = memo;
    this.tablesMayHaveChanged();
  }

  // --- everything at once ---

  /**
   * Remove every view, trigger and table but `keep`, at once and for good: it does not wait for the end of the turn
   * and cannot be rolled back (durable-objects.md 3.7). Uncommitted writes are dropped with the rest.
   * @param {{keep?: string}} [options]
   */
  deleteAll({ keep } = {}) {
    this.rollback();
    const connection = this.connection();
    const [enforced] = connection.get("PRAGMA foreign_keys");
    connection.execute("PRAGMA foreign_keys = OFF");
    try {
      connection.run(BEGIN);
      try {
        dropEverything(connection, keep);
        connection.commit();
      } catch (error) {
        this.#rollbackConnection();
        throw error;
      }
    } finally {
      connection.execute(`PRAGMA foreign_keys = ${enforced}`);
      this.tablesMayHaveChanged();
    }
    connection.execute("VACUUM");
  }
}

/** What there is to drop, in order: virtual tables first, they take their shadow tables along. */
const DROPPED = [
  ["TABLE", "type = 'table' AND sql LIKE 'CREATE VIRTUAL TABLE%'"],
  ["VIEW", "type = 'view'"],
  ["TABLE", "type = 'table' AND name NOT LIKE 'sqlite\\_%' ESCAPE '\\'"],
];

function dropEverything(connection, keep) {
  for (const [kind, condition] of DROPPED) {
    for (const [name] of connection.all(`SELECT name FROM sqlite_master WHERE ${condition}`)) {
      if (name !== keep) connection.execute(`DROP ${kind} IF EXISTS ${quoted(name)}`);
    }
  }
  // What SQLite keeps for itself (autoincrement counters, ANALYZE) is emptied or dropped too.
  for (const [name] of connection.all("SELECT name FROM sqlite_master WHERE type = 'table'")) {
    if (name === keep) continue;
    connection.execute(name === "sqlite_sequence" ? "DELETE FROM sqlite_sequence" : `DROP TABLE ${quoted(name)}`);
  }
}

function quoted(name) {
  return `"${name.replaceAll('"', '""')}"`;
}
