/** A connection inside this process: what `node:http` takes for its socket, and the far end that answers. */

import { duplexPair } from "node:stream";
import { port } from "../surface/port.mjs";

/**
 * Both ends. The near one has what a client asks of a socket.
 *
 * @returns {[import("node:stream").Duplex, import("node:stream").Duplex]}
 */
export function memorySocket() {
  const [near, far] = duplexPair();
  const idle = new IdleTimer(near);
  for (const method of ["setKeepAlive", "setNoDelay", "ref", "unref"]) near[method] = () => near;
  near.setTimeout = (delayMs, callback) => idle.set(delayMs, callback);
  near.connecting = false;
  // A client that hangs up is a server whose client has gone, also in the middle of an answer.
  near.once("close", () => far.destroy());
  return [near, far];
}

/** `socket.setTimeout`: a `timeout` event when nothing has moved for so long. */
class IdleTimer {
  #socket;
  #delayMs = 0;
  #timer = null;

  constructor(socket) {
    this.#socket = socket;
    const { push, write } = socket;
    socket.push = (chunk, encoding) => {
      this.#again();
      return push.call(socket, chunk, encoding);
    };
    socket.write = (...args) => {
      this.#again();
      return write.apply(socket, args);
    };
    socket.once("close", () => this.#stop());
  }

  set(delayMs, callback) {
    this.#delayMs = delayMs;
    if (callback !== undefined) {
      if (delayMs === 0) this.#socket.removeListener("timeout", callback);
      else this.#socket.once("timeout", callback);
    }
    this.#again();
    return this.#socket;
  }

  #again() {
    this.#stop();
    if (this.#delayMs > 0 && !this.#socket.destroyed) {
      this.#timer = port().clock.after(this.#delayMs, () => this.#socket.emit("timeout"));
    }
  }

  #stop() {
    if (this.#timer !== null) port().clock.cancel(this.#timer);
    this.#timer = null;
  }
}
