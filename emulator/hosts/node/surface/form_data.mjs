/** `FormData`, and forms as bytes: multipart/form-data (RFC 7578) and application/x-www-form-urlencoded. */

import { Blob, Buffer, File } from "node:buffer";
import { randomBytes } from "../chance.mjs";
import { URLSearchParams } from "../originals.mjs";
import { wrongParameter } from "./arguments.mjs";
import { LaterSource } from "./body_stream.mjs";
import { essence, parameter } from "./media_type.mjs";

const UNKNOWN_TYPE =
  "Unrecognized Content-Type header value. FormData can only parse the following MIME types: multipart/form-data, application/x-www-form-urlencoded";
const NO_BOUNDARY =
  "No boundary string in Content-Type header. The multipart/form-data MIME type requires a boundary parameter, " +
  "e.g. 'Content-Type: multipart/form-data; boundary=\"abcd\"'. See RFC 7578, section 4.";
const NOT_UTF8 = "Non-utf-8 application/x-www-form-urlencoded body.";
const NO_START = "No initial boundary string (or you have a truncated message).";
const NO_HEAD_END = "No multipart message header termination found.";
const NO_NEXT = "No subsequent boundary string after multipart message.";
const NO_DISPOSITION = "No valid Content-Disposition header found in FormData part.";
const NO_NAME = "Content-Disposition header in FormData part is missing a name.";
const OCTETS = "application/octet-stream";

/** An ordered multimap of names to texts and files. */
export class FormData {
  /** @type {[string, string | File][]} */
  #entries = [];

  append(...given) {
    this.#entries.push([String(given[0]), entryValue("append", given)]);
  }

  set(...given) {
    const entry = [String(given[0]), entryValue("set", given)];
    const at = this.#entries.findIndex(([other]) => other === entry[0]);
    if (at < 0) {
      this.#entries.push(entry);
      return;
    }
    this.#entries[at] = entry;
    this.#entries = this.#entries.filter((other, index) => index <= at || other[0] !== entry[0]);
  }

  delete(name) {
    this.#entries = this.#entries.filter(([other]) => other !== String(name));
  }

  get(name) {
    return this.#entries.find(([other]) => other === String(name))?.[1] ?? null;
  }

  getAll(name) {
    return this.#entries.filter(([other]) => other === String(name)).map(([, value]) => value);
  }

  has(name) {
    return this.#entries.some(([other]) => other === String(name));
  }

  forEach(callback, thisArg) {
    for (const [name, value] of this.#entries) callback.call(thisArg, value, name, this);
  }

  *entries() {
    for (const [name, value] of this.#entries) yield [name, value];
  }

  *keys() {
    for (const [name] of this.#entries) yield name;
  }

  *values() {
    for (const [, value] of this.#entries) yield value;
  }

  [Symbol.iterator]() {
    return this.entries();
  }

  get [Symbol.toStringTag]() {
    return "FormData";
  }
}

/** A file without a name is named after its entry. */
function entryValue(method, given) {
  const [name, value, filename] = given;
  if (given.length < 2) throw wrongParameter(method, "FormData", 2, "File or Blob or string");
  if (!(value instanceof Blob)) return String(value);
  if (value instanceof File && filename === undefined) return value;
  return new File([value], String(filename ?? name), { type: value.type });
}

/**
 * A form as a multipart body.
 *
 * @param {FormData} form
 * @returns {{content: Uint8Array | import("./body_stream.mjs").LaterSource, contentType: string}} The bytes of files are read later.
 */
export function encodeForm(form) {
  const boundary = randomBytes(16).toString("hex");
  const pieces = [];
  for (const [name, value] of form) {
    const disposition = `--${boundary}\r\nContent-Disposition: form-data; name="${quoted(name)}"`;
    if (typeof value === "string") {
      pieces.push(Buffer.from(`${disposition}\r\n\r\n${value}\r\n`));
      continue;
    }
    pieces.push(Buffer.from(`${disposition}; filename="${quoted(value.name)}"\r\nContent-Type: ${value.type || OCTETS}\r\n\r\n`));
    pieces.push(value, Buffer.from("\r\n"));
  }
  pieces.push(Buffer.from(`--${boundary}--`));
  const hasFiles = pieces.some((piece) => piece instanceof Blob);
  const content = hasFiles ? new LaterSource(() => new Blob(pieces).bytes()) : Buffer.concat(pieces);
  return { content, contentType: `multipart/form-data; boundary=${boundary}` };
}

function quoted(name) {
  return name.replaceAll("\n", "%0A").replaceAll('"', "%22");
}

/**
 * A body as a form.
 *
 * @param {Uint8Array} bytes
 * @param {string} contentType
 * @returns {FormData}
 * @throws {TypeError}
 */
export function parseForm(bytes, contentType) {
  const data = Buffer.from(bytes.buffer, bytes.byteOffset, bytes.byteLength);
  switch (essence(contentType)) {
    case "application/x-www-form-urlencoded":
      if ((parameter(contentType, "charset") ?? "utf-8").toLowerCase() !== "utf-8") throw new TypeError(NOT_UTF8);
      return parseUrlEncoded(data.utf8Slice());
    case "multipart/form-data": {
      const boundary = parameter(contentType, "boundary");
      if (boundary === null) throw new TypeError(NO_BOUNDARY);
      return parseMultipart(data, boundary);
    }
    default:
      throw new TypeError(UNKNOWN_TYPE);
  }
}

function parseUrlEncoded(text) {
  const form = new FormData();
  for (const [name, value] of new URLSearchParams(text)) form.append(name, value);
  return form;
}

function parseMultipart(data, boundary) {
  const form = new FormData();
  // One character per byte: positions in the text are positions in the data.
  const text = data.latin1Slice();
  const delimiter = `--${boundary}`;
  let at = text.startsWith(delimiter) ? 0 : text.indexOf(`\n${delimiter}`) + 1;
  if (!text.startsWith(delimiter, at)) throw new TypeError(NO_START);
  at += delimiter.length;
  while (!text.startsWith("--", at)) {
    const head = /\r?\n\r?\n/g;
    head.lastIndex = at;
    const headEnd = head.exec(text);
    if (headEnd === null) throw new TypeError(NO_HEAD_END);
    const next = text.indexOf(`\n${delimiter}`, head.lastIndex - 1);
    if (next < 0) throw new TypeError(NO_NEXT);
    const end = text[next - 1] === "\r" ? next - 1 : next;
    appendPart(form, data.utf8Slice(at, headEnd.index), data.subarray(Math.min(head.lastIndex, end), end));
    at = next + 1 + delimiter.length;
  }
  return form;
}

function appendPart(form, head, content) {
  const fields = new Map();
  for (const line of head.split(/\r?\n/)) {
    const colon = line.indexOf(":");
    if (colon >= 0) fields.set(line.slice(0, colon).trim().toLowerCase(), line.slice(colon + 1).trim());
  }
  const disposition = fields.get("content-disposition");
  if (disposition === undefined || essence(disposition) !== "form-data") throw new TypeError(NO_DISPOSITION);
  const name = quotedParameter(disposition, "name");
  if (name === null) throw new TypeError(NO_NAME);
  const filename = quotedParameter(disposition, "filename");
  if (filename === null) form.append(name, content.utf8Slice());
  else form.append(name, new File([content], filename, { type: fields.get("content-type") ?? "" }));
}

/** The platform takes what stands between the quotes as it is. */
function quotedParameter(field, name) {
  return new RegExp(`;\\s*${name}="([^"]*)"`, "i").exec(field)?.[1] ?? null;
}
