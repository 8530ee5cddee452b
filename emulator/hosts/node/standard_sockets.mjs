/**
 * Sockets that live and die with the code that holds them: accepted by `accept()`, opened by `new WebSocket(url)`, or passed on from one to
 * another. Their owner stays awake as long as they are open (S-99).
 */

import { NETWORK_LOST } from "./network_body.mjs";
import { begunHere, currentOwner, emit } from "./owner.mjs";
import { frameLabel } from "./points.mjs";
import { echoedCode } from "./socket_rules.mjs";
import { CLEAN, closePayload, creditPayload, CUT, Kind } from "./wire/frames.mjs";

const { TEXT, BINARY, CLOSE, FAULT, GONE, CREDIT } = Kind;

/** workerd's words. */
function notUpgraded(status) {
  const expected = "expected server to reply with HTTP status code 101 (switching protocols)";
  return `Failed to establish the WebSocket connection: ${expected}, but received ${status} instead.`;
}

/** The standard sockets of a host, by the link's socket ids. */
export class StandardSockets {
  #hub;
  /** @type {Map<number, StandardSocket | Bridge>} */
  #sockets = new Map();

  /** @param {{link: import("./wire/link.mjs").Link, points: import("./points.mjs").Points}} hub */
  constructor(hub) {
    this.#hub = hub;
  }

  /** How many are open. */
  get size() {
    return this.#sockets.size;
  }

  /**
   * The client of socket `id` is now at the other side of `end`.
   * @param {number} id
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {import("./owner.mjs").Owner} owner
   * @param {string} url the client's
   */
  bind(id, end, owner, url) {
    const socket = new StandardSocket(this.#hub, { id, end, owner, url, forget: () => this.#sockets.delete(id) });
    this.#sockets.set(id, socket);
    end.attach(socket);
  }

  /**
   * The client of socket `id` talks with the far side of `end`, which is connected elsewhere.
   * @param {number} id
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {import("./owner.mjs").Owner} owner
   * @param {string} url the client's
   */
  bridge(id, end, owner, url) {
    const bridge = new Bridge(this.#hub.link, { id, far: end, owner, url, forget: () => this.#sockets.delete(id) });
    this.#sockets.set(id, bridge);
    end.acceptHibernatable(bridge);
  }

  /**
   * `new WebSocket(url)`: the gateway opens it; from then on it is a standard socket of the running code.
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {string} url
   * @param {string[]} protocols
   */
  connect(end, url, protocols) {
    const owner = currentOwner();
    const begun = begunHere();
    const headers = protocols.length > 0 ? [["sec-websocket-protocol", protocols.join(", ")]] : [];
    emit(() => {
      const outgoing = this.#hub.link.request("egress", { method: "GET", url, headers }, null, { upgrade: true });
      const socket = this.expect(outgoing, end, owner, url, begun);
      outgoing.answer.then(
        (answer) => {
          if (answer.upgraded) socket.opened(answer);
          else socket.refused(new TypeError(notUpgraded(answer.status)));
        },
        () => socket.refused(new Error(NETWORK_LOST)),
      );
    });
  }

  /**
   * A request of ours asks for an upgrade. Its socket is known before the answer: what the other side says first may come in the same read.
   * @param {import("./wire/exchange.mjs").Outgoing} outgoing
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {import("./owner.mjs").Owner | null} owner
   * @param {string} url
   * @param {import("./begun.mjs").Begun | null} begun
   * @returns {StandardSocket} to be told `opened(answer)`, or `end()` when the answer was no upgrade
   */
  expect(outgoing, end, owner, url, begun) {
    const { id } = outgoing;
    const forget = () => this.#sockets.delete(id);
    const socket = new StandardSocket(this.#hub, { id, end, owner, url, begun, forget, connecting: outgoing });
    this.#sockets.set(id, socket);
    return socket;
  }

  /** @param {import("./wire/frames.mjs").Frame} frame */
  take(frame) {
    const socket = this.#sockets.get(frame.id);
    if (socket === undefined) return;
    socket.take(frame);
    if (frame.kind === TEXT || frame.kind === BINARY) this.#hub.link.send(CREDIT, frame.id, creditPayload(frame.size));
  }
}

/** A socket that somebody keeps, and that drops with him (S-91). */
class Kept {
  /** Null once it is over. @type {import("./owner.mjs").Owner | null} */
  owner;
  #ownerKilled = () => this.cut();

  #hold;

  /**
   * @param {import("./owner.mjs").Owner | null} owner
   * @param {"socket" | "outgoing socket"} what
   * @param {string} text whose connection it is
   * @param {import("./begun.mjs").Begun | null} [begun]
   */
  constructor(owner, what, text, begun = null) {
    this.owner = owner;
    this.#hold = owner?.hold(what, text, begun) ?? null;
    owner?.whenKilled(this.#ownerKilled);
  }

  /** Drop the connection. */
  cut() {}

  letGo() {
    const owner = this.owner;
    this.owner = null;
    if (owner === null || owner.dead) return;
    owner.forgetKilled(this.#ownerKilled);
    owner.release(this.#hold);
  }
}

/** One socket between user code and the link; the Transport of its end. */
class StandardSocket extends Kept {
  #hub;
  #link;
  #toClient;
  #id;
  #end;
  #forget;
  #connecting;
  #early = [];

  /**
   * @param {{link: import("./wire/link.mjs").Link, points: import("./points.mjs").Points}} hub
   * @param {object} of `connecting` is the handshake of one that user code opens, which it did at `begun`
   */
  constructor(hub, { id, end, owner, url, begun = null, forget, connecting = null }) {
    super(owner, connecting === null ? "socket" : "outgoing socket", url.split("?", 1)[0], begun);
    this.#hub = hub;
    this.#link = hub.link;
    this.#toClient = connecting === null;
    this.#id = id;
    this.#end = end;
    this.#forget = forget;
    this.#connecting = connecting;
  }

  sendText(text) {
    this.#send(TEXT, text);
  }

  sendBinary(data) {
    this.#send(BINARY, data);
  }

  close(code, reason) {
    this.#send(CLOSE, closePayload(code, reason));
  }

  /** Attachments are for hibernation; the gateway need not know this one. */
  attachment() {}

  #send(kind, payload) {
    const { owner } = this;
    const effect = () => {
      const { link, points } = this.#hub;
      link.send(kind, this.#id, payload);
      if (points.on && this.#toClient) points.of(owner, "frame", frameLabel(kind, payload));
    };
    if (owner === null) effect();
    else owner.emit(effect);
  }

  /** The handshake is over: what came meanwhile comes after the `open` event. */
  opened(answer) {
    const protocol = answer.headers.find(([name]) => name.toLowerCase() === "sec-websocket-protocol");
    this.#connecting = null;
    this.#end.attach(this);
    this.#end.deliverOpen(protocol?.[1] ?? "");
    const early = this.#early;
    this.#early = [];
    for (const frame of early) this.take(frame);
  }

  /** There will be no connection. @param {Error} error */
  refused(error) {
    this.#connecting = null;
    this.#end.deliverRefused(error);
    this.end();
  }

  take(frame) {
    if (this.#connecting !== null) {
      this.#early.push(frame);
      return;
    }
    switch (frame.kind) {
      case TEXT:
        this.#end.deliverText(frame.text());
        break;
      case BINARY:
        this.#end.deliverBinary(frame.payload);
        break;
      case CLOSE:
        if (frame.flags & CLEAN) this.#end.deliverClose(frame.close().code, frame.close().reason);
        else this.#end.deliverLost();
        break;
      case FAULT:
        this.#end.deliverError(frame.text());
        break;
      case GONE:
        this.end();
        break;
    }
  }

  /** Its owner was reset: drop the connection. */
  cut() {
    if (this.#connecting !== null) this.#connecting.cancel("reset");
    else this.#link.send(CLOSE, this.#id, closePayload(null, ""), CUT);
    this.end();
  }

  /** The connection is over. */
  end() {
    this.#forget();
    this.letGo();
  }
}

/** Two connections of the link in a row: what one says goes to the other, unread by user code. The SocketEvents of the far end. */
class Bridge extends Kept {
  #link;
  #id;
  #far;
  #forget;

  constructor(link, { id, far, owner, url, forget }) {
    super(owner, "socket", url.split("?", 1)[0]);
    this.#link = link;
    this.#id = id;
    this.#far = far;
    this.#forget = forget;
  }

  // -- from the far side

  text(_socket, text) {
    this.#link.send(TEXT, this.#id, text);
  }

  binary(_socket, data) {
    this.#link.send(BINARY, this.#id, data);
  }

  close(_socket, code, reason, wasClean) {
    this.#link.send(CLOSE, this.#id, closePayload(echoedCode(code), reason), wasClean ? 0 : CUT);
  }

  error() {
    this.cut();
  }

  // -- from the client

  take(frame) {
    switch (frame.kind) {
      case TEXT:
        this.#far.send(frame.text());
        break;
      case BINARY:
        this.#far.send(frame.payload);
        break;
      case CLOSE:
        this.#sayClose(frame.close());
        break;
      case GONE:
        this.#end();
        break;
    }
  }

  #sayClose({ code, reason }) {
    const sendable = echoedCode(code);
    this.#far.close(sendable, sendable === null ? null : reason);
  }

  cut() {
    this.#link.send(CLOSE, this.#id, closePayload(null, ""), CUT);
    this.#end();
  }

  #end() {
    this.#forget();
    this.letGo();
  }
}
