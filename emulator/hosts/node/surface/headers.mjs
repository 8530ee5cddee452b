/** `Headers`. Lines that came over the wire are kept as they are; the table by name is made when somebody asks for one. */

import { Buffer } from "../originals.mjs";
import { wrongParameter } from "./arguments.mjs";
import { webInterface } from "./web_interface.mjs";

/** @typedef {[string, string][]} Lines Names and values in order; values as in ISO-8859-1, one character per byte of the wire. */

/** @type {(headers: Headers) => Lines} */
let readLines;
/** @type {(headers: Headers, lines: Lines) => void} */
let receive;
/** @type {(headers: Headers, from: Headers) => void} */
let adopt;

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0\r\n]/;
const BEYOND_ASCII = /[^\0-\x7f]/;
const AROUND = /^[\t\r\n ]+|[\t\r\n ]+$/g;

/**
 * One name of the table.
 *
 * @typedef {object} Entry
 * @property {string} name as first written
 * @property {string[]} values
 */

/** A multimap of header lines; names are kept as first written and compared without case. */
export class Headers {
  static {
    readLines = (headers) => headers.#toLines();
    receive = (headers, lines) => {
      headers.#lines = lines;
      headers.#immutable = true;
    };
    adopt = (headers, from) => {
      if (from.#table === null) headers.#lines = from.#lines;
      else headers.#table = copied(from.#table);
    };
  }

  /** Lines nobody has asked about yet; null once there is a table. @type {Lines | null} */
  #lines = null;
  /** Lower-case name to entry, in the order of first appearance. @type {Map<string, Entry> | null} */
  #table = null;
  #immutable = false;

  /** @param {Headers | Iterable<[string, string]> | Record<string, string>} [init] */
  constructor(init = undefined) {
    if (init === undefined) return;
    if (init instanceof Headers) adopt(this, init);
    else this.#fill(init);
  }

  append(...given) {
    this.#checkCall("append", given);
    this.#append(given[0], given[1]);
  }

  set(...given) {
    this.#checkCall("set", given);
    const [name, value] = given;
    this.#byName().set(keyOf(name), { name: String(name), values: [valueText(value)] });
  }

  delete(name) {
    if (this.#immutable) throw new TypeError("Can't modify immutable headers.");
    this.#byName().delete(keyOf(name));
  }

  get(name) {
    const entry = this.#byName().get(keyOf(name));
    if (entry === undefined) return null;
    return entry.values.length === 1 ? entry.values[0] : entry.values.join(", ");
  }

  /** Every value of `Set-Cookie`; the platform has it for no other name. */
  getAll(name) {
    if (keyOf(name) !== "set-cookie") throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    return this.getSetCookie();
  }

  getSetCookie() {
    return [...(this.#byName().get("set-cookie")?.values ?? [])];
  }

  has(name) {
    return this.#byName().has(keyOf(name));
  }

  forEach(callback, thisArg) {
    if (typeof callback !== "function") throw wrongParameter("forEach", "Headers", 1, "function");
    for (const [name, value] of this.entries()) callback.call(thisArg, value, name, this);
  }

  entries() {
    return this.#sorted()[Symbol.iterator]();
  }

  *keys() {
    for (const [name] of this.#sorted()) yield name;
  }

  *values() {
    for (const [, value] of this.#sorted()) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  get [Symbol.toStringTag]() {
    return "Headers";
  }

  #fill(init) {
    if (typeof init !== "object" || init === null) {
      throw new TypeError("Failed to construct 'Headers': constructor parameter 1 is not of type 'Headers or Sequence or object'.");
    }
    if (typeof init[Symbol.iterator] !== "function") {
      for (const name of Object.keys(init)) this.#append(name, init[name]);
      return;
    }
    for (const pair of init) {
      const [name, value, ...more] = pair;
      if (value === undefined || more.length > 0) {
        throw new TypeError("To initialize a Headers object from a sequence, each inner sequence must have exactly two elements.");
      }
      this.#append(name, value);
    }
  }

  #append(name, value) {
    const key = keyOf(name);
    const text = valueText(value);
    const table = this.#byName();
    const entry = table.get(key);
    if (entry === undefined) table.set(key, { name: String(name), values: [text] });
    else entry.values.push(text);
  }

  #checkCall(method, given) {
    if (given.length < 2) throw wrongParameter(method, "Headers", given.length + 1, "string");
    if (this.#immutable) throw new TypeError("Can't modify immutable headers.");
  }

  #byName() {
    if (this.#table === null) {
      this.#table = tableOf(this.#lines ?? []);
      this.#lines = null;
    }
    return this.#table;
  }

  #sorted() {
    const table = this.#byName();
    const pairs = [];
    for (const key of [...table.keys()].sort()) {
      const { values } = table.get(key);
      if (key === "set-cookie") for (const value of values) pairs.push([key, value]);
      else pairs.push([key, values.join(", ")]);
    }
    return pairs;
  }

  #toLines() {
    if (this.#table === null) return this.#lines ?? [];
    const lines = [];
    for (const { name, values } of this.#table.values()) for (const value of values) lines.push([name, encoded(value)]);
    return lines;
  }
}

webInterface(Headers, (headers) => Object.fromEntries(headers));

/** The lines to send. Names are as written; text beyond ASCII goes as UTF-8, as the platform sends it. @param {Headers} headers @returns {Lines} */
export function pairsOf(headers) {
  return readLines(headers);
}

/** Lines as they came over the wire, immutable; nothing is parsed or copied. @param {Lines} lines @returns {Headers} */
export function receivedHeaders(lines) {
  const headers = new Headers();
  receive(headers, lines);
  return headers;
}

function tableOf(lines) {
  const table = new Map();
  for (const [name, value] of lines) {
    const key = name.toLowerCase();
    const entry = table.get(key);
    if (entry === undefined) table.set(key, { name, values: [decoded(value)] });
    else entry.values.push(decoded(value));
  }
  return table;
}

function copied(table) {
  const copy = new Map();
  for (const [key, { name, values }] of table) copy.set(key, { name, values: [...values] });
  return copy;
}

function keyOf(name) {
  const text = String(name);
  if (!NAME.test(text)) throw new TypeError("Invalid header name.");
  return text.toLowerCase();
}

function valueText(value) {
  const text = `${value}`.replace(AROUND, "");
  if (BAD_VALUE.test(text)) throw new TypeError("Invalid header value.");
  return text;
}

function encoded(value) {
  return BEYOND_ASCII.test(value) ? Buffer.from(value, "utf8").latin1Slice() : value;
}

function decoded(value) {
  return BEYOND_ASCII.test(value) ? Buffer.from(value, "latin1").utf8Slice() : value;
}
