/** Event classes of the platform. Node's own `MessageEvent` and `CloseEvent` would load the whole of its fetch. */

import { Event } from "../originals.mjs";

/** A message, of a WebSocket or an EventSource. */
export class MessageEvent extends Event {
  #init;

  /** @param {string} type @param {{data?: unknown, origin?: string | null, lastEventId?: string, source?: object, ports?: object[]}} [init] */
  constructor(type, init = {}) {
    super(type, init);
    this.#init = init;
  }

  get data() {
    return this.#init.data === undefined ? null : this.#init.data;
  }

  get origin() {
    return this.#init.origin === undefined ? "" : this.#init.origin;
  }

  get lastEventId() {
    return this.#init.lastEventId ?? "";
  }

  get source() {
    return this.#init.source ?? null;
  }

  get ports() {
    return this.#init.ports ?? [];
  }
}

/** The end of a WebSocket. */
export class CloseEvent extends Event {
  #init;

  /** @param {string} type @param {{code?: number, reason?: string, wasClean?: boolean}} [init] */
  constructor(type, init = {}) {
    super(type, init);
    this.#init = init;
  }

  get code() {
    return this.#init.code ?? 0;
  }

  get reason() {
    return this.#init.reason ?? "";
  }

  get wasClean() {
    return this.#init.wasClean ?? false;
  }
}

/** An error that reached a target. */
export class ErrorEvent extends Event {
  #init;

  /** @param {string} type @param {{message?: string, filename?: string, lineno?: number, colno?: number, error?: unknown}} [init] */
  constructor(type, init = {}) {
    super(type, init);
    this.#init = init;
  }

  get message() {
    return this.#init.message ?? "";
  }

  get filename() {
    return this.#init.filename ?? "";
  }

  get lineno() {
    return this.#init.lineno ?? 0;
  }

  get colno() {
    return this.#init.colno ?? 0;
  }

  get error() {
    return this.#init.error;
  }
}

/** An error as targets hear of it. @param {unknown} error @returns {ErrorEvent} */
export function errorEvent(error) {
  const text = error instanceof Error ? `${error.name}: ${error.message}` : String(error);
  return new ErrorEvent("error", { error, message: `Uncaught ${text}`, cancelable: true });
}

/** A rejection that nobody handled. */
export class PromiseRejectionEvent extends Event {
  #init;

  /** @param {string} type @param {{promise: Promise<unknown>, reason?: unknown}} init */
  constructor(type, init) {
    super(type, init);
    this.#init = init;
  }

  get promise() {
    return this.#init.promise;
  }

  get reason() {
    return this.#init.reason;
  }
}

/** Events that only the platform makes; user code of the module kind never sees one. */
export class ExtendableEvent extends Event {
  constructor() {
    throw new TypeError("Illegal constructor");
  }
}

export class FetchEvent extends ExtendableEvent {}
export class ScheduledEvent extends ExtendableEvent {}
export class TailEvent extends ExtendableEvent {}
export class TraceEvent extends ExtendableEvent {}
