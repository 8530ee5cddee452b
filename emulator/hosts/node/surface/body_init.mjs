/** What `new Request` and `new Response` take as a body (`BodyInit`). */

import { Blob } from "node:buffer";
import { isDisturbed } from "node:stream";
import { ReadableStream } from "node:stream/web";
import { needEvent } from "../module_level.mjs";
import { URLSearchParams } from "../originals.mjs";
import { LaterSource } from "./body_stream.mjs";
import { encodeForm, FormData } from "./form_data.mjs";

const TEXT = "text/plain;charset=UTF-8";
const FORM = "application/x-www-form-urlencoded;charset=UTF-8";

/**
 * @typedef {object} Extracted
 * @property {string | Uint8Array | import("./body_stream.mjs").BodySource | ReadableStream | null} content
 * @property {string | null} contentType what the body's kind implies
 */

/**
 * A body and the content type it implies. Bytes are copied: the caller may write into them afterwards.
 *
 * @param {unknown} init
 * @returns {Extracted}
 * @throws {TypeError} for a stream that was read from
 */
export function extract(init) {
  if (init === null || init === undefined) return { content: null, contentType: null };
  if (init instanceof ReadableStream) return { content: readable(init), contentType: null };
  needEvent();
  if (typeof init === "string") return { content: init, contentType: TEXT };
  if (typeof init === "object") return extractObject(init);
  return { content: `${init}`, contentType: TEXT };
}

function extractObject(init) {
  if (init instanceof ArrayBuffer) return { content: new Uint8Array(init.slice()), contentType: null };
  if (ArrayBuffer.isView(init)) return { content: copyOf(init), contentType: null };
  if (init instanceof URLSearchParams) return { content: init.toString(), contentType: FORM };
  if (init instanceof Blob) return { content: new LaterSource(() => init.bytes()), contentType: init.type || null };
  if (init instanceof FormData) return encodeForm(init);
  if (Symbol.asyncIterator in init || Symbol.iterator in init) return { content: ReadableStream.from(init), contentType: null };
  return { content: String(init), contentType: TEXT };
}

function readable(stream) {
  if (isDisturbed(stream))
    throw new TypeError("This ReadableStream is disturbed (has already been read from), and cannot be used as a body.");
  if (stream.locked) throw new TypeError("This ReadableStream is locked to a reader, and cannot be used as a body.");
  return stream;
}

function copyOf(view) {
  return new Uint8Array(view.buffer, view.byteOffset, view.byteLength).slice();
}
