/** `tracing` of `cloudflare:workers`: the platform's shapes, recording nothing. */

import { wrongParameter } from "./arguments.mjs";

const STATUS_CODES = new Set(["unset", "ok", "error"]);

/** Marks constructor calls of ours. */
const OURS = Symbol("span");

/** A span that is not recorded. */
export class Span {
  constructor(token) {
    if (token !== OURS) throw new TypeError("Illegal constructor");
  }

  get isTraced() {
    return false;
  }

  spanContext() {
    return { traceId: "0".repeat(32), spanId: "0".repeat(16), traceFlags: 0 };
  }

  setAttribute() {
    return this;
  }

  setAttributes() {
    return this;
  }

  recordException() {}

  updateName() {
    return this;
  }

  setStatus(status) {
    if (!STATUS_CODES.has(status?.code)) throw new TypeError("Span status code must be 'unset', 'ok', or 'error'.");
    return this;
  }

  end() {}

  get [Symbol.toStringTag]() {
    return "Span";
  }
}

/** The one span there is: nothing tells unrecorded spans apart. */
const span = new Span(OURS);

/** The object `tracing`. */
export class Tracing {
  /** The class of spans, for `instanceof`. */
  get Span() {
    return Span;
  }

  /** Run `callback(span, ...args)`; its result. */
  enterSpan(_name, callback, ...args) {
    return this.#within("enterSpan", callback, args);
  }

  /** The same under OpenTelemetry's name. */
  startActiveSpan(_name, callback, ...args) {
    return this.#within("startActiveSpan", callback, args);
  }

  startSpan(_name) {
    return span;
  }

  getActiveSpan() {
    return span;
  }

  /** Run `callback(...args)` with a span as the active one. */
  withActiveSpan(_span, callback, ...args) {
    if (typeof callback !== "function") throw wrongParameter("withActiveSpan", "Tracing", 2, "Function");
    return callback(...args);
  }

  #within(method, callback, args) {
    if (typeof callback !== "function") throw wrongParameter(method, "Tracing", 2, "Function");
    return callback(span, ...args);
  }

  get [Symbol.toStringTag]() {
    return "Tracing";
  }
}
