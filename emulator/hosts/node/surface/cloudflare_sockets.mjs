/** `cloudflare:sockets`: TCP and TLS over this machine's own network. */

import { connect as connectTcp } from "node:net";
import { ReadableStream, WritableStream } from "node:stream/web";
import { connect as connectTls } from "node:tls";
import { needEvent } from "../module_level.mjs";
import { SocketDenied } from "../network/guard.mjs";
import { begunHere, currentOwner, emit, wayBack } from "../owner.mjs";

const REFUSED = "proxy request failed, cannot connect to the specified address";
const NOT_BYTES =
  "This TransformStream is being used as a byte stream, but received an object of non-ArrayBuffer/ArrayBufferView type on its writable side.";
const MODES = new Set(["off", "on", "starttls"]);

/**
 * Opens a connection. Not through the gateway: what goes over it is neither recorded nor replayed, so the mode says whether it may be
 * (network/guard.mjs).
 *
 * @param {string | {hostname: string, port: number}} address
 * @param {{secureTransport?: "off" | "on" | "starttls", allowHalfOpen?: boolean}} [options]
 * @returns {Socket}
 */
export function connect(address, options = {}) {
  needEvent();
  const { hostname, port } = parsed(address);
  const { secureTransport = "off", allowHalfOpen = false } = options;
  if (!MODES.has(secureTransport)) throw new TypeError(`Unsupported value in secureTransport socket option: ${secureTransport}`);
  const open = () =>
    secureTransport === "on"
      ? connectTls({ host: hostname, port, servername: hostname, allowHalfOpen })
      : connectTcp({ host: hostname, port, allowHalfOpen });
  return new Socket(OURS, new Connection(open, hostname, port, secureTransport));
}

const OURS = Symbol("socket of the host");

/** What `connect` gives. */
class Socket {
  #connection;
  #upgraded = false;

  constructor(token, connection) {
    if (token !== OURS) throw new TypeError("Illegal constructor");
    this.#connection = connection;
  }

  get readable() {
    return this.#connection.readable;
  }

  get writable() {
    return this.#connection.writable;
  }

  /** `{remoteAddress, localAddress}` once it is connected. */
  get opened() {
    return this.#connection.opened.promise;
  }

  get closed() {
    return this.#connection.closed.promise;
  }

  /** Whether `startTls` took it over. */
  get upgraded() {
    return this.#upgraded;
  }

  get secureTransport() {
    return this.#connection.secureTransport;
  }

  get [Symbol.toStringTag]() {
    return "Socket";
  }

  /** @returns {Promise<void>} */
  async close() {
    await this.#connection.close();
  }

  /** The same connection with TLS; this object is over. Only with `secureTransport: "starttls"`. @returns {Socket} */
  startTls() {
    if (this.secureTransport !== "starttls") {
      throw new TypeError("The `secureTransport` socket option must be set to 'starttls' for startTls to be used.");
    }
    if (this.#upgraded) throw new TypeError("The startTls method can only be called once.");
    this.#upgraded = true;
    return new Socket(OURS, this.#connection.upgrade());
  }
}

/** One connection and the owner whose code holds it, which stays awake as long as it is open (S-99). */
class Connection {
  opened = Promise.withResolvers();
  closed = Promise.withResolvers();
  #raw = null;
  #owner = currentOwner();
  #hold;
  #host;
  #port;
  #output = null;
  #input = null;
  #open = true;
  #killed = () => this.#raw.destroy();

  constructor(open, host, port, secureTransport) {
    this.#host = host;
    this.#port = port;
    this.secureTransport = secureTransport;
    for (const end of [this.opened, this.closed]) end.promise.catch(() => {});
    this.readable = new ReadableStream(
      {
        type: "bytes",
        start: (controller) => {
          this.#output = controller;
        },
        pull: () => this.#raw.resume(),
        cancel: () => this.close(),
      },
      { highWaterMark: 0 },
    );
    this.writable = new WritableStream({
      start: (controller) => {
        this.#input = controller;
      },
      write: (chunk) => this.#write(bytesOf(chunk)),
      close: () => this.#raw.end(),
      abort: () => this.close(),
    });
    const place = `${host}:${port}`;
    this.#hold = this.#owner?.hold("outgoing socket", place, begunHere()) ?? null;
    this.#owner?.whenKilled(this.#killed);
    const back = wayBack("outgoing socket", `connecting to ${place}`);
    emit(() => {
      this.#raw = open();
      this.#listen(back);
    });
  }

  #listen(back) {
    const raw = this.#raw;
    const ready = raw.encrypted ? "secureConnect" : "connect";
    let waiting = true;
    const once = (callback) => {
      if (!waiting) return;
      waiting = false;
      back(callback);
    };
    raw.pause();
    raw.once(ready, () => once(() => this.opened.resolve({ remoteAddress: `${this.#host}:${this.#port}`, localAddress: undefined })));
    raw.on("data", (data) => {
      raw.pause();
      this.#arrived(() => this.#output.enqueue(new Uint8Array(data)));
    });
    raw.on("end", () => this.#arrived(() => this.#endOutput()));
    raw.on("error", (error) => once(() => this.#fail(error instanceof SocketDenied ? error : new Error(REFUSED))));
    raw.on("close", () => this.#arrived(() => this.#end()));
  }

  /** What arrives passes the input gate of whoever holds the connection. */
  #arrived(callback) {
    if (this.#owner === null) callback();
    else this.#owner.resume(null, callback);
  }

  #write(bytes) {
    return new Promise((resolve, reject) => {
      emit(() => this.#raw.write(bytes, (error) => (error ? reject(error) : resolve())));
    });
  }

  #fail(error) {
    this.opened.reject(error);
    this.closed.reject(error);
  }

  #endOutput() {
    if (!this.#open || this.#output === null) return;
    const output = this.#output;
    this.#output = null;
    output.close();
    output.byobRequest?.respond(0);
  }

  #end() {
    if (!this.#open) return;
    this.#endOutput();
    this.#open = false;
    this.closed.resolve();
    this.#release();
  }

  #release() {
    this.#owner?.forgetKilled(this.#killed);
    if (this.#owner !== null && !this.#owner.dead) this.#owner.release(this.#hold);
  }

  close() {
    if (!this.#open) return undefined;
    this.#open = false;
    this.#output?.error(new TypeError("This ReadableStream belongs to an object that is closing."));
    this.#input.error(new TypeError("This WritableStream belongs to an object that is closing."));
    this.#output = null;
    this.closed.resolve();
    this.#release();
    return new Promise((resolve) => {
      this.#raw.end(() => this.#raw.destroy());
      this.#raw.once("close", resolve);
    });
  }

  /** Hands the raw connection on, with TLS around it. */
  upgrade() {
    const raw = this.#raw;
    this.#open = false;
    for (const event of ["data", "end", "error", "close"]) raw.removeAllListeners(event);
    this.#output?.close();
    this.closed.resolve();
    this.#release();
    return new Connection(() => connectTls({ socket: raw, servername: this.#host }), this.#host, this.#port, "on");
  }
}

function parsed(address) {
  if (typeof address !== "string") {
    const { hostname, port } = address;
    const number = Number(port);
    if (Number.isNaN(number)) throw new TypeError("The value cannot be converted because it is not an integer.");
    return { hostname: String(hostname), port: number };
  }
  const found = /^(\[.*\]|[^:]*):(.*)$/.exec(address);
  if (found === null) throw new TypeError("Specified address is missing port.");
  const port = /^\d+$/.test(found[2]) ? Number(found[2]) : -1;
  if (port < 0 || port > 65_535) throw new TypeError("Specified address could not be parsed.");
  return { hostname: found[1].replace(/^\[|\]$/g, ""), port };
}

function bytesOf(chunk) {
  if (typeof chunk === "string") return chunk;
  if (chunk instanceof ArrayBuffer) return new Uint8Array(chunk.slice());
  if (ArrayBuffer.isView(chunk)) return new Uint8Array(chunk.buffer, chunk.byteOffset, chunk.byteLength).slice();
  throw new TypeError(NOT_BYTES);
}
