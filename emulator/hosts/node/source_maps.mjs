/**
 * From places in built code to places in the user's files. Of the maps of packages nothing is read before the first stack that needs them:
 * Node's own support would read and parse all of them at the start.
 */

import { existsSync, readFileSync } from "node:fs";
import { dirname, resolve } from "node:path";
import { fileURLToPath } from "node:url";
import { parseJson } from "./originals.mjs";

/**
 * @typedef {object} Place
 * @property {string} file absolute path of the source
 * @property {number} line from 1
 * @property {number} column from 1
 */

/** The value of each base-64 digit, by its character's code. */
const VALUES = new Uint8Array(128);
for (const [value, digit] of [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].entries())
  VALUES[digit.charCodeAt(0)] = value;
const COMMA = 44;
const SEMICOLON = 59;

/** The source maps of the loaded modules. */
export class SourceMaps {
  /** By URL of the module; a function reads the map when it is first needed. @type {Map<string, SourceMap|null|(() => SourceMap|null)>} */
  #maps = new Map();

  /** A module's map. @param {string} url @param {string} map its text @param {string} folder what its sources are relative to */
  add(url, map, folder) {
    this.#maps.set(url, () => new SourceMap(parseJson(map), folder));
  }

  /** Where the code at a place came from, null when no map knows. @param {string} url @param {number} line @param {number} column both from 1 @returns {Place|null} */
  original(url, line, column) {
    return this.#mapOf(url)?.original(line, column) ?? null;
  }

  #mapOf(url) {
    const known = this.#maps.get(url);
    if (known !== undefined && typeof known !== "function") return known;
    const map = known === undefined ? readBeside(url) : known();
    this.#maps.set(url, map);
    return map;
  }
}

/** Prebuilt packages have their maps beside them. */
function readBeside(url) {
  if (!url.startsWith("file:") || !url.includes("/.agents-emu/node/")) return null;
  const path = `${fileURLToPath(url)}.map`;
  return existsSync(path) ? new SourceMap(parseJson(readFileSync(path, "utf8")), dirname(path)) : null;
}

/** One decoded map: per line of the code, ascending columns with their sources. */
class SourceMap {
  #sources;
  /** Per line: `[column, source, line, column, ...]`, all from 0. @type {number[][]} */
  #lines;

  /** @param {{sources: string[], mappings: string}} map @param {string} folder */
  constructor({ sources, mappings }, folder) {
    this.#sources = sources.map((source) => resolve(folder, source));
    this.#lines = decode(mappings);
  }

  /** @param {number} line @param {number} column both from 1 @returns {Place|null} */
  original(line, column) {
    const segments = this.#lines[line - 1];
    if (segments === undefined) return null;
    const at = 4 * lastAtMost(segments, column - 1);
    if (at < 0) return null;
    return { file: this.#sources[segments[at + 1]], line: segments[at + 2] + 1, column: segments[at + 3] + 1 };
  }
}

/** Which segment is the last that begins at a column or before it, -1 when none does. Lines of minified packages have thousands. */
function lastAtMost(segments, column) {
  let [low, high] = [-1, segments.length / 4 - 1];
  while (low < high) {
    const middle = Math.ceil((low + high) / 2);
    if (segments[4 * middle] <= column) low = middle;
    else high = middle - 1;
  }
  return low;
}

/** The `mappings` of a source map, revision 3: base-64 variable-length differences. @param {string} mappings @returns {number[][]} */
function decode(mappings) {
  const lines = [];
  let line = [];
  const sums = [0, 0, 0, 0];
  let [field, value, shift] = [0, 0, 0];
  const endSegment = () => {
    // One field alone is code without a source, the fifth is a name.
    if (field >= 4) line.push(sums[0], sums[1], sums[2], sums[3]);
    field = 0;
  };
  for (let index = 0; index < mappings.length; index += 1) {
    const code = mappings.charCodeAt(index);
    if (code === COMMA) endSegment();
    else if (code === SEMICOLON) {
      endSegment();
      lines.push(line);
      line = [];
      sums[0] = 0;
    } else {
      const digit = VALUES[code];
      value |= (digit & 31) << shift;
      shift += 5;
      if (digit >= 32) continue;
      if (field < 4) sums[field] += value & 1 ? -(value >> 1) : value >> 1;
      field += 1;
      [value, shift] = [0, 0];
    }
  }
  endSegment();
  lines.push(line);
  return lines;
}
