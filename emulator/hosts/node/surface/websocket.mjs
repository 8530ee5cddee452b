/** `WebSocket` as user code holds it. What it does is `websocket_end.mjs`; how the host gets at it is `endOf`. */

import { deserialize, serialize } from "node:v8";
import { CloseEvent, ErrorEvent } from "./events.mjs";
import { port } from "./port.mjs";
import { CLOSED, CLOSING, CONNECTING, MAX_ATTACHMENT, OPEN, SocketEnd } from "./websocket_end.mjs";

/** Marks a constructor call of ours: `new WebSocket(url)` of user code opens a client socket instead. */
const OURS = Symbol("socket of the host");

/** @type {(socket: WebSocket) => SocketEnd} */
let readEnd;

/** One end of a connection. */
export class WebSocket extends EventTarget {
  static {
    readEnd = (socket) => socket.#end;
  }

  binaryType;
  #end = new SocketEnd(this, {
    opened: (protocol, extensions) => this.#opened(protocol, extensions),
    message: (data) => this.dispatchEvent(new MessageEvent("message", { data: this.#payload(data) })),
    closed: (code, reason, wasClean) => this.dispatchEvent(new CloseEvent("close", { code, reason, wasClean })),
    failed: (error) => this.dispatchEvent(new ErrorEvent("error", { error, message: error.message })),
  });
  #url = null;
  #protocol = "";
  #extensions = "";

  /**
   * Opens a client socket through the host's egress.
   *
   * @param {string | URL} url
   * @param {string | string[]} [protocols]
   */
  constructor(url, protocols) {
    super();
    this.binaryType = port().flags.websocket_standard_binary_type ? "blob" : "arraybuffer";
    this.#end.closeReply = Boolean(port().flags.web_socket_auto_reply_to_close);
    if (url === OURS) return;
    this.#end.connect();
    this.#url = String(url);
    port().openSocket(this, this.#url, protocols === undefined ? [] : [protocols].flat().map(String));
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

  /** Begins delivering events to listeners. @param {{allowHalfOpen?: boolean}} [options] */
  accept(options) {
    if (options?.allowHalfOpen) this.#end.closeReply = false;
    this.#end.accept();
  }

  /** @param {string | ArrayBuffer | ArrayBufferView | Blob} message */
  send(message) {
    this.#end.send(sendable(message));
  }

  /** @param {number} [code] @param {string} [reason] */
  close(code, reason) {
    this.#end.close(code === undefined ? null : Number(code), reason === undefined ? null : String(reason));
  }

  /** Keeps a structured clone with the socket, at most 16,384 bytes; allowed before accept. @param {unknown} value */
  serializeAttachment(value) {
    const data = serialize(value);
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

  #opened(protocol, extensions) {
    this.#protocol = protocol;
    this.#extensions = extensions;
    this.dispatchEvent(new Event("open"));
  }

  #payload(data) {
    if (typeof data === "string") return data;
    if (this.binaryType === "blob") return new Blob([data]);
    return data.buffer.slice(data.byteOffset, data.byteOffset + data.byteLength);
  }
}

for (const [name, value] of Object.entries({ CONNECTING, OPEN, CLOSING, CLOSED })) {
  Object.defineProperty(WebSocket, name, { value, enumerable: true });
  Object.defineProperty(WebSocket.prototype, name, { value, enumerable: true });
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

/** A socket that is not connected to anything yet: a pair's end, or what `fetch` answers an upgrade with. @returns {WebSocket} */
export function freshSocket() {
  return new WebSocket(OURS);
}

/**
 * The object of a hibernatable socket that outlived its instance (durable-objects.md 5.5); `endOf(...).attach` follows.
 *
 * @param {import("./websocket_end.mjs").SocketEvents} events
 * @param {{attachment: Uint8Array | null, url: string | null, closeSent: boolean}} kept
 * @returns {WebSocket}
 */
export function restoredSocket(events, kept) {
  const socket = freshSocket();
  endOf(socket).restore(events, kept.attachment, kept.closeSent);
  return socket;
}

function sendable(message) {
  if (message instanceof ArrayBuffer) return new Uint8Array(message.slice());
  if (ArrayBuffer.isView(message)) return new Uint8Array(message.buffer, message.byteOffset, message.byteLength).slice();
  return String(message);
}
