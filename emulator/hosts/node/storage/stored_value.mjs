/**
 * Values as the platform stores them: V8's serialization format, byte for byte what the real runtime writes (design 4.2).
 *
 * V8 itself does the work. What the platform adds are *host objects*, marked by a tag of its own: DOMExceptions always, and errors
 * with all their properties since the compatibility flag `enhanced_error_serialization` (before it V8 writes errors, without their
 * properties). Observed in files of workerd 1.20261117.
 */
import { Buffer } from "node:buffer";
import { types } from "node:util";
import { Deserializer, Serializer } from "node:v8";
import { refusalOf } from "./platform_classes.mjs";

/** The platform's numbers of host objects. */
const DOM_EXCEPTION = 8;
const ERROR = 10;
const UNREADABLE = { 4: "Headers", 5: "Request", 6: "Response", 15: "Blob" };
/** The platform's numbers of errors, by their `name`; any other name is 0 and written out. */
const ERROR_NUMBERS = {
  Error: 1,
  TypeError: 2,
  RangeError: 3,
  ReferenceError: 4,
  SyntaxError: 5,
  EvalError: 10,
  URIError: 11,
  AggregateError: 12,
  SuppressedError: 13,
};
const ERROR_CLASSES = new Map(Object.entries(ERROR_NUMBERS).map(([name, number]) => [number, globalThis[name] ?? Error]));
/** Longer arrays may be mostly holes: only what is there is looked at. */
const LONG_ARRAY = 10_000;

/**
 * @param {any} value
 * @param {{richErrors: boolean}} flags
 * @returns {Uint8Array}
 * @throws {DOMException} DataCloneError, with the real runtime's text, for what cannot be stored
 */
export function encode(value, { richErrors }) {
  const writer = new Writer();
  writer.writeHeader();
  writer.writeValue(hasHostObject(value, richErrors, null) ? new Substitution(richErrors).of(value) : value);
  return writer.releaseBuffer();
}

/**
 * @param {Uint8Array} data
 * @returns {any}
 */
export function decode(data) {
  const reader = new Reader(data);
  reader.readHeader();
  return reader.readValue();
}

class Writer extends Serializer {
  /** V8 asks for the error of what it cannot write. */
  _getDataCloneError(message) {
    return cloneError(message);
  }

  /** V8 has come to one of ours. */
  _writeHostObject(placeholder) {
    placeholder.write(this);
  }

  writeText(text) {
    const bytes = Buffer.from(text);
    this.writeUint32(bytes.length);
    this.writeRawBytes(bytes);
  }
}

class Reader extends Deserializer {
  _readHostObject() {
    const tag = this.readUint32();
    if (tag === ERROR) return this.#readError();
    if (tag === DOM_EXCEPTION) return this.#readDomException();
    throw cloneError(`agents-emu cannot read a stored ${UNREADABLE[tag] ?? `object of the platform (tag ${tag})`}.`);
  }

  #readError() {
    const number = this.readUint32();
    const name = number === 0 ? [this.readValue()] : [];
    const message = this.readValue();
    const properties = this.readValue();
    const Class = ERROR_CLASSES.get(number) ?? Error;
    const error = Class === AggregateError ? new Class([]) : new Class();
    for (const key of Object.getOwnPropertyNames(error)) if (key !== "stack") delete error[key];
    define(error, "message", message, false);
    for (const item of name) define(error, "name", item, true);
    for (const [key, item] of Object.entries(properties)) define(error, key, item, true);
    return error;
  }

  #readDomException() {
    const [name, message, stack] = [this.#readText(), this.#readText(), this.#readText()];
    return define(new DOMException(message, name), "stack", stack, false);
  }

  #readText() {
    return Buffer.from(this.readRawBytes(this.readUint32())).toString();
  }
}

/**
 * Whether V8 alone would not write `value` as the platform does.
 * @throws {DOMException} DataCloneError for an object of the platform that cannot be stored, which V8 would take for a plain one
 */
function hasHostObject(value, richErrors, seen) {
  if (typeof value !== "object" || value === null) return false;
  if (seen?.has(value)) return false;
  const inside = (item) => {
    if (typeof item !== "object" || item === null) return false;
    seen ??= new Set();
    seen.add(value);
    return hasHostObject(item, richErrors, seen);
  };
  if (Array.isArray(value)) return (value.length > LONG_ARRAY ? Object.values(value) : value).some(inside);
  const prototype = Object.getPrototypeOf(value);
  if (prototype === Object.prototype || prototype === null) return !types.isProxy(value) && Object.values(value).some(inside);
  if (types.isMap(value)) return [...value.keys()].some(inside) || [...value.values()].some(inside);
  if (types.isSet(value)) return [...value].some(inside);
  if (value instanceof DOMException) return true;
  if (types.isNativeError(value)) return richErrors;
  if (isV8s(value)) return false;
  if (types.isProxy(value)) return false;
  const refusal = refusalOf(value);
  if (refusal !== null) throw cloneError(refusal);
  return Object.values(value).some(inside);
}

/** Objects without members that V8 writes, or refuses, by itself. */
function isV8s(value) {
  return (
    ArrayBuffer.isView(value) ||
    types.isAnyArrayBuffer(value) ||
    types.isDate(value) ||
    types.isRegExp(value) ||
    types.isBoxedPrimitive(value)
  );
}

/** A copy of a value in which placeholders stand for host objects. Identity and cycles stay. */
class Substitution {
  #copies = new Map();
  #richErrors;

  constructor(richErrors) {
    this.#richErrors = richErrors;
  }

  of(value) {
    if (typeof value !== "object" || value === null) return value;
    const known = this.#copies.get(value);
    if (known !== undefined) return known;
    if (value instanceof DOMException) return this.#keep(value, new StoredDomException(value));
    if (types.isNativeError(value)) return this.#error(value);
    if (isV8s(value) || types.isProxy(value)) return value;
    if (types.isMap(value)) {
      const copy = this.#keep(value, new Map());
      for (const [key, item] of value) copy.set(this.of(key), this.of(item));
      return copy;
    }
    if (types.isSet(value)) {
      const copy = this.#keep(value, new Set());
      for (const item of value) copy.add(this.of(item));
      return copy;
    }
    if (Array.isArray(value)) return this.#array(value);
    const copy = this.#keep(value, {});
    for (const key of Object.keys(value)) define(copy, key, this.of(value[key]), true);
    return copy;
  }

  /** Filled from the front: V8 writes arrays without holes in another way. */
  #array(array) {
    const copy = this.#keep(array, []);
    for (const key of Object.keys(array)) copy[key] = this.of(array[key]);
    if (copy.length !== array.length) copy.length = array.length;
    return copy;
  }

  #error(error) {
    if (!this.#richErrors) return error;
    const placeholder = this.#keep(error, new StoredError(error));
    for (const key of Object.getOwnPropertyNames(error)) {
      if (key !== "name" && key !== "message") define(placeholder.properties, key, this.of(error[key]), true);
    }
    return placeholder;
  }

  #keep(value, copy) {
    this.#copies.set(value, copy);
    return copy;
  }
}

/** V8 takes what is not made of JavaScript for a host object: a Serializer, for one. */
class StoredError extends Serializer {
  properties = {};
  #error;

  constructor(error) {
    super();
    this.#error = error;
  }

  write(writer) {
    const { name, message } = this.#error;
    const number = Object.hasOwn(ERROR_NUMBERS, name) ? ERROR_NUMBERS[name] : 0;
    writer.writeUint32(ERROR);
    writer.writeUint32(number);
    if (number === 0) writer.writeValue(name);
    writer.writeValue(message);
    writer.writeValue(this.properties);
  }
}

class StoredDomException extends Serializer {
  #exception;

  constructor(exception) {
    super();
    this.#exception = exception;
  }

  write(writer) {
    writer.writeUint32(DOM_EXCEPTION);
    for (const text of [this.#exception.name, this.#exception.message, this.#exception.stack]) writer.writeText(String(text));
  }
}

function define(object, key, value, enumerable) {
  return Object.defineProperty(object, key, { value, enumerable, writable: true, configurable: true });
}

function cloneError(message) {
  return new DOMException(message, "DataCloneError");
}
