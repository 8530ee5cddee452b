/** `ctx.storage.kv`: the same table as the async methods of `ctx.storage`, without promises (durable-objects.md 3.6). */
import { illegalConstructor, illegalInvocation, listOptions, required, textOf } from "./arguments.mjs";

export class SyncKvStorage {
  #kv;

  /** @param {import("./kv.mjs").KeyValue} kv */
  constructor(kv) {
    if (kv === undefined) throw illegalConstructor();
    this.#kv = kv;
  }

  get(...args) {
    return SyncKvStorage.#of(this).get(keyOf(args, "get"));
  }

  /** Unlike the async `put` it stores undefined. */
  put(...args) {
    const kv = SyncKvStorage.#of(this);
    const key = keyOf(args, "put");
    kv.put(key, required(args, 2, "put", "SyncKvStorage", "Value"));
  }

  /** Whether there was something to delete. */
  delete(...args) {
    return SyncKvStorage.#of(this).delete(keyOf(args, "delete"));
  }

  /** An iterator of `[key, value]`, which sees what is written meanwhile. */
  list(...args) {
    const kv = SyncKvStorage.#of(this);
    return new ListIterator(kv.scan(listOptions(args, "SyncKvStorage")));
  }

  get [Symbol.toStringTag]() {
    return "SyncKvStorage";
  }

  static #of(self) {
    if (typeof self !== "object" || self === null || !(#kv in self)) throw illegalInvocation();
    return self.#kv;
  }
}

class ListIterator extends Iterator {
  #pairs;

  /** @param {import("./kv.mjs").Scan} pairs */
  constructor(pairs) {
    super();
    this.#pairs = pairs;
  }

  next() {
    const value = this.#pairs.next();
    return { done: value === undefined, value };
  }

  get [Symbol.toStringTag]() {
    return "ListIterator";
  }
}

function keyOf(args, method) {
  return textOf(required(args, 1, method, "SyncKvStorage", "string"));
}
