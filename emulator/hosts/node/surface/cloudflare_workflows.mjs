/** The module `cloudflare:workflows`. */

/** A step that throws it is not tried again. */
export class NonRetryableError extends Error {
  constructor(message, name = "NonRetryableError") {
    super(message);
    this.name = name;
  }
}
