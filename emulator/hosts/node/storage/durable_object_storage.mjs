/**
 * `ctx.storage` as user code sees it (durable-objects.md 2.6, 3.5 to 3.7, 4.1).
 *
 * Storage never waits: a method does its work when it is called and returns a promise that is settled already. Only
 * `transaction`, which runs user code, and `sync`, which waits for the host's commit, take time.
 */
import { types } from "node:util";
import { wrongParameter } from "../surface/arguments.mjs";
import { checkOptions, date, illegalConstructor, illegalInvocation, required, textOf } from "./arguments.mjs";
import { KeyValueApi } from "./key_value_api.mjs";
import { SqlStorage } from "./sql_storage.mjs";
import { SyncKvStorage } from "./sync_kv_storage.mjs";

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
const ASYNC_CALLBACK =
  "transactionSync() was given an async callback: what it writes after its first await would be outside of the transaction, so " +
  "agents-emu did not run it. Use `await storage.transaction(callback)` for async code.";
const DELETE_ALL_IN_TRANSACTION = "Cannot call deleteAll() within a transaction";
const DELETE_ALL_IN_SAVEPOINT = "internal error; deleteAll() cannot run inside transactionSync()";

export class DurableObjectStorage {
  #storage;
  #api;

  /** @param {import("./storage.mjs").ObjectStorage} storage */
  constructor(storage) {
    if (storage === undefined) throw illegalConstructor();
    this.#storage = storage;
    this.#api = new KeyValueApi(storage, "DurableObjectStorage");
    this.kv = new SyncKvStorage(storage.kv);
    this.sql = new SqlStorage(storage.sql);
    if (!storage.sqliteClass) Object.defineProperties(this, NOT_ON_A_LEGACY_CLASS);
  }

  get(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "get", args);
  }

  put(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "put", args);
  }

  /** Of all methods this one throws at once, as on the platform. */
  delete(...args) {
    return Promise.resolve(DurableObjectStorage.#of(this).#api.delete(args));
  }

  list(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "list", args);
  }

  getAlarm(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "getAlarm", args);
  }

  setAlarm(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "setAlarm", args);
  }

  deleteAlarm(...args) {
    return promised(DurableObjectStorage.#of(this).#api, "deleteAlarm", args);
  }

  /** Removes KV, SQL and, depending on the compatibility date, the alarm; at once, not at the end of the turn. */
  deleteAll(...args) {
    return DurableObjectStorage.#of(this).#deleteAll(args);
  }

  /**
   * Runs the callback in a savepoint; its exception passes through unchanged and rolls SQL, KV and alarm back. An async callback is
   * refused: the platform commits when it returns its promise, which never does what was meant (docs/parity.md).
   */
  transactionSync(...args) {
    const { database } = DurableObjectStorage.#of(this).#storage;
    const callback = callbackOf(args, "transactionSync");
    if (types.isAsyncFunction(callback)) throw new TypeError(ASYNC_CALLBACK);
    return database.transactionSync(() => callback());
  }

  /** Runs `callback(txn)` as a critical section of the object; an exception rolls everything in it back. */
  transaction(...args) {
    return DurableObjectStorage.#of(this).#transaction(args);
  }

  /** Resolves when everything written so far is in the file. */
  sync() {
    return DurableObjectStorage.#of(this).#storage.synced();
  }

  getCurrentBookmark() {
    DurableObjectStorage.#of(this);
    return Promise.resolve(FIRST_BOOKMARK);
  }

  getBookmarkForTime(...args) {
    DurableObjectStorage.#of(this);
    return refused(() => date(args, "getBookmarkForTime", "DurableObjectStorage"));
  }

  onNextSessionRestoreBookmark(...args) {
    DurableObjectStorage.#of(this);
    return refused(() => textOf(required(args, 1, "onNextSessionRestoreBookmark", "DurableObjectStorage", "string")));
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectStorage";
  }

  async #deleteAll(args) {
    checkOptions(args, 1, "deleteAll", "DurableObjectStorage", "PutOptions");
    if (this.#storage.database.inExplicit) throw new Error(DELETE_ALL_IN_TRANSACTION);
    if (this.#storage.database.inSavepoint) throw new Error(DELETE_ALL_IN_SAVEPOINT);
    this.#storage.deleteAll();
  }

  async #transaction(args) {
    const callback = callbackOf(args, "transaction");
    return this.#storage.hooks.block(async () => {
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
    });
  }

  static #of(self) {
    if (typeof self !== "object" || self === null || !(#storage in self)) throw illegalInvocation();
    return self;
  }
}

/** The `txn` of an async transaction. What `ctx.storage` does meanwhile belongs to the transaction as well. */
export class DurableObjectTransaction {
  #level;
  #api;

  /**
   * @param {import("./storage.mjs").ObjectStorage} storage
   * @param {import("./database.mjs").ExplicitTransaction} level
   */
  constructor(storage, level) {
    if (storage === undefined) throw illegalConstructor();
    this.#level = level;
    this.#api = new KeyValueApi(storage, "DurableObjectTransaction", (method) => checkOpen(level, method));
  }

  get(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "get", args);
  }

  put(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "put", args);
  }

  delete(...args) {
    return Promise.resolve(DurableObjectTransaction.#of(this).#api.delete(args));
  }

  list(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "list", args);
  }

  getAlarm(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "getAlarm", args);
  }

  setAlarm(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "setAlarm", args);
  }

  deleteAlarm(...args) {
    return promised(DurableObjectTransaction.#of(this).#api, "deleteAlarm", args);
  }

  deleteAll() {
    DurableObjectTransaction.#of(this);
    return Promise.reject(new Error(DELETE_ALL_IN_TRANSACTION));
  }

  /** Drops what the transaction did so far; `txn` is of no use afterwards. */
  rollback() {
    const level = DurableObjectTransaction.#of(this).#level;
    if (level.state === "committed") checkOpen(level, "rollback");
    level.rollback();
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectTransaction";
  }

  static #of(self) {
    if (typeof self !== "object" || self === null || !(#level in self)) throw illegalInvocation();
    return self;
  }
}

/** What a class of `new_classes` has instead of `sql` and `kv` (S-64). */
const NOT_ON_A_LEGACY_CLASS = {
  sql: {
    get() {
      throw new Error(NO_SQL);
    },
  },
  kv: {
    get() {
      throw new Error(NO_KV);
    },
  },
};

/** A method's result in a promise; its error rejects it. */
async function promised(api, method, args) {
  return api[method](args);
}

async function refused(check) {
  check();
  throw new Error(NO_POINT_IN_TIME);
}

function callbackOf(args, method) {
  if (typeof args[0] !== "function") throw wrongParameter(method, "DurableObjectStorage", 1, "function");
  return args[0];
}

function checkOpen({ state }, method) {
  if (state === "rolled back") throw new Error(`Cannot ${method}() on rolled back transaction`);
  if (state === "committed") {
    throw new Error(`Cannot call ${method}() on transaction that has already committed: did you move \`txn\` outside of the closure?`);
  }
}
