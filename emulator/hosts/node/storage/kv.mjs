/**
 * Key-value rules over `_cf_KV`, shared by `ctx.storage` and `ctx.storage.kv` (durable-objects.md 3.5, 3.6).
 *
 * Values are stored in V8's serialization format; keys are text, ordered by their UTF-8 bytes.
 *
 * @typedef {object} ListOptions `start` is inclusive, `startAfter` and `end` are exclusive, whatever the direction
 * @property {string} [prefix]
 * @property {string} [start]
 * @property {string} [startAfter]
 * @property {string} [end]
 * @property {number} [limit]
 * @property {boolean} [reverse]
 */
import { Buffer } from "node:buffer";
import { decode, encode } from "./stored_value.mjs";

const BAD_LIMIT = "List limit must be positive.";
const SCAN_ENDED =
  "kv.list() iterator was invalidated because a new call to kv.list() was started. Only one kv.list() iterator can exist at a time.";
const START_TWICE = "list() cannot be called with both start and startAfter values.";

const TABLE = "_cf_KV";
const CREATE = "CREATE TABLE IF NOT EXISTS main._cf_KV (key TEXT PRIMARY KEY, value BLOB) WITHOUT ROWID";
const GET = "SELECT value FROM main._cf_KV WHERE key = ?";
const PUT = "INSERT OR REPLACE INTO main._cf_KV (key, value) VALUES (?, ?)";
const DELETE = "DELETE FROM main._cf_KV WHERE key = ?";
const LAST_CODE_POINT = 0x10ffff;

/** The key-value table of one object. */
export class KeyValue {
  /** Counts writes: what was read before is old when it has moved on. */
  writes = 0;
  /** Counts lists: a scan ends with the next one. */
  lists = 0;
  #database;
  #flags;

  /**
   * @param {import("./database.mjs").Database} database
   * @param {{richErrors: boolean}} flags how values are stored
   */
  constructor(database, flags) {
    this.#database = database;
    this.#flags = flags;
  }

  /**
   * @param {string} key
   * @returns {any} undefined when there is none
   */
  get(key) {
    if (!this.#database.hasTable(TABLE)) return undefined;
    const row = this.#database.get(GET, key);
    return row === undefined ? undefined : decode(row[0]);
  }

  /**
   * Those of `keys` that exist, in key order.
   * @param {string[]} keys
   * @returns {Map<string, any>}
   */
  getMany(keys) {
    const found = new Map();
    if (!this.#database.hasTable(TABLE)) return found;
    for (const key of [...new Set(keys)].sort(byUtf8)) {
      const row = this.#database.get(GET, key);
      if (row !== undefined) found.set(key, decode(row[0]));
    }
    return found;
  }

  /** Throws DataCloneError for a value that cannot be stored. */
  put(key, value) {
    this.#write(key, encode(value, this.#flags));
  }

  /**
   * All of them or, when one value cannot be stored, none.
   * @param {[string, any][]} entries
   */
  putMany(entries) {
    const rows = entries.map(([key, value]) => [key, encode(value, this.#flags)]);
    for (const [key, data] of rows) this.#write(key, data);
  }

  /**
   * @param {string} key
   * @returns {boolean} whether there was something to delete
   */
  delete(key) {
    this.#create();
    this.writes += 1;
    return this.#database.run(DELETE, key) > 0;
  }

  /**
   * @param {string[]} keys
   * @returns {number} how many there were
   */
  deleteMany(keys) {
    return keys.filter((key) => this.delete(key)).length;
  }

  /**
   * The pairs `options` asks for, in order. TypeError for options that make no sense.
   * @param {ListOptions} options
   * @returns {Map<string, any>}
   */
  list(options) {
    const rows = this.rows(options);
    this.lists += 1;
    return new Map(rows.map(([key, data]) => [key, decode(data)]));
  }

  /**
   * The pairs `options` asks for, one at a time. TypeError for options that make no sense.
   * @param {ListOptions} options
   * @returns {Scan}
   */
  scan(options) {
    return new Scan(this, options);
  }

  /**
   * Keys and stored bytes.
   * @param {ListOptions} options
   * @returns {[string, Uint8Array][]}
   */
  rows(options) {
    const [sql, values] = listQuery(options);
    return this.#database.hasTable(TABLE) ? this.#database.all(sql, ...values) : [];
  }

  #write(key, data) {
    this.#create();
    this.writes += 1;
    this.#database.run(PUT, key, data);
  }

  #create() {
    if (!this.#database.hasTable(TABLE)) this.#database.run(CREATE);
  }
}

/** A list under way: what is written to the table meanwhile shows, if the scan has not passed it. */
export class Scan {
  #kv;
  #options;
  #rows;
  #position = 0;
  #writes;
  #list;
  #over = false;

  /**
   * @param {KeyValue} kv
   * @param {ListOptions} options
   */
  constructor(kv, options) {
    this.#kv = kv;
    this.#options = options;
    this.#rows = kv.rows(options);
    this.#writes = kv.writes;
    this.#list = ++kv.lists;
  }

  /** @returns {[string, any] | undefined} undefined after the last; Error when another list has begun before the end */
  next() {
    if (this.#over) return undefined;
    if (this.#list !== this.#kv.lists) throw new Error(SCAN_ENDED);
    if (this.#writes !== this.#kv.writes && this.#position > 0) this.#lookAgain();
    if (this.#position === this.#rows.length) {
      this.#over = true;
      return undefined;
    }
    const [key, data] = this.#rows[this.#position++];
    return [key, decode(data)];
  }

  /** Read what is left once more. */
  #lookAgain() {
    const { start: _start, limit, ...options } = this.#options;
    const [last] = this.#rows[this.#position - 1];
    const left = limit === undefined ? {} : { limit: limit - this.#position };
    const from = options.reverse ? { start: this.#options.start, end: last } : { startAfter: last };
    this.#options = { ...options, ...left, ...from };
    this.#rows = left.limit === 0 ? [] : this.#kv.rows(this.#options);
    this.#position = 0;
    this.#writes = this.#kv.writes;
  }
}

/** The SELECT that answers `options`, and its parameters. */
function listQuery({ prefix, start, startAfter, end, limit, reverse = false }) {
  if (limit !== undefined && limit <= 0) throw new TypeError(BAD_LIMIT);
  if (start !== undefined && startAfter !== undefined) throw new TypeError(START_TWICE);
  const bounds = [
    [">=", prefix],
    ["<", prefix === undefined ? undefined : successor(prefix)],
    [">=", start],
    [">", startAfter],
    ["<", end],
    ["LIMIT", limit],
  ].filter(([, bound]) => bound !== undefined);
  const conditions = bounds.filter(([operator]) => operator !== "LIMIT").map(([operator]) => `key ${operator} ?`);
  let sql = "SELECT key, value FROM main._cf_KV";
  if (conditions.length > 0) sql += ` WHERE ${conditions.join(" AND ")}`;
  sql += reverse ? " ORDER BY key DESC" : " ORDER BY key";
  if (limit !== undefined) sql += " LIMIT ?";
  return [sql, bounds.map(([, bound]) => bound)];
}

/**
 * The smallest text that is greater than everything beginning with `prefix`; undefined when there is none.
 * @param {string} prefix
 * @returns {string | undefined}
 */
export function successor(prefix) {
  const characters = [...prefix];
  while (characters.length > 0) {
    const code = characters.pop().codePointAt(0);
    if (code === LAST_CODE_POINT) continue;
    const following = code === 0xd7ff ? 0xe000 : code + 1; // UTF-8 has no surrogates
    return characters.join("") + String.fromCodePoint(following);
  }
  return undefined;
}

function byUtf8(a, b) {
  return Buffer.compare(Buffer.from(a), Buffer.from(b));
}
