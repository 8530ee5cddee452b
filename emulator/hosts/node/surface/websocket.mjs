/** `WebSocket` as user code holds it. What it does is `websocket_end.mjs`; how the host gets at it is `endOf`. */

import { Blob } from "node:buffer";
import { deserialize, serialize } from "node:v8";
import { needEvent } from "../module_level.mjs";
import { DOMException, Event, EventTarget, URL } from "../originals.mjs";
import { wrongConstructorParameter, wrongParameter } from "./arguments.mjs";
import { CloseEvent, errorEvent, MessageEvent } from "./events.mjs";
import { port } from "./port.mjs";
import { uncaught } from "./uncaught.mjs";
import { webInterface } from "./web_interface.mjs";
import { CLOSED, CLOSING, CONNECTING, MAX_ATTACHMENT, OPEN, SocketEnd } from "./websocket_end.mjs";

/** Marks a constructor call of ours: `new WebSocket(url)` of user code opens a client socket instead. */
const OURS = Symbol("socket of the host");
const TOKEN = /^[!#$%&'*+\-.^_`|~0-9A-Za-z]+$/;

/** @type {(socket: WebSocket) => SocketEnd} */
let readEnd;

/** One end of a connection. */
export class WebSocket extends EventTarget {
  static {
    readEnd = (socket) => socket.#end;
  }

  #end = new SocketEnd(this, {
    opened: (protocol, extensions) => this.#opened(protocol, extensions),
    message: (data) => this.#hear(new MessageEvent("message", { data: this.#payload(data), origin: null })),
    closed: (code, reason, wasClean) => this.#hear(new CloseEvent("close", { code, reason, wasClean })),
    failed: (error) => this.#hear(errorEvent(error)),
  });
  #binaryType = port().flags.websocket_standard_binary_type ? "blob" : "arraybuffer";
  #url = null;
  #protocol = "";
  #extensions = "";
  /** What EventTarget knows listeners by. @type {WeakMap<object, (event: Event) => void> | null} */
  #guarded = null;

  /**
   * Opens a client socket through the host's egress.
   *
   * @param {string | URL} url
   * @param {string | string[]} [protocols]
   */
  constructor(url, protocols) {
    super();
    if (url !== OURS) needEvent();
    this.#end.closeReply = Boolean(port().flags.web_socket_auto_reply_to_close);
    if (url === OURS) {
      this.#url = protocols;
      return;
    }
    const wanted = protocols === undefined ? [] : [protocols].flat().map(String);
    this.#url = checkedUrl(url);
    checkProtocols(wanted);
    this.#end.connect();
    port().openSocket(this, this.#url, wanted);
  }

  get url() {
    return this.#url;
  }

  get protocol() {
    return this.#protocol;
  }

  get extensions() {
    return this.#extensions;
  }

  get readyState() {
    return this.#end.readyState;
  }

  /** Frames wait in the gateway. */
  get bufferedAmount() {
    return 0;
  }

  get binaryType() {
    return this.#binaryType;
  }

  set binaryType(type) {
    if (type === "blob" || type === "arraybuffer") this.#binaryType = type;
  }

  get [Symbol.toStringTag]() {
    return "WebSocket";
  }

  /** Begins delivering events to listeners. @param {{allowHalfOpen?: boolean}} [options] */
  accept(options) {
    if (options?.allowHalfOpen) this.#end.closeReply = false;
    this.#end.accept();
  }

  /** @param {[string | ArrayBuffer | ArrayBufferView]} given Anything else goes as its string, a Blob too. */
  send(...given) {
    // `undefined` is a message, nothing at all is none.
    if (given.length === 0) throw wrongParameter("send", "WebSocket", 1, "ArrayBuffer or ArrayBufferView or string");
    this.#end.send(sendable(given[0]));
  }

  /** @param {number} [code] @param {string} [reason] */
  close(code, reason) {
    this.#end.close(code === undefined ? null : Math.trunc(Number(code)) || 0, reason === undefined ? null : String(reason));
  }

  /** Keeps a structured clone with the socket, at most 16,384 bytes; allowed before accept. @param {[value: unknown]} given */
  serializeAttachment(...given) {
    if (given.length === 0) throw wrongParameter("serializeAttachment", "WebSocket", 1, "Value");
    const data = serialized(given[0]);
    if (data.length > MAX_ATTACHMENT) {
      const text = `A WebSocket 'attachment' cannot be larger than ${MAX_ATTACHMENT} bytes.`;
      throw new Error(`${text}'attachment' was ${data.length} bytes.`);
    }
    this.#end.keep(data);
  }

  /** A fresh copy of the attachment; null when there is none. */
  deserializeAttachment() {
    const data = this.#end.attachment;
    return data === null ? null : deserialize(data);
  }

  addEventListener(type, listener, options) {
    if (listener === null) return;
    if (typeof listener !== "function" && typeof listener !== "object") {
      throw wrongParameter("addEventListener", "EventTarget", 2, "function or HandlerObject");
    }
    this.#guarded ??= new WeakMap();
    let guarded = this.#guarded.get(listener);
    if (guarded === undefined) {
      guarded = (event) => this.#call(listener, event);
      this.#guarded.set(listener, guarded);
    }
    super.addEventListener(type, guarded, options);
  }

  removeEventListener(type, listener, options) {
    const guarded = listener === null ? undefined : this.#guarded?.get(listener);
    if (guarded !== undefined) super.removeEventListener(type, guarded, options);
  }

  #opened(protocol, extensions) {
    this.#protocol = protocol;
    this.#extensions = extensions;
    this.#hear(new Event("open"));
  }

  #hear(event) {
    const handler = this[`on${event.type}`];
    if (typeof handler === "function") this.#call(handler, event);
    this.dispatchEvent(event);
  }

  /** A listener that throws ends the connection, as on the platform. */
  #call(listener, event) {
    try {
      if (typeof listener === "function") listener.call(this, event);
      else listener.handleEvent(event);
    } catch (error) {
      uncaught(error);
      if (event.type !== "error") this.#end.abort(error);
    }
  }

  #payload(data) {
    if (typeof data === "string") return data;
    if (this.#binaryType === "blob") return new Blob([data]);
    const whole = data.byteLength === data.buffer.byteLength;
    return whole ? data.buffer : data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  }
}

webInterface(WebSocket);
for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
  for (const holder of [WebSocket, WebSocket.prototype]) {
    Object.defineProperty(holder, name, { value, enumerable: true });
    Object.defineProperty(holder, `READY_STATE_${name}`, { value, enumerable: true });
  }
}

/**
 * The host's side of a socket.
 *
 * @param {WebSocket} socket
 * @returns {SocketEnd}
 */
export function endOf(socket) {
  return readEnd(socket);
}

/**
 * A socket that is not connected to anything yet: a pair's end, or what `fetch` answers an upgrade with.
 *
 * @param {string | null} [url]
 * @returns {WebSocket}
 */
export function freshSocket(url = null) {
  return new WebSocket(OURS, url);
}

/**
 * The object of a hibernatable socket that outlived its instance (durable-objects.md 5.5); `endOf(...).attach` follows.
 *
 * @param {import("./websocket_end.mjs").SocketEvents} events
 * @param {{attachment: Uint8Array | null, url: string | null, closeSent: boolean}} kept
 * @returns {WebSocket}
 */
export function restoredSocket(events, { attachment, url, closeSent }) {
  const socket = freshSocket(url);
  endOf(socket).restore(events, attachment, closeSent);
  return socket;
}

function sendable(message) {
  if (typeof message === "string") return message.toWellFormed();
  if (message instanceof ArrayBuffer) return new Uint8Array(message.slice());
  if (ArrayBuffer.isView(message)) return new Uint8Array(message.buffer, message.byteOffset, message.byteLength).slice();
  return String(message);
}

function serialized(value) {
  try {
    return serialize(value);
  } catch (error) {
    // Node's own error has no name to match on.
    throw new DOMException(error.message, "DataCloneError");
  }
}

function checkedUrl(given) {
  if (given === undefined) throw wrongConstructorParameter("WebSocket", 1, "string");
  const url = URL.parse(given);
  if (url === null) throw invalid("The url is invalid.");
  if (url.protocol !== "ws:" && url.protocol !== "wss:") throw invalid("The url scheme must be ws or wss.");
  if (url.hash !== "") throw invalid("The url fragment must be empty.");
  return url.href;
}

function checkProtocols(protocols) {
  if (!protocols.every((protocol) => TOKEN.test(protocol))) throw invalid("One of the protocol header tokens is invalid.");
  if (new Set(protocols).size < protocols.length) throw invalid("The protocols header cannot have repeating values.");
}

function invalid(text) {
  return new DOMException(`WebSocket Constructor: ${text}`, "SyntaxError");
}
