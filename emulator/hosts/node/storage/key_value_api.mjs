/**
 * What `ctx.storage` and the `txn` of a transaction do alike (durable-objects.md 3.5, 4.1).
 *
 * Methods take their caller's arguments as an array, do their work at once and return plain values; errors are thrown.
 */
import { alarmTime, checkOptions, isOptions, listOptions, required, textOf } from "./arguments.mjs";

const UNDEFINED_VALUE = "put() called with undefined value.";
const PUT_FORMS =
  "put() may only be called with a single key-value pair and optional options as put(key, value, options) or with multiple " +
  "key-value pairs and optional options as put(entries, options)";

export class KeyValueApi {
  #storage;
  #owner;
  #open;

  /**
   * @param {import("./storage.mjs").ObjectStorage} storage
   * @param {string} owner the name of the class user code sees
   * @param {(method: string) => void} [open] throws when the transaction is over
   */
  constructor(storage, owner, open = () => {}) {
    this.#storage = storage;
    this.#owner = owner;
    this.#open = open;
  }

  /** `get(key)` or `get([keys])`, which gives a Map of those that exist. */
  get(args) {
    const key = this.#keys(args, "get");
    checkOptions(args, 2, "get", this.#owner, "GetOptions");
    this.#open("get");
    return typeof key === "string" ? this.#storage.kv.get(key) : this.#storage.kv.getMany(key);
  }

  /** `put(key, value)` or `put({key: value})`, whose undefined members are left out. */
  put(args) {
    const given = required(args, 1, "put", this.#owner, "string or object");
    const value = args[1];
    if (isOptions(given) && given !== undefined && given !== null && !Array.isArray(given)) {
      if (!isOptions(value)) throw new TypeError(PUT_FORMS);
      const entries = Object.entries(given).filter(([, item]) => item !== undefined);
      this.#open("put");
      this.#storage.kv.putMany(entries.map(([key, item]) => [textOf(key), item]));
      return;
    }
    const key = textOf(given);
    checkOptions(args, 3, "put", this.#owner, "PutOptions");
    this.#open("put");
    if (value === undefined) throw new TypeError(UNDEFINED_VALUE);
    this.#storage.kv.put(key, value);
  }

  /** `delete(key)` tells whether it existed, `delete([keys])` how many did. */
  delete(args) {
    const key = this.#keys(args, "delete");
    checkOptions(args, 2, "delete", this.#owner, "PutOptions");
    this.#open("delete");
    return typeof key === "string" ? this.#storage.kv.delete(key) : this.#storage.kv.deleteMany(key);
  }

  /** A Map. */
  list(args) {
    const options = listOptions(args, this.#owner);
    this.#open("list");
    return this.#storage.kv.list(options);
  }

  /** Milliseconds, or null; null too while the alarm's own handler runs. */
  getAlarm(args) {
    checkOptions(args, 1, "getAlarm", this.#owner, "GetAlarmOptions");
    this.#open("getAlarm");
    return this.#storage.alarm.get();
  }

  /** `setAlarm(ms | Date)` replaces the alarm. A time that has passed is now. */
  setAlarm(args) {
    const timeMs = alarmTime(args, this.#owner);
    checkOptions(args, 2, "setAlarm", this.#owner, "SetAlarmOptions");
    this.#open("setAlarm");
    if (this.#storage.alarmRefusal !== null) throw new TypeError(this.#storage.alarmRefusal);
    this.#storage.alarm.set(Math.max(timeMs, this.#storage.nowMs()));
  }

  deleteAlarm(args) {
    checkOptions(args, 1, "deleteAlarm", this.#owner, "SetAlarmOptions");
    this.#open("deleteAlarm");
    this.#storage.alarm.delete();
  }

  /** One key, or an array of them. */
  #keys(args, method) {
    const given = required(args, 1, method, this.#owner, "string or Array");
    return Array.isArray(given) ? given.map(textOf) : textOf(given);
  }
}
