/** `ctx.storage.sql` as user code sees it: `SqlStorage` and its cursors (durable-objects.md 3.1). */
import { illegalConstructor, illegalInvocation, required, textOf } from "./arguments.mjs";

/** Synchronous SQL on the object's database. */
export class SqlStorage {
  #sql;

  /** @param {import("./sql.mjs").Sql} sql */
  constructor(sql) {
    if (sql === undefined) throw illegalConstructor();
    this.#sql = sql;
  }

  /** Run a query with its bindings; Error with SQLite's text when that fails. */
  exec(...args) {
    const sql = SqlStorage.#of(this);
    const query = textOf(required(args, 1, "exec", "SqlStorage", "String"));
    return new Cursor(sql.exec(query, args.slice(1)));
  }

  /** Bytes. */
  get databaseSize() {
    return SqlStorage.#of(this).databaseSize;
  }

  get [Symbol.toStringTag]() {
    return "SqlStorage";
  }

  static #of(self) {
    if (typeof self !== "object" || self === null || !(#sql in self)) throw illegalInvocation();
    return self.#sql;
  }
}

/** The rows of one `exec`: objects by `next`, `one`, `toArray` and iteration, arrays by `raw`, all from one position. */
export class Cursor {
  #rows;

  /** @param {import("./sql.mjs").SqlRows} rows */
  constructor(rows) {
    if (rows === undefined) throw illegalConstructor();
    this.#rows = rows;
  }

  next() {
    const value = nextObject(Cursor.#of(this));
    return { done: value === undefined, value };
  }

  /** The rows left. */
  toArray() {
    const rows = Cursor.#of(this);
    const objects = [];
    for (let object = nextObject(rows); object !== undefined; object = nextObject(rows)) objects.push(object);
    return objects;
  }

  /** The only row; Error when there are none or several left. */
  one() {
    const rows = Cursor.#of(this);
    return objectOf(rows.columnNames, rows.one());
  }

  /** The rows left as arrays, in column order, duplicates kept. */
  raw() {
    return new RawIterator(Cursor.#of(this));
  }

  [Symbol.iterator]() {
    return new RowIterator(Cursor.#of(this));
  }

  get columnNames() {
    return Cursor.#of(this).columnNames;
  }

  get rowsRead() {
    return Cursor.#of(this).rowsRead;
  }

  get rowsWritten() {
    return Cursor.#of(this).rowsWritten;
  }

  get [Symbol.toStringTag]() {
    return "Cursor";
  }

  static #of(self) {
    if (typeof self !== "object" || self === null || !(#rows in self)) throw illegalInvocation();
    return self.#rows;
  }
}

class RowIterator extends Iterator {
  #rows;

  constructor(rows) {
    super();
    this.#rows = rows;
  }

  next() {
    const value = nextObject(this.#rows);
    return { done: value === undefined, value };
  }

  get [Symbol.toStringTag]() {
    return "RowIterator";
  }
}

class RawIterator extends Iterator {
  #rows;

  constructor(rows) {
    super();
    this.#rows = rows;
  }

  next() {
    const value = this.#rows.next();
    return { done: value === undefined, value };
  }

  get [Symbol.toStringTag]() {
    return "RawIterator";
  }
}

function nextObject(rows) {
  const row = rows.next();
  return row === undefined ? undefined : objectOf(rows.columnNames, row);
}

/** Of columns with the same name the last one wins. */
function objectOf(names, row) {
  const object = {};
  for (let i = 0; i < names.length; i++) object[names[i]] = row[i];
  return object;
}
