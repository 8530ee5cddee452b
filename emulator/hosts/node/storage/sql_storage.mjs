/** `ctx.storage.sql` as user code sees it: `SqlStorage` and `SqlStorageCursor` (durable-objects.md 3.1). */
import { textArgument } from "./arguments.mjs";

/** Synchronous SQL on the object's database. */
export class SqlStorage {
  #sql;

  /** @param {import("./sql.mjs").Sql} sql */
  constructor(sql) {
    this.#sql = sql;
  }

  /**
   * Run `query` with its bindings; Error with SQLite's text when that fails.
   * @param {string} query
   * @param {...any} bindings
   * @returns {SqlStorageCursor}
   */
  exec(query, ...bindings) {
    return new SqlStorageCursor(this.#sql.exec(textArgument(query, arguments.length, "exec", "SqlStorage"), bindings));
  }

  /** Bytes. */
  get databaseSize() {
    return this.#sql.databaseSize;
  }
}

/** The rows of one `exec`: objects by `next`, `one`, `toArray` and iteration, arrays by `raw`, all from one position. */
export class SqlStorageCursor {
  #rows;

  /** @param {import("./sql.mjs").SqlRows} rows */
  constructor(rows) {
    this.#rows = rows;
  }

  next() {
    const row = this.#rows.next();
    return row === undefined ? { done: true } : { done: false, value: this.#object(row) };
  }

  /** The rows left. */
  toArray() {
    const objects = [];
    for (let row = this.#rows.next(); row !== undefined; row = this.#rows.next()) objects.push(this.#object(row));
    return objects;
  }

  /** The only row; Error when there are none or several left. */
  one() {
    return this.#object(this.#rows.one());
  }

  /** The rows left as arrays, in column order, duplicates kept. */
  raw() {
    return new SqlStorageRawCursor(this.#rows);
  }

  get columnNames() {
    return [...this.#rows.columnNames];
  }

  get rowsRead() {
    return this.#rows.rowsRead;
  }

  get rowsWritten() {
    return this.#rows.rowsWritten;
  }

  [Symbol.iterator]() {
    return this;
  }

  /** Of columns with the same name the last one wins. */
  #object(row) {
    const names = this.#rows.columnNames;
    const object = {};
    for (let i = 0; i < names.length; i++) object[names[i]] = row[i];
    return object;
  }
}

class SqlStorageRawCursor {
  #rows;

  constructor(rows) {
    this.#rows = rows;
  }

  next() {
    const row = this.#rows.next();
    return row === undefined ? { done: true } : { done: false, value: row };
  }

  toArray() {
    return [...this];
  }

  [Symbol.iterator]() {
    return this;
  }
}
