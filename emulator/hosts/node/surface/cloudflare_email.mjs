/** `cloudflare:email`. */

/** A message to be sent, as `send_email` bindings and `message.reply` take it. */
export class EmailMessage {
  #from;
  #to;
  #raw;

  /**
   * @param {string} from
   * @param {string} to
   * @param {ReadableStream | string} raw the whole MIME message
   */
  constructor(from, to, raw) {
    this.#from = String(from);
    this.#to = String(to);
    this.#raw = raw;
  }

  get from() {
    return this.#from;
  }

  get to() {
    return this.#to;
  }

  get raw() {
    return this.#raw;
  }
}
