/**
 * What Request and Response share: a body that is nothing, known text or bytes, a source of chunks that has not been asked yet, or a stream.
 *
 * Known text and bytes stay what they are from the link through user code and back; a stream object is only made when somebody asks for
 * `.body`. The host takes the body out with `contentOf`.
 */

import { isDisturbed } from "node:stream";
import { Blob, Buffer } from "node:buffer";
import { ReadableStream } from "node:stream/web";
import { parseJson } from "../originals.mjs";
import { declaredLength, joined, sourceOf, streamOf } from "./body_stream.mjs";
import { mediaType } from "./media_type.mjs";
import { parseForm } from "./form_data.mjs";
import { webInterface } from "./web_interface.mjs";

const { utf8Slice } = Buffer.prototype;

const USED = "Body has already been used. It can only be used once. Use tee() first if you need to read it twice.";
const LOCKED = "This ReadableStream is currently locked to a reader";

/** @typedef {import("../wire/exchange.mjs").BodySource} BodySource */
/** @typedef {string | Uint8Array | BodySource | null} Content what the host takes out of a body or puts into one */

/** Marks constructor calls of ours. */
export const OURS = Symbol("body of the host");

/** @type {(body: Body) => Content} */
let take;
/** @type {(from: Body, to: Body) => void} */
let share;
/** @type {(from: Body, to: Body) => void} */
let move;
/** @type {(body: Body) => number | null} */
let size;
/** @type {(body: Body) => boolean} */
let present;

/** Base of Request and Response. At most one of `#known`, `#source` and `#stream` is set, until `.body` is asked for. */
export class Body {
  static {
    take = (body) => body.#take(true);
    share = (from, to) => from.#share(to);
    move = (from, to) => from.#move(to);
    present = (body) => body.#known !== null || body.#source !== null || body.#stream !== null;
    size = (body) => {
      if (body.#known !== null) return byteLength(body.#known);
      return body.#stream === null ? null : declaredLength(body.#stream);
    };
  }

  #headers;
  /** @type {string | Uint8Array | null} */
  #known;
  /** @type {BodySource | null} */
  #source;
  /** @type {ReadableStream | null} */
  #stream;
  #used = false;
  /** The known bytes are in an ArrayBuffer that nobody else has. */
  #exclusive;

  constructor(token, headers, content) {
    if (token !== OURS) throw new TypeError("Illegal constructor");
    this.#headers = headers;
    this.#known = this.#source = this.#stream = null;
    this.#exclusive = true;
    if (typeof content === "string" || content instanceof Uint8Array) this.#known = content;
    else if (content instanceof ReadableStream) this.#stream = content;
    else if (content !== null) this.#source = content;
  }

  get headers() {
    return this.#headers;
  }

  /** The ReadableStream, null without a body. */
  get body() {
    if (this.#stream === null && (this.#known !== null || this.#source !== null)) {
      this.#stream = streamOf(this.#used ? "" : (this.#source ?? this.#known));
      this.#source = null;
      if (this.#used) exhaust(this.#stream);
    }
    return this.#stream;
  }

  get bodyUsed() {
    return this.#used || (this.#stream !== null && isDisturbed(this.#stream));
  }

  async text() {
    const content = await this.#all();
    return typeof content === "string" ? content.toWellFormed() : textOf(content);
  }

  async json() {
    const content = await this.#all();
    return parseJson(typeof content === "string" ? content : textOf(content));
  }

  async arrayBuffer() {
    return (await this.#bytes()).buffer;
  }

  async bytes() {
    return this.#bytes();
  }

  async blob() {
    return new Blob([await this.#all()], { type: mediaType(this.#headers.get("content-type")) });
  }

  async formData() {
    const type = this.#headers.get("content-type");
    if (type === null) throw new TypeError("Parsing a Body as FormData requires a Content-Type header.");
    const content = await this.#all();
    return parseForm(typeof content === "string" ? Buffer.from(content) : content, type);
  }

  /** Everything, in an ArrayBuffer of its own. */
  async #bytes() {
    const content = await this.#all();
    if (typeof content === "string") return new Uint8Array(Buffer.from(content));
    const whole = this.#exclusive && content.constructor === Uint8Array && content.byteLength === content.buffer.byteLength;
    return whole ? content : new Uint8Array(content);
  }

  #all() {
    const content = this.#take(false);
    if (content === null) return "";
    return typeof content === "string" || content instanceof Uint8Array ? content : this.#collect(content);
  }

  async #collect(source) {
    const chunks = [];
    for (let step = await source.read(); !step.done; step = await source.read()) chunks.push(step.value);
    return joined(chunks);
  }

  #take(text) {
    this.#checkUnused();
    if (this.#known !== null) {
      this.#used = true;
      if (this.#stream !== null) exhaust(this.#stream);
      return this.#known;
    }
    if (this.#source !== null) {
      this.#used = true;
      return this.#source;
    }
    if (this.#stream === null) return null;
    this.#used = true;
    return sourceOf(this.#stream, { text });
  }

  #checkUnused() {
    if (this.#used) throw new TypeError(USED);
    if (this.#stream === null) return;
    if (this.#stream.locked) throw new TypeError(`${LOCKED}.`);
    if (isDisturbed(this.#stream)) throw new TypeError(USED);
  }

  #share(to) {
    if (this.#used || (this.#stream !== null && (this.#stream.locked || isDisturbed(this.#stream)))) throw new TypeError(`${LOCKED},`);
    if (this.#known !== null) {
      to.#known = this.#known;
      this.#exclusive = to.#exclusive = false;
    } else if (this.body !== null) {
      [this.#stream, to.#stream] = this.#stream.tee();
    }
  }

  #move(to) {
    if (this.bodyUsed || this.#stream?.locked) throw new TypeError("Cannot reconstruct a Request with a used body.");
    if (this.#known === null && this.#source === null && this.#stream === null) return;
    to.#known = this.#known;
    to.#source = this.#source;
    to.#exclusive = this.#exclusive;
    if (this.#known === null) to.#stream = this.#stream;
    else if (this.#stream !== null) exhaust(this.#stream);
    if (this.#known === null && this.#stream !== null) {
      // The old object keeps a stream of its own, one that is used.
      this.#stream = null;
      this.#known = "";
    }
    this.#source = null;
    this.#used = true;
  }
}

webInterface(Body);

/**
 * Take the body out, which is used from now on.
 *
 * @param {Body} body
 * @returns {Content}
 * @throws {TypeError} when it was used or is being read
 */
export function contentOf(body) {
  return take(body);
}

/** `clone()`: both have the body afterwards. @param {Body} from @param {Body} to */
export function shareBody(from, to) {
  share(from, to);
}

/** `new Request(request)`: the body goes over, the first one is used. @param {Body} from @param {Body} to */
export function moveBody(from, to) {
  move(from, to);
}

/** Whether `body.body` is not null, without making the stream. @param {Body} body */
export function hasBody(body) {
  return present(body);
}

/** How many bytes a body has; null when it has none, or nobody knows. @param {Body} body @returns {number | null} */
export function knownSize(body) {
  return size(body);
}

function byteLength(known) {
  return typeof known === "string" ? Buffer.byteLength(known) : known.byteLength;
}

/** UTF-8 without its byte order mark. */
function textOf(bytes) {
  const from = bytes.length >= 3 && bytes[0] === 0xef && bytes[1] === 0xbb && bytes[2] === 0xbf ? 3 : 0;
  return utf8Slice.call(bytes, from, bytes.length);
}

/** A stream that somebody else has read to the end. */
function exhaust(stream) {
  stream.getReader().cancel();
}
