/** `Headers`. Lines that came over the wire are kept as they are; the table by name is made when somebody asks for one. */

/** @type {(headers: Headers) => [string, string][]} */
let readPairs;
/** @type {(headers: Headers, pairs: [string, string][]) => void} */
let receive;

const NAME = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;
const BAD_VALUE = /[\0\r\n]|[^\0-\u00ff]/;

/** A multimap of header lines; names are kept as first written and compared without case. */
export class Headers {
  static {
    readPairs = (headers) => headers.#pairs();
    receive = (headers, pairs) => {
      headers.#received = pairs;
      headers.#table = null;
      headers.#immutable = true;
    };
  }

  /** Lower-case name to the name as written and its values, in the order of arrival; null while only `#received` is there. */
  #table = new Map();
  #received = null;
  #immutable = false;

  /** @param {HeadersInit} [init] */
  constructor(init) {
    if (init === undefined || init === null) return;
    for (const [name, value] of linesOf(init)) this.append(name, value);
  }

  append(name, value) {
    this.#checkMutable();
    const [key, text] = checked(name, value);
    const entry = this.#byName().get(key);
    if (entry === undefined) this.#table.set(key, { name: String(name), values: [text] });
    else entry.values.push(text);
  }

  set(name, value) {
    this.#checkMutable();
    const [key, text] = checked(name, value);
    this.#byName().set(key, { name: String(name), values: [text] });
  }

  delete(name) {
    this.#checkMutable();
    this.#byName().delete(keyOf(name));
  }

  get(name) {
    const entry = this.#byName().get(keyOf(name));
    return entry === undefined ? null : entry.values.join(", ");
  }

  /** Every value of `Set-Cookie`; the platform has it for no other name. */
  getAll(name) {
    if (keyOf(name) !== "set-cookie") {
      throw new TypeError('getAll() can only be used with the header name "Set-Cookie".');
    }
    return this.getSetCookie();
  }

  getSetCookie() {
    return [...(this.#byName().get("set-cookie")?.values ?? [])];
  }

  has(name) {
    return this.#byName().has(keyOf(name));
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this) callback.call(thisArg, value, name, this);
  }

  *entries() {
    const table = this.#byName();
    for (const key of [...table.keys()].sort()) {
      const { values } = table.get(key);
      if (key === "set-cookie") for (const value of values) yield [key, value];
      else yield [key, values.join(", ")];
    }
  }

  *keys() {
    for (const [name] of this.entries()) yield name;
  }

  *values() {
    for (const [, value] of this.entries()) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  get [Symbol.toStringTag]() {
    return "Headers";
  }

  #byName() {
    if (this.#table === null) {
      this.#table = new Map();
      for (const [name, value] of this.#received) {
        const key = name.toLowerCase();
        const entry = this.#table.get(key);
        if (entry === undefined) this.#table.set(key, { name, values: [value] });
        else entry.values.push(value);
      }
    }
    return this.#table;
  }

  #pairs() {
    if (this.#received !== null) return this.#received;
    const pairs = [];
    for (const { name, values } of this.#table.values()) for (const value of values) pairs.push([name, value]);
    return pairs;
  }

  #checkMutable() {
    if (this.#immutable) throw new TypeError("Can't modify immutable headers.");
  }
}

/** The lines to send, names as written. @param {Headers} headers @returns {[string, string][]} */
export function pairsOf(headers) {
  return readPairs(headers);
}

/** Lines as they came over the wire, immutable; nothing is parsed or copied. @param {[string, string][]} pairs @returns {Headers} */
export function receivedHeaders(pairs) {
  const headers = new Headers();
  receive(headers, pairs);
  return headers;
}

function linesOf(init) {
  if (init instanceof Headers) return pairsOf(init);
  if (typeof init[Symbol.iterator] === "function") return [...init].map((pair) => [...pair]);
  return Object.entries(init);
}

function keyOf(name) {
  const text = String(name);
  if (!NAME.test(text)) throw new TypeError("Invalid header name.");
  return text.toLowerCase();
}

function checked(name, value) {
  const text = String(value).trim();
  if (BAD_VALUE.test(text)) throw new TypeError("Invalid header value.");
  return [keyOf(name), text];
}
