/** `tracing` of `cloudflare:workers`: the platform's shapes, recording nothing. */

/** A span that is not recorded. */
export class Span {
  get isTraced() {
    return false;
  }

  spanContext() {}

  setAttribute() {
    return this;
  }

  setAttributes() {
    return this;
  }

  recordException() {
    return this;
  }

  updateName() {
    return this;
  }

  setStatus() {
    return this;
  }

  end() {}
}

/** The object `tracing`. */
export class Tracing {
  /** Run `callback(span, ...args)` inside a span; its result. */
  enterSpan(_name, callback, ...args) {
    return callback(new Span(), ...args);
  }

  startActiveSpan(_name, callback, ...args) {
    return callback(new Span(), ...args);
  }

  startSpan(_name) {
    return new Span();
  }

  getActiveSpan() {
    return undefined;
  }

  withActiveSpan(_span, callback, ...args) {
    return callback(...args);
  }
}
