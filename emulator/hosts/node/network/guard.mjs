/**
 * How far sockets of user code may go. What is not HTTP cannot be recorded, so it follows the gateway's mode alone (gateway/reach.py).
 * `net.Socket.prototype.connect` is where every TCP and TLS connection of this process begins, whatever package makes it; what native code
 * opens is not seen (docs/parity.md).
 */

import { isIP, Socket, _normalizeArgs as normalized } from "node:net";
import { nextTick } from "../originals.mjs";

/** No socket may be opened to there now (docs/errors.md). */
export class SocketDenied extends Error {
  code = "E631";
  name = "Error";

  /** @param {string} what @param {"loopback" | "nothing"} reach */
  constructor(what, reach) {
    const allowed = reach === "loopback" ? "only this machine may be reached" : "no socket may be opened";
    super(
      `E631 ${what}: ${allowed} while model calls are replayed, and what goes over a socket is not recorded; ` +
        "use fetch or node:http, which are, or run with --ai live",
    );
  }
}

/** One per process. */
export class Guard {
  /** @type {"outside" | "loopback" | "nothing"} */
  reach = "outside";
  #denied;

  /** @param {(what: string, error: Error) => void} denied hears of sockets that were refused */
  constructor(denied) {
    this.#denied = denied;
  }

  /** Every connection from now on. */
  install() {
    const connect = Socket.prototype.connect;
    const judge = (args) => this.#judge(args);
    Socket.prototype.connect = function (...args) {
      const refused = judge(args);
      if (refused === null) return connect.apply(this, args);
      nextTick(() => this.destroy(refused));
      return this;
    };
  }

  #judge(args) {
    if (this.reach === "outside") return null;
    // Node's own callers pass what it has normalized already.
    const [{ host, port, path }] = Array.isArray(args[0]) ? args[0] : normalized(args);
    if (path) return null;
    return this.judge(host ?? "localhost", `${host ?? "localhost"}:${port}`, this.reach === "loopback");
  }

  /**
   * Why `what` may not be, or null.
   *
   * @param {string} host
   * @param {string} what for people
   * @param {boolean} loopback whether this machine's own names and addresses are fine
   * @returns {SocketDenied | null}
   */
  judge(host, what, loopback) {
    if (this.reach === "outside" || (loopback && isLoopback(host))) return null;
    const refused = new SocketDenied(what, this.reach);
    this.#denied(`a socket to ${what}`, refused);
    return refused;
  }
}

/** Whether a host is this machine. @param {string} host */
export function isLoopback(host) {
  const name = host.toLowerCase();
  if (name === "localhost" || name.endsWith(".localhost")) return true;
  return isIP(name) === 4 ? name.startsWith("127.") : name === "::1" || name.startsWith("::ffff:127.");
}
