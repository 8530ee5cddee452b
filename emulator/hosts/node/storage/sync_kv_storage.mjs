/** `ctx.storage.kv`: the same table as the async methods of `ctx.storage`, without promises (durable-objects.md 3.6). */
import { keyOf, listOptions, notOfType } from "./arguments.mjs";

export class SyncKvStorage {
  #kv;

  /** @param {import("./kv.mjs").KeyValue} kv */
  constructor(kv) {
    this.#kv = kv;
  }

  get(key) {
    if (arguments.length === 0) throw notOfType("get", "SyncKvStorage", "string");
    return this.#kv.get(keyOf(key));
  }

  /** Unlike the async `put` it stores undefined. */
  put(key, value) {
    if (arguments.length === 0) throw notOfType("put", "SyncKvStorage", "string");
    if (arguments.length === 1) throw notOfType("put", "SyncKvStorage", "Value", 2);
    this.#kv.put(keyOf(key), value);
  }

  /** Whether there was something to delete. */
  delete(key) {
    if (arguments.length === 0) throw notOfType("delete", "SyncKvStorage", "string");
    return this.#kv.delete(keyOf(key));
  }

  /** An iterator of `[key, value]`. */
  list(options) {
    return this.#kv.list(listOptions(options, "SyncKvStorage")).entries();
  }
}
