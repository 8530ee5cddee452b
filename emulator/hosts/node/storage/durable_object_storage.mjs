/**
 * `ctx.storage` as user code sees it (durable-objects.md 2.6, 3.5 to 3.7, 4.1).
 *
 * Storage never waits: a method does its work when it is called and returns a promise that is settled already. Only
 * `transaction`, which runs user code, and `sync`, which waits for the host's commit, take time.
 */
import { alarmTime, keyOf, listOptions, notOfType } from "./arguments.mjs";
import { SqlStorage } from "./sql_storage.mjs";
import { SyncKvStorage } from "./sync_kv_storage.mjs";

const UNDEFINED_VALUE = "put() called with undefined value.";
const ENABLE_SQLITE = (space) =>
  "change `new_classes` to `new_sqlite_classes` within the 'migrations' field in your wrangler.jsonc or wrangler.toml file. " +
  `If using workerd directly,${space}set \`enableSql = true\` in your workerd config for the class. Note that this change cannot ` +
  "be made after the class is already deployed to production.";
const NO_SQL = `SQL is not enabled for this Durable Object class. To enable it, ${ENABLE_SQLITE("")}`;
const NO_KV =
  "The storage.kv (synchronous KV) API is only available for SQLite-backed Durable Objects, but this object's namespace is not " +
  "declared to use SQLite. You can use the older, asyncronous interface via methods of `storage` itself (e.g. `storage.get()`). " +
  `Alternatively, to enable SQLite, ${ENABLE_SQLITE(" ")}`;
const NO_POINT_IN_TIME = "This Durable Object's storage back-end does not implement point-in-time recovery.";
const FIRST_BOOKMARK = "00000000-00000000-00000000-00000000000000000000000000000000";
const DELETE_ALL_IN_TRANSACTION = "Cannot call deleteAll() within a transaction";
const DELETE_ALL_IN_SAVEPOINT = "internal error; deleteAll() cannot run inside transactionSync()";

/** What `ctx.storage` and the `txn` of a transaction share. */
class KeyValueApi {
  /** @type {import("./storage.mjs").ObjectStorage} */
  #storage;

  constructor(storage) {
    this.#storage = storage;
  }

  /** `get(key)` or `get([keys])`, which gives a Map of those that exist. */
  async get(key, _options) {
    this._check("get", arguments.length, "string or Array");
    const { kv } = this.#storage;
    return Array.isArray(key) ? kv.getMany(key.map(keyOf)) : kv.get(keyOf(key));
  }

  /** `put(key, value)` or `put({key: value})`. */
  async put(key, value, _options) {
    this._check("put", arguments.length, "string or object");
    const { kv } = this.#storage;
    if (typeof key === "object" && key !== null && !Array.isArray(key) && (value === undefined || typeof value === "object")) {
      kv.putMany(Object.entries(key).flatMap(([name, item]) => (item === undefined ? [] : [[keyOf(name), item]])));
    } else {
      if (value === undefined) throw new TypeError(UNDEFINED_VALUE);
      kv.put(keyOf(key), value);
    }
  }

  /** `delete(key)` tells whether it existed, `delete([keys])` how many did. */
  async delete(key, _options) {
    this._check("delete", arguments.length, "string or Array");
    const { kv } = this.#storage;
    return Array.isArray(key) ? kv.deleteMany(key.map(keyOf)) : kv.delete(keyOf(key));
  }

  async list(options) {
    this._check("list");
    return this.#storage.kv.list(listOptions(options, this.constructor.name));
  }

  /** Milliseconds, or null; null too while the alarm's own handler runs. */
  async getAlarm(_options) {
    this._check("getAlarm");
    return this.#storage.alarm.get();
  }

  /** `setAlarm(ms | Date)` replaces the alarm. */
  async setAlarm(time, _options) {
    this._check("setAlarm", arguments.length, "date");
    const timeMs = alarmTime(time, this.constructor.name);
    if (this.#storage.alarmRefusal !== null) throw new TypeError(this.#storage.alarmRefusal);
    this.#storage.alarm.set(timeMs);
  }

  async deleteAlarm(_options) {
    this._check("deleteAlarm");
    this.#storage.alarm.delete();
  }

  _check(method, count = 1, wanted = "") {
    if (count === 0) throw notOfType(method, this.constructor.name, wanted);
  }
}

/** `ctx.storage`. */
export class DurableObjectStorage extends KeyValueApi {
  #storage;
  #sql;
  #kv;

  /** @param {import("./storage.mjs").ObjectStorage} storage */
  constructor(storage) {
    super(storage);
    this.#storage = storage;
    this.#sql = new SqlStorage(storage.sql);
    this.#kv = new SyncKvStorage(storage.kv);
  }

  get sql() {
    if (!this.#storage.sqliteClass) throw new Error(NO_SQL);
    return this.#sql;
  }

  get kv() {
    if (!this.#storage.sqliteClass) throw new Error(NO_KV);
    return this.#kv;
  }

  /** Removes KV, SQL and, depending on the compatibility date, the alarm; at once, not at the end of the turn. */
  async deleteAll(_options) {
    if (this.#storage.database.inExplicit) throw new Error(DELETE_ALL_IN_TRANSACTION);
    if (this.#storage.database.inSavepoint) throw new Error(DELETE_ALL_IN_SAVEPOINT);
    this.#storage.deleteAll();
  }

  /** Runs the callback in a savepoint; its exception passes through unchanged and rolls SQL, KV and alarm back. */
  transactionSync(callback) {
    if (typeof callback !== "function") throw notOfType("transactionSync", "DurableObjectStorage", "function");
    return this.#storage.database.transactionSync(() => callback());
  }

  /** Runs `callback(txn)` as a critical section of the object; an exception rolls everything in it back. */
  async transaction(callback, _options) {
    if (typeof callback !== "function") throw notOfType("transaction", "DurableObjectStorage", "function");
    return this.#storage.hooks.block(() => this.#critical(callback));
  }

  /** Resolves when everything written so far is in the file. */
  sync() {
    return this.#storage.synced();
  }

  async getCurrentBookmark() {
    return FIRST_BOOKMARK;
  }

  async getBookmarkForTime(_time) {
    throw new Error(NO_POINT_IN_TIME);
  }

  async onNextSessionRestoreBookmark(_bookmark) {
    throw new Error(NO_POINT_IN_TIME);
  }

  async #critical(callback) {
    const level = this.#storage.database.beginExplicit();
    let result;
    try {
      result = await callback(new DurableObjectTransaction(this.#storage, level));
    } catch (error) {
      level.rollback();
      throw error;
    }
    level.commit();
    return result;
  }
}

/** The `txn` of an async transaction. What `ctx.storage` does meanwhile belongs to the transaction as well. */
export class DurableObjectTransaction extends KeyValueApi {
  #level;

  constructor(storage, level) {
    super(storage);
    this.#level = level;
  }

  /** Drops what the transaction did so far; `txn` is of no use afterwards. */
  rollback() {
    if (this.#level.state === "committed") this._check("rollback");
    this.#level.rollback();
  }

  async deleteAll(_options) {
    throw new Error(DELETE_ALL_IN_TRANSACTION);
  }

  _check(method, count, wanted) {
    const { state } = this.#level;
    if (state === "rolled back") throw new Error(`Cannot ${method}() on rolled back transaction`);
    if (state === "committed") {
      throw new Error(`Cannot call ${method}() on transaction that has already committed: did you move \`txn\` outside of the closure?`);
    }
    super._check(method, count, wanted);
  }
}
