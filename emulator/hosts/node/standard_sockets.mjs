/**
 * Sockets that live and die with the code that holds them: accepted by `accept()`, opened by `new WebSocket(url)`, or passed on from one to
 * another. Their owner stays awake as long as they are open (S-99).
 */

import { NETWORK_LOST } from "./network_body.mjs";
import { currentOwner, emit } from "./owner.mjs";
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
  #link;
  /** @type {Map<number, StandardSocket | Bridge>} */
  #sockets = new Map();

  /** @param {import("./wire/link.mjs").Link} link */
  constructor(link) {
    this.#link = link;
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
   */
  bind(id, end, owner) {
    const socket = new StandardSocket(this.#link, id, end, owner, () => this.#sockets.delete(id));
    this.#sockets.set(id, socket);
    end.attach(socket);
  }

  /**
   * The client of socket `id` talks with the far side of `end`, which is connected elsewhere.
   * @param {number} id
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {import("./owner.mjs").Owner} owner
   */
  bridge(id, end, owner) {
    const bridge = new Bridge(this.#link, id, end, owner, () => this.#sockets.delete(id));
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
    const headers = protocols.length > 0 ? [["sec-websocket-protocol", protocols.join(", ")]] : [];
    emit(() => {
      const outgoing = this.#link.request("egress", { method: "GET", url, headers }, null, { upgrade: true });
      const socket = this.expect(outgoing, end, owner);
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
   * @returns {StandardSocket} to be told `opened(answer)`, or `end()` when the answer was no upgrade
   */
  expect(outgoing, end, owner) {
    const socket = new StandardSocket(this.#link, outgoing.id, end, owner, () => this.#sockets.delete(outgoing.id), outgoing);
    this.#sockets.set(outgoing.id, socket);
    return socket;
  }

  /** @param {import("./wire/frames.mjs").Frame} frame */
  take(frame) {
    const socket = this.#sockets.get(frame.id);
    if (socket === undefined) return;
    socket.take(frame);
    if (frame.kind === TEXT || frame.kind === BINARY) this.#link.send(CREDIT, frame.id, creditPayload(frame.size));
  }
}

/** A socket that somebody keeps, and that drops with him (S-91). */
class Kept {
  /** Null once it is over. @type {import("./owner.mjs").Owner | null} */
  owner;
  #ownerKilled = () => this.cut();

  /** @param {import("./owner.mjs").Owner | null} owner */
  constructor(owner) {
    this.owner = owner;
    owner?.hold("socket");
    owner?.whenKilled(this.#ownerKilled);
  }

  /** Drop the connection. */
  cut() {}

  letGo() {
    const owner = this.owner;
    this.owner = null;
    if (owner === null || owner.dead) return;
    owner.forgetKilled(this.#ownerKilled);
    owner.release("socket");
  }
}

/** One socket between user code and the link; the Transport of its end. */
class StandardSocket extends Kept {
  #link;
  #id;
  #end;
  #forget;
  #connecting;
  #early = [];

  constructor(link, id, end, owner, forget, connecting = null) {
    super(owner);
    this.#link = link;
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
    const effect = () => this.#link.send(kind, this.#id, payload);
    if (this.owner === null) effect();
    else this.owner.emit(effect);
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

  constructor(link, id, far, owner, forget) {
    super(owner);
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
