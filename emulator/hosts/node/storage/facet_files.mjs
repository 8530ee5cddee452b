/**
 * The files of an object's facets: `<id>.facets` numbers them, `<id>.<n>.sqlite` hold their data (design 4.2).
 *
 * The index is append-only: 8 bytes magic, then per facet the number of its parent (u16 LE, 0 is the root object), the length of
 * its name in bytes (u16 LE) and the name. A facet's number is its position, counted from 1, and is never reused.
 */
import { Buffer } from "node:buffer";
import { closeSync, copyFileSync, existsSync, ftruncateSync, mkdirSync, openSync, readFileSync, rmSync, writeSync } from "node:fs";
import { dirname } from "node:path";
import { StartError } from "./storage_errors.mjs";

export const MAGIC = Buffer.from("57efb0c55bcecdc4", "hex");
/** The number of the root object itself. */
export const ROOT = 0;

const HEADER = 4;
const SQLITE_SUFFIXES = ["", "-wal", "-shm"];

/** The facets of one root object, whose own file is `root` (`<id>.sqlite`). */
export class FacetFiles {
  #root;
  #index;
  #numbers = null;
  #end = 0;

  /** @param {string} root */
  constructor(root) {
    this.#root = root;
    this.#index = this.#sibling(".facets");
  }

  /**
   * The number of facet `name` of facet `parent` (0: the root), given out now if it has none.
   * @param {number} parent
   * @param {string} name
   * @returns {number}
   */
  number(parent, name) {
    const numbers = this.#load();
    const known = numbers.get(keyOf(parent, name));
    if (known !== undefined) return known.number;
    const encoded = Buffer.from(name);
    const entry = Buffer.alloc(HEADER + encoded.length);
    entry.writeUInt16LE(parent, 0);
    entry.writeUInt16LE(encoded.length, 2);
    encoded.copy(entry, HEADER);
    this.#append(entry);
    const number = numbers.size + 1;
    numbers.set(keyOf(parent, name), { parent, name, number });
    return number;
  }

  /**
   * The number of a facet that has one, else null.
   * @param {number} parent
   * @param {string} name
   * @returns {number | null}
   */
  find(parent, name) {
    return this.#load().get(keyOf(parent, name))?.number ?? null;
  }

  /**
   * Name and number of the facets of `parent`, whether or not they hold data.
   * @param {number} parent
   * @returns {Map<string, number>}
   */
  children(parent) {
    const found = new Map();
    for (const facet of this.#load().values()) if (facet.parent === parent) found.set(facet.name, facet.number);
    return found;
  }

  /**
   * The database file of facet `number`; of the root itself for 0.
   * @param {number} number
   * @returns {string}
   */
  path(number) {
    return number === ROOT ? this.#root : this.#sibling(`.${number}.sqlite`);
  }

  /**
   * Remove the data of facet `number` and of every facet below it. Close their databases before.
   * @param {number} number
   * @returns {number[]} the numbers, deepest first
   */
  delete(number) {
    const removed = [...this.children(number).values()].flatMap((child) => this.delete(child));
    for (const suffix of SQLITE_SUFFIXES) rmSync(this.path(number) + suffix, { force: true });
    return [...removed, number];
  }

  /**
   * Put the data of facet `source`, and of every facet below it, into facet `target`, which has none. Close their databases before.
   * @param {number} source
   * @param {number} target
   */
  copy(source, target) {
    for (const suffix of ["", "-wal"]) {
      const from = this.path(source) + suffix;
      if (existsSync(from)) copyFileSync(from, this.path(target) + suffix);
    }
    for (const [name, child] of this.children(source)) this.copy(child, this.number(target, name));
  }

  #sibling(suffix) {
    return this.#root.replace(/\.sqlite$/, "") + suffix;
  }

  #append(entry) {
    mkdirSync(dirname(this.#index), { recursive: true });
    const file = openSync(this.#index, existsSync(this.#index) ? "r+" : "wx+");
    try {
      if (this.#end === 0) {
        writeSync(file, MAGIC, 0, MAGIC.length, 0);
        this.#end = MAGIC.length;
      }
      writeSync(file, entry, 0, entry.length, this.#end);
      this.#end += entry.length;
      ftruncateSync(file, this.#end);
    } finally {
      closeSync(file);
    }
  }

  #load() {
    this.#numbers ??= this.#parse();
    return this.#numbers;
  }

  /** The index; where its last whole entry ends is remembered: a half-written one, left by a crash, is overwritten by the next. */
  #parse() {
    const numbers = new Map();
    const data = this.#read();
    if (data.length < MAGIC.length) return numbers;
    let position = MAGIC.length;
    while (position + HEADER <= data.length) {
      const parent = data.readUInt16LE(position);
      const end = position + HEADER + data.readUInt16LE(position + 2);
      if (end > data.length) break;
      const name = data.toString("utf8", position + HEADER, end);
      numbers.set(keyOf(parent, name), { parent, name, number: numbers.size + 1 });
      position = end;
    }
    this.#end = position;
    return numbers;
  }

  #read() {
    let data;
    try {
      data = readFileSync(this.#index);
    } catch (error) {
      if (error.code === "ENOENT") return Buffer.alloc(0);
      throw error;
    }
    const start = data.subarray(0, MAGIC.length);
    if (start.equals(MAGIC.subarray(0, start.length))) return data;
    throw new StartError("E352", "the facet index of this object is not one", {
      where: this.#index,
      hint: `restore it from a copy; without it the facets' data cannot be named:  mv '${this.#index}' '${this.#index}.broken'`,
    });
  }
}

function keyOf(parent, name) {
  return `${parent}/${name}`;
}
