/** Bodies of responses that say they are gzip: the platform packs them on their way out, unless `encodeBody` is "manual". */

import { Readable } from "node:stream";
import { process } from "../originals.mjs";
import { encodeBodyOf } from "./response.mjs";

/** @typedef {import("./body.mjs").Content} Content */

/** Loaded when the first such body leaves: it takes longer than the rest of the surface. */
const zlib = () => process.getBuiltinModule("node:zlib");

const HEADER = "content-encoding";

/**
 * The lines and the content of a response as they go over the wire. What is not gzip passes as it is.
 *
 * @param {import("./response.mjs").Response} response
 * @param {[string, string][]} lines its header lines
 * @param {Content} content its body
 * @returns {{lines: [string, string][], content: Content}}
 */
export function encoded(response, lines, content) {
  if (content === null || !lines.some(isGzip) || encodeBodyOf(response) === "manual") return { lines, content };
  const packed = typeof content === "string" || content instanceof Uint8Array ? zlib().gzipSync(content) : new GzipSource(content);
  return { lines: lines.filter(([name]) => name.toLowerCase() !== "content-length"), content: packed };
}

function isGzip([name, value]) {
  return name.length === HEADER.length && name.toLowerCase() === HEADER && value.trim().toLowerCase() === "gzip";
}

/** A BodySource packed; what is there so far goes out with each chunk. */
class GzipSource {
  #source;
  #packed;
  #chunks;

  /** @param {import("./body_stream.mjs").BodySource} source */
  constructor(source) {
    this.#source = source;
    const plain = Readable.from(chunksOf(source));
    const { constants, createGzip } = zlib();
    this.#packed = createGzip({ flush: constants.Z_SYNC_FLUSH });
    plain.on("error", (error) => this.#packed.destroy(error));
    plain.pipe(this.#packed);
    this.#chunks = this.#packed[Symbol.asyncIterator]();
  }

  read() {
    return this.#chunks.next();
  }

  cancel(reason) {
    this.#packed.destroy();
    this.#source.cancel(reason);
  }
}

async function* chunksOf(source) {
  for (let step = await source.read(); !step.done; step = await source.read()) yield step.value;
}
