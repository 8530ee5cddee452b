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

const DIGITS = new Map(
  [..."ABCDEFGHIJKLMNOPQRSTUVWXYZabcdefghijklmnopqrstuvwxyz0123456789+/"].map((digit, value) => [digit.charCodeAt(0), value]),
);

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
    let at = -1;
    for (let index = 0; index < segments.length && segments[index] <= column - 1; index += 4) at = index;
    if (at === -1) return null;
    return { file: this.#sources[segments[at + 1]], line: segments[at + 2] + 1, column: segments[at + 3] + 1 };
  }
}

/** The `mappings` of a source map, revision 3: base-64 variable-length differences. @param {string} mappings @returns {number[][]} */
function decode(mappings) {
  const lines = [];
  let line = [];
  let [column, source, sourceLine, sourceColumn] = [0, 0, 0, 0];
  let fields = [];
  let [value, shift] = [0, 0];
  const endSegment = () => {
    if (fields.length >= 4) {
      column += fields[0];
      source += fields[1];
      sourceLine += fields[2];
      sourceColumn += fields[3];
      line.push(column, source, sourceLine, sourceColumn);
    } else if (fields.length > 0) column += fields[0];
    fields = [];
  };
  for (let index = 0; index < mappings.length; index += 1) {
    const code = mappings.charCodeAt(index);
    if (code === 44 || code === 59) {
      endSegment();
      if (code === 59) {
        lines.push(line);
        line = [];
        column = 0;
      }
      continue;
    }
    const digit = DIGITS.get(code);
    value |= (digit & 31) << shift;
    if (digit & 32) shift += 5;
    else {
      fields.push(value & 1 ? -(value >> 1) : value >> 1);
      [value, shift] = [0, 0];
    }
  }
  endSegment();
  lines.push(line);
  return lines;
}
