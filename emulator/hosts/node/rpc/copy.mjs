/**
 * What the other side gets for a value: copies of data, stubs for functions and RpcTargets (durable-objects.md 8).
 *
 * Both ends live in this process, so nothing is serialized; but everything that user code could tell from a message is kept: what is
 * copied, refused or passed by reference, which objects are the same afterwards, and how much may go over at once.
 */

import { types } from "node:util";
import { Blob, File } from "node:buffer";
import { ReadableStream, WritableStream } from "node:stream/web";
import { AbortSignal, Buffer, structuredClone } from "../originals.mjs";
import { Instance } from "../instance.mjs";
import { Headers } from "../surface/headers.mjs";
import { Request } from "../surface/request.mjs";
import { Response } from "../surface/response.mjs";
import { RpcTarget } from "./bases.mjs";
import { className, cloneError, copyError, unsupported } from "./errors.mjs";
import { Fetcher } from "./fetcher.mjs";
import { Reference } from "./reference.mjs";
import { readableAcross, writableAcross } from "./streams.mjs";
import { RpcStub, stubTo } from "./stub.mjs";
import { isPlain } from "./targets.mjs";
import { requestAcross, responseAcross } from "./web_messages.mjs";
import { wildcardOf } from "./wildcard.mjs";

/** Bytes of one call's arguments, or of its result. */
const LIMIT = 32 * 1024 * 1024;

/** Longer texts are looked at: characters beyond Latin-1 take two bytes. */
const LONG_TEXT = 1024 * 1024;
const BEYOND_LATIN_1 = /[^\0-\xff]/;

/** The classes of views, by the tag of their instances. */
const VIEWS = new Map(
  [
    ...[Int8Array, Uint8Array, Uint8ClampedArray, Int16Array, Uint16Array, Int32Array, Uint32Array, BigInt64Array, BigUint64Array],
    ...[Float16Array, Float32Array, Float64Array, DataView],
  ].map((View) => [View.name, View]),
);

const NOT_A_TARGET =
  "Couldn't create a stub for the RcpTarget because it has a dup() method which did not return another RpcTarget. " +
  "Either remove the dup() method or make sure it returns an RpcTarget.";

/** Copies one message of one owner. */
export class Copier {
  /** What the message lends. @type {import("./reference.mjs").Holding[]} */
  holdings = [];
  #home;
  #isResult;
  #lends;
  #size = 2;
  /** Copies by original; made with the first. @type {Map<object, unknown> | null} */
  #seen = null;

  /**
   * @param {import("../owner.mjs").Owner | null} home whose values they are
   * @param {{isResult?: boolean, lends?: boolean}} options a result gives its stubs away and keeps its home awake, parameters lend theirs;
   *   a message that does not lend takes no functions
   */
  constructor(home, { isResult = false, lends = true }) {
    this.#home = home;
    this.#isResult = isResult;
    this.#lends = lends;
  }

  /**
   * A whole message.
   * @param {unknown} value
   * @returns {unknown}
   * @throws {DOMException} DataCloneError; or Error when it is too large
   */
  message(value) {
    const copy = this.copy(value);
    if (this.#size > LIMIT) {
      throw new Error(
        `Serialized RPC arguments or return values are limited to 32MiB, but the size of this value was: ${this.#size} bytes.`,
      );
    }
    return copy;
  }

  copy = (value) => {
    switch (typeof value) {
      case "string":
        this.#size += textSize(value);
        return value;
      case "number":
        this.#size += Number.isInteger(value) ? 1 + varintSize(value) : 9;
        return value;
      case "bigint":
        this.#size += 10;
        return value;
      case "symbol":
        throw cloneError(`${String(value)} could not be cloned.`);
      case "function":
        return this.#function(value);
      case "object":
        return value === null ? this.#flat(value) : this.#object(value);
      default:
        return this.#flat(value);
    }
  };

  #flat(value) {
    this.#size += 1;
    return value;
  }

  #function(value) {
    const wildcard = wildcardOf(value);
    if (wildcard !== undefined) return this.#passOn(value, wildcard);
    // What no function is, though it can be called: exported classes and entrypoints.
    if (!(value instanceof Function)) throw unsupported(value);
    return this.#known(value) ?? this.#lend(value, value);
  }

  #object(value) {
    const known = this.#known(value);
    if (known !== undefined) return known;
    if (types.isProxy(value)) {
      const wildcard = wildcardOf(value);
      // The platform's serializer takes a Proxy of user code for a thing of the host, and those it can make stubs of.
      return wildcard === undefined ? this.#lend(value, value) : this.#passOn(value, wildcard);
    }
    if (Array.isArray(value)) return this.#array(value);
    return isPlain(value) ? this.#plain(value) : this.#instance(value);
  }

  #known(value) {
    const known = this.#seen?.get(value);
    if (known !== undefined) this.#size += 2;
    return known;
  }

  #remember(value, copy) {
    this.#seen ??= new Map();
    this.#seen.set(value, copy);
    return copy;
  }

  #plain(value) {
    if (Object.hasOwn(value, Symbol.iterator) && types.isArgumentsObject(value)) throw cloneError("#<Object> could not be cloned.");
    this.#size += 3;
    return this.#properties(value, this.#remember(value, {}), Object.keys(value));
  }

  #properties(value, copy, keys) {
    for (const key of keys) {
      this.#size += textSize(key);
      const property = this.copy(value[key]);
      if (key === "__proto__") Object.defineProperty(copy, key, { value: property, writable: true, enumerable: true, configurable: true });
      else copy[key] = property;
    }
    return copy;
  }

  #array(value) {
    this.#size += 3 + 2 * varintSize(value.length);
    const copy = this.#remember(value, []);
    const keys = Object.keys(value);
    if (keys.length === value.length) {
      for (let index = 0; index < value.length; index += 1) copy.push(this.copy(value[index]));
      return copy;
    }
    copy.length = value.length;
    return this.#properties(value, copy, keys);
  }

  #instance(value) {
    if (value instanceof RpcTarget) return this.#lend(value, this.#target(value));
    if (types.isNativeError(value) || value instanceof Error) return this.#error(value);
    if (types.isMap(value)) return this.#map(value);
    if (types.isSet(value)) return this.#set(value);
    if (types.isAnyArrayBuffer(value) || ArrayBuffer.isView(value)) return this.#bytes(value);
    this.#size += 9;
    if (types.isDate(value)) return this.#remember(value, new Date(value.getTime()));
    if (types.isRegExp(value)) return this.#remember(value, new RegExp(value.source, value.flags));
    if (types.isBoxedPrimitive(value)) return this.#boxed(value);
    const make = crossingOf(value);
    return this.#remember(value, make(value, this.#home));
  }

  #target(value) {
    if (this.#isResult || typeof value.dup !== "function") return value;
    const twin = value.dup();
    if (!(twin instanceof RpcTarget)) throw cloneError(NOT_A_TARGET);
    return twin;
  }

  #map(value) {
    this.#size += 2 + varintSize(value.size);
    const copy = this.#remember(value, new Map());
    for (const [key, item] of [...value]) copy.set(this.copy(key), this.copy(item));
    return copy;
  }

  #set(value) {
    this.#size += 2 + varintSize(value.size);
    const copy = this.#remember(value, new Set());
    for (const item of [...value]) copy.add(this.copy(item));
    return copy;
  }

  /** A view goes over with its whole buffer, unless that is Node's pool of small Buffers. */
  #bytes(value) {
    if (types.isSharedArrayBuffer(value)) throw cloneError("Unable to deserialize cloned data.");
    if (types.isArrayBuffer(value)) {
      if (value.detached) throw cloneError("An ArrayBuffer is detached and could not be cloned.");
      this.#size += 1 + varintSize(value.byteLength) + value.byteLength;
      return this.#remember(value, value.slice(0));
    }
    if (Buffer.isBuffer(value)) {
      this.#size += 1 + varintSize(value.byteLength) + value.byteLength;
      return this.#remember(value, new Uint8Array(value));
    }
    this.#size += 8;
    const buffer = this.#known(value.buffer) ?? this.#bytes(value.buffer);
    const View = VIEWS.get(value[Symbol.toStringTag]);
    return this.#remember(value, new View(buffer, value.byteOffset, value.length ?? value.byteLength));
  }

  #boxed(value) {
    if (types.isSymbolObject(value)) throw cloneError("#<Symbol> could not be cloned.");
    return this.#remember(value, Object(value.valueOf()));
  }

  #error(value) {
    this.#size += 16 + textSize(String(value.message));
    return copyError(value, this.copy, (copy) => this.#remember(value, copy));
  }

  /** A stub of a value that stays here. */
  #lend(value, target) {
    if (!this.#lends) throw typeof value === "function" ? cloneError(`${value} could not be cloned.`) : unsupported(value);
    this.#size += 8;
    const keepsAwake = this.#isResult || this.#home instanceof Instance;
    return this.#stub(value, new Reference(target, this.#home, { keepsAwake }).hold());
  }

  /** A stub of somebody else's value goes over as another one. */
  #passOn(value, wildcard) {
    this.#size += 8;
    if (value instanceof Fetcher) return this.#remember(value, wildcard.across());
    if (!(value instanceof RpcStub)) throw unsupported(value);
    const known = this.#known(value);
    if (known !== undefined) return known;
    const holding = wildcard.reach.again();
    if (this.#isResult) wildcard.reach.release();
    return this.#stub(value, holding);
  }

  #stub(value, holding) {
    this.holdings.push(holding);
    return this.#remember(value, stubTo(holding));
  }
}

/**
 * A value as the other side of an RPC call gets it; functions become stubs of the running code's.
 * @param {unknown} value
 * @param {import("../owner.mjs").Owner | null} home whose value it is
 * @returns {unknown}
 * @throws {DOMException} DataCloneError, with the platform's words
 */
export function copyAcross(value, home) {
  return new Copier(home, {}).message(value);
}

/**
 * A copy of data alone, for what errors carry: references are refused, instances of classes lose their class.
 * @param {unknown} value
 * @returns {unknown}
 * @throws {DOMException} DataCloneError
 */
export function copyData(value) {
  if (Object(value) !== value && typeof value !== "symbol") return value;
  if (value instanceof RpcTarget) throw unsupported(value);
  return structuredClone(value);
}

/**
 * A copy of the props of an entrypoint or a class, which may have bindings in them but lend nothing.
 * @param {object} props
 * @returns {object}
 * @throws {DOMException} DataCloneError
 */
export function copyProps(props) {
  return new Copier(null, { lends: false }).message(props);
}

/** How an object of the platform goes over. */
function crossingOf(value) {
  if (value instanceof Response) return responseAcross;
  if (value instanceof Request) return requestAcross;
  if (value instanceof Headers) return (headers) => new Headers(headers);
  if (value instanceof ReadableStream) return readableAcross;
  if (value instanceof WritableStream) return writableAcross;
  if (value instanceof Blob && !(value instanceof File)) return (blob) => new Blob([blob], { type: blob.type });
  throw refusal(value);
}

function refusal(value) {
  if (value instanceof AbortSignal) return cloneError("AbortSignal serialization is not enabled.");
  if (types.isGeneratorObject(value)) return cloneError(`${Object.prototype.toString.call(value)} could not be cloned.`);
  const ofTheLanguage =
    types.isPromise(value) ||
    types.isWeakMap(value) ||
    types.isWeakSet(value) ||
    value instanceof WeakRef ||
    value instanceof FinalizationRegistry ||
    Object.prototype.toString.call(value).startsWith("[object Intl.");
  return ofTheLanguage ? cloneError(`#<${className(value)}> could not be cloned.`) : unsupported(value);
}

function textSize(text) {
  const bytes = text.length > LONG_TEXT && BEYOND_LATIN_1.test(text) ? text.length * 2 : text.length;
  return 1 + varintSize(bytes) + bytes;
}

/** Bytes of a number in groups of seven bits. */
function varintSize(value) {
  let size = 1;
  for (let left = Math.abs(value); left >= 0x80; left /= 0x80) size += 1;
  return size;
}
