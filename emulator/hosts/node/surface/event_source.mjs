/** `EventSource`: server-sent events as a client (the WHATWG HTML standard, 9.2), over `fetch` or a stream. */

import { atModuleLevel } from "../module_level.mjs";
import { AbortController, DOMException, Event, EventTarget, TextDecoder, URL } from "../originals.mjs";
import { wrongConstructorParameter } from "./arguments.mjs";
import { ErrorEvent, MessageEvent } from "./events.mjs";
import { fetch } from "./fetch.mjs";
import { essence } from "./media_type.mjs";
import { after } from "./scheduler.mjs";

const NO_EVENT = "An EventSource can only be created within the context of a worker request.";
const CONNECTING = 0;
const OPEN = 1;
const CLOSED = 2;
const FIRST_RETRY_MS = 2000;
/** Marks a constructor call of ours. */
const FROM_STREAM = Symbol("event source over a stream");

/** A connection that reads events until it is closed; it comes back by itself. */
export class EventSource extends EventTarget {
  onopen = null;
  onmessage = null;
  onerror = null;
  #url;
  #readyState = CONNECTING;
  #lastEventId = "";
  #retryMs = FIRST_RETRY_MS;
  #closing = new AbortController();

  /**
   * @param {string | URL} url
   * @param {{withCredentials?: false}} [init]
   */
  constructor(url, init = {}) {
    super();
    if (url === FROM_STREAM) {
      this.#url = "";
      this.#readyState = OPEN;
      this.#follow(init);
      return;
    }
    if (atModuleLevel()) throw new DOMException(NO_EVENT, "NotSupportedError");
    if (url === undefined) throw wrongConstructorParameter("EventSource", 1, "string");
    const parsed = URL.parse(url);
    if (parsed === null) throw new DOMException(`Cannot open an EventSource to '${url}'. The URL is invalid.`, "SyntaxError");
    if (init.withCredentials) {
      throw new DOMException("The init.withCredentials option is not supported. It must be false or undefined.", "NotSupportedError");
    }
    this.#url = parsed.href;
    this.#connect();
  }

  /** Events of a stream of bytes; there is nothing to reconnect to. @param {ReadableStream} stream */
  static from(stream) {
    return new EventSource(FROM_STREAM, stream);
  }

  get url() {
    return this.#url;
  }

  get withCredentials() {
    return false;
  }

  get readyState() {
    return this.#readyState;
  }

  /** Ends it for good. */
  close() {
    this.#readyState = CLOSED;
    this.#closing.abort();
  }

  [Symbol.dispose]() {
    this.close();
  }

  async #connect() {
    while (this.#readyState !== CLOSED) {
      try {
        const response = await this.#request();
        this.#readyState = OPEN;
        this.#hear(new OpenEvent("open"));
        await this.#read(response.body);
      } catch (error) {
        if (this.#readyState === CLOSED) return;
        if (error instanceof DOMException) {
          this.#fail(error);
          return;
        }
      }
      if (this.#readyState === CLOSED) return;
      this.#readyState = CONNECTING;
      this.#hear(new ErrorEvent("error"));
      await after(this.#retryMs);
    }
  }

  async #follow(stream) {
    try {
      await this.#read(stream);
    } finally {
      if (this.#readyState !== CLOSED) {
        this.close();
        this.#hear(new ErrorEvent("error"));
      }
    }
  }

  /** @throws {DOMException} when coming back is of no use */
  async #request() {
    const headers = { accept: "text/event-stream", "cache-control": "no-cache" };
    if (this.#lastEventId !== "") headers["last-event-id"] = this.#lastEventId;
    const response = await fetch(this.#url, { headers, signal: this.#closing.signal });
    const refuse = (text) => {
      response.body?.cancel();
      throw new DOMException(text, "AbortError");
    };
    if (!response.ok) refuse(`The response status code was ${response.status}.`);
    const type = response.headers.get("content-type");
    if (type === null) refuse("No content type header was present in the response.");
    if (essence(type) !== "text/event-stream") refuse(`The content type '${type}' is invalid.`);
    return response;
  }

  async #read(stream) {
    const parser = new EventParser();
    const reader = stream.getReader();
    this.#closing.signal.addEventListener("abort", () => reader.cancel().catch(() => {}));
    const decoder = new TextDecoder();
    for (let step = await reader.read(); !step.done; step = await reader.read()) {
      for (const event of parser.push(decoder.decode(step.value, { stream: true }))) this.#receive(event);
    }
  }

  #receive({ type, data, id, retryMs }) {
    if (retryMs !== null) this.#retryMs = retryMs;
    if (id !== null) this.#lastEventId = id;
    if (data === null || this.#readyState === CLOSED) return;
    const origin = this.#url === "" ? "" : new URL(this.#url).origin;
    this.#hear(new MessageEvent(type || "message", { data, origin, lastEventId: this.#lastEventId }));
  }

  #fail(error) {
    this.close();
    this.#hear(new ErrorEvent("error", { error }));
  }

  #hear(event) {
    this[`on${event.type}`]?.(event);
    this.dispatchEvent(event);
  }
}

for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSED })) {
  for (const holder of [EventSource, EventSource.prototype]) Object.defineProperty(holder, name, { value, enumerable: true });
}

class OpenEvent extends Event {}

/** Text in, events out; pure. */
export class EventParser {
  #rest = "";
  #fields = emptyFields();

  /**
   * @param {string} text
   * @returns {{type: string, data: string | null, id: string | null, retryMs: number | null}[]} events that are whole now; one without data
   *   only says what follows (`id`, `retry`)
   */
  push(text) {
    const events = [];
    const lines = (this.#rest + text).split(/\r\n|\n|\r(?!$)/);
    this.#rest = lines.pop();
    for (const line of lines) {
      if (line !== "") this.#field(line);
      else if (this.#fields.some) {
        const { type, data, id, retryMs } = this.#fields;
        events.push({ type, data: data === null ? null : data.join("\n"), id, retryMs });
        this.#fields = emptyFields();
      }
    }
    return events;
  }

  #field(line) {
    const colon = line.indexOf(":");
    if (colon === 0) return;
    const name = colon < 0 ? line : line.slice(0, colon);
    const value = colon < 0 ? "" : line.slice(colon + (line[colon + 1] === " " ? 2 : 1));
    const fields = this.#fields;
    fields.some = true;
    if (name === "data") fields.data = [...(fields.data ?? []), value];
    else if (name === "event") fields.type = value;
    else if (name === "id" && !value.includes("\0")) fields.id = value;
    else if (name === "retry" && /^\d+$/.test(value)) fields.retryMs = Number(value);
  }
}

function emptyFields() {
  return { type: "", data: null, id: null, retryMs: null, some: false };
}
