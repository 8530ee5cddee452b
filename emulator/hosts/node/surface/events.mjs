/** Event classes of the platform that Node does not have. */

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

/** The end of a WebSocket. Node's own class where it has one. */
export const CloseEvent = globalThis.CloseEvent;
