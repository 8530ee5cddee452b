/**
 * Client sockets inside the host: which object's they are, and the road of each frame to its handler (durable-objects.md 5).
 *
 * A socket accepted for hibernation is a `SocketRecord` of its object's handle: it outlives instances, and its frames construct one. A
 * socket accepted the standard way (standard_sockets.mjs) lives and dies with the code that holds it. The gateway owns the connections of
 * both.
 */

import { Buffer } from "./originals.mjs";
import { frameLabel } from "./points.mjs";
import { CloseTurn, FaultTurn, MessageTurn } from "./socket_turns.mjs";
import { MAX_SOCKETS, NO_CODE } from "./socket_rules.mjs";
import { StandardSockets } from "./standard_sockets.mjs";
import { endOf, restoredSocket } from "./surface/websocket.mjs";
import { CLEAN, closePayload, creditPayload, CUT, Kind, SOCKET_WINDOW } from "./wire/frames.mjs";

const { TEXT, BINARY, CLOSE, FAULT, ANSWERED, CREDIT, ACCEPTED, ATTACHMENT } = Kind;

/**
 * What the hub needs of the host.
 *
 * @typedef {object} SocketWorld
 * @property {import("./objects.mjs").ObjectTable} objects
 * @property {(where: string, error: unknown, handle: import("./objects.mjs").ObjectHandle | null) => void} userError
 */

/** A hibernatable socket as its object's handle keeps it. What arrives from an end inside this process comes as its SocketEvents. */
export class SocketRecord {
  /** The link's socket id, null until a client is at the other end. @type {number | null} */
  id = null;
  /** @type {Uint8Array | null} */
  attachment = null;
  /** @type {number | null} */
  answeredMs = null;
  closeSent = false;
  /** The JavaScript object of this life. @type {import("./surface/websocket.mjs").WebSocket | null} */
  socket = null;
  /** The other end while the object sleeps, where that end is in this process. @type {import("./surface/websocket_end.mjs").SocketEnd | null} */
  #far = null;
  #unacknowledged = 0;

  /**
   * @param {SocketHub} hub
   * @param {import("./objects.mjs").ObjectHandle} handle
   * @param {number} order
   * @param {string[]} tags
   * @param {string | null} url
   */
  constructor(hub, handle, order, tags, url) {
    this.hub = hub;
    this.handle = handle;
    this.order = order;
    this.tags = tags;
    this.url = url;
  }

  /**
   * The JavaScript object of this socket in the instance's life; a new one after each wake (durable-objects.md 5.5).
   * @param {import("./instance.mjs").Instance} instance
   */
  socketFor(instance) {
    if (this.socket === null) {
      this.socket = restoredSocket(this, { attachment: this.attachment, url: this.url, closeSent: this.closeSent });
      const end = endOf(this.socket);
      if (this.#far === null) {
        end.attach(new RecordTransport(this, instance));
      } else {
        end.peer = this.#far;
        this.#far.peer = end;
        this.#far = null;
      }
    }
    return this.socket;
  }

  /** The instance is over: what survives is the attachment and whether Close was said. */
  forgetObject() {
    if (this.socket !== null) {
      const end = endOf(this.socket);
      this.attachment = end.attachment;
      this.closeSent = end.closeSent;
      this.socket = null;
      if (end.peer?.accepted) this.#far = end.peer;
    }
    if (this.id === null && this.#far === null) this.handle.sockets.delete(this.order);
  }

  /** Drop the connection without a Close frame. */
  cut() {
    const far = this.#far ?? (this.socket === null ? null : endOf(this.socket).peer);
    this.socket = this.#far = null;
    if (far !== null) far.deliverLost();
    if (this.id === null) return;
    this.hub.link.send(CLOSE, this.id, closePayload(null, ""), CUT);
    this.hub.forget(this);
  }

  /** Handlers of `size` bytes of messages have started: the gateway may read on from the client. */
  acknowledge(size) {
    this.#unacknowledged += size;
    if (this.#unacknowledged >= SOCKET_WINDOW / 4 && this.id !== null) {
      this.hub.link.send(CREDIT, this.id, creditPayload(this.#unacknowledged));
      this.#unacknowledged = 0;
    }
  }

  // -- SocketEvents: what arrives from an end inside this process (a facet's parent, a proxying Worker)

  text(_socket, text) {
    this.handle.deliver(new MessageTurn(this, text, 0));
  }

  binary(_socket, data) {
    this.handle.deliver(new MessageTurn(this, arrayBuffer(data), 0));
  }

  close(_socket, code, reason, wasClean) {
    this.handle.deliver(new CloseTurn(this, code, reason, wasClean));
  }

  error(_socket, error) {
    this.handle.deliver(new FaultTurn(this, error));
  }
}

/** The client's side of a hibernatable socket, as the instance that sends sees it: everything passes its output gate. */
class RecordTransport {
  #record;
  #instance;

  constructor(record, instance) {
    this.#record = record;
    this.#instance = instance;
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

  attachment(data) {
    // The gateway keeps the sockets of objects, not of facets, which share their parent's id.
    if (this.#record.handle.parent === null) this.#send(ATTACHMENT, data);
  }

  #send(kind, payload) {
    const { id, hub, handle } = this.#record;
    this.#instance.emit(() => {
      hub.link.send(kind, id, payload);
      if (hub.points.on && kind !== ATTACHMENT) hub.points.reached("frame", handle, frameLabel(kind, payload));
    });
  }
}

/** All sockets of the host by the link's socket ids. */
export class SocketHub {
  #world;
  /** @type {Map<number, SocketRecord>} */
  #records = new Map();
  #lastOrder = 0;

  /**
   * @param {SocketWorld} world
   * @param {import("./wire/link.mjs").Link} link
   * @param {import("./points.mjs").Points} points
   */
  constructor(world, link, points) {
    this.#world = world;
    this.link = link;
    this.points = points;
    this.standard = new StandardSockets(this);
  }

  // -- accepting and binding

  /**
   * `ctx.acceptWebSocket`.
   * @param {import("./surface/websocket_end.mjs").SocketEnd} end
   * @param {import("./instance.mjs").Instance} instance
   * @param {string[]} tags
   */
  accept(end, instance, tags) {
    const handle = instance.handle;
    if (handle.sockets.size >= MAX_SOCKETS) {
      throw new Error(`A Durable Object cannot have more than ${MAX_SOCKETS} hibernatable WebSockets.`);
    }
    this.#lastOrder += 1;
    const record = new SocketRecord(this, handle, this.#lastOrder, tags, null);
    end.acceptHibernatable(record);
    record.socket = end.socket;
    handle.sockets.set(record.order, record);
  }

  /**
   * A 101 response leaves for its client: connect the other end of its socket with the link.
   * @param {import("./wire/exchange.mjs").Incoming} incoming
   * @param {import("./surface/response.mjs").Response} response with a `webSocket`
   * @param {[string, string][]} headers the response's
   * @param {import("./owner.mjs").Owner} owner whose code keeps the socket when nobody else does
   */
  bind(incoming, response, headers, owner) {
    const client = endOf(response.webSocket);
    if (client.accepted) throw new TypeError("Can't return WebSocket in a Response after calling accept().");
    incoming.upgradeWith(headers);
    const server = client.peer;
    if (server === null) {
      // It came from elsewhere (a fetch that was answered by an upgrade): pass frames on, both ways.
      this.standard.bridge(incoming.id, client, owner, incoming.url);
    } else if (server.events instanceof SocketRecord) {
      this.#bindRecord(server.events, server, incoming);
    } else {
      this.standard.bind(incoming.id, server, server.owner ?? owner, incoming.url);
    }
  }

  #bindRecord(record, end, incoming) {
    const handle = record.handle;
    const instance = handle.instance;
    record.id = incoming.id;
    record.url = incoming.url;
    this.#records.set(incoming.id, record);
    if (handle.parent === null) {
      // The gateway keeps sockets by class and id, which facets share; theirs end with this host.
      const { className, id, name } = handle;
      this.link.sendJson(ACCEPTED, { class: className, id, name, tags: record.tags, url: record.url }, incoming.id);
    }
    // The object may have been reset between its answer and this moment.
    if (instance === null || record.socket !== end.socket) record.cut();
    else end.attach(new RecordTransport(record, instance));
  }

  /**
   * START: the sockets that outlived the host before, and the pairs their objects had set.
   * @param {object[]} survivors
   * @param {object[]} autoResponses
   */
  restore(survivors, autoResponses) {
    for (const entry of survivors) {
      const handle = this.#world.objects.get(entry.class, entry.id, entry.name);
      this.#lastOrder += 1;
      const record = new SocketRecord(this, handle, this.#lastOrder, entry.tags, entry.url);
      record.id = entry.socket;
      record.attachment = entry.attachment === null ? null : Buffer.from(entry.attachment, "base64");
      record.answeredMs = entry.answered_ms;
      record.closeSent = Boolean(entry.closing);
      handle.sockets.set(record.order, record);
      handle.sleepWithSockets();
      this.#records.set(record.id, record);
    }
    for (const { class: className, id, request, response } of autoResponses) {
      this.#world.objects.get(className, id, null).autoResponse = { request, response };
    }
  }

  // -- frames

  /** A frame of a socket came from the gateway. @param {import("./wire/frames.mjs").Frame} frame */
  take(frame) {
    const record = this.#records.get(frame.id);
    if (record === undefined) {
      this.standard.take(frame);
      return;
    }
    switch (frame.kind) {
      case TEXT:
        if (!this.#answeredForFacet(record, frame)) record.handle.deliver(new MessageTurn(record, frame.text(), frame.size), NOW);
        break;
      case BINARY:
        record.handle.deliver(new MessageTurn(record, arrayBuffer(frame.payload), frame.size), NOW);
        break;
      case CLOSE: {
        const { code, reason } = frame.close();
        record.handle.deliver(new CloseTurn(record, code ?? NO_CODE, reason, (frame.flags & CLEAN) !== 0), NOW);
        break;
      }
      case FAULT:
        record.handle.deliver(new FaultTurn(record, new Error(frame.text())), NOW);
        break;
      case ANSWERED:
        record.answeredMs = frame.nowMs;
        break;
    }
  }

  /** The gateway answers for objects; it does not know facets. */
  #answeredForFacet(record, frame) {
    const { parent, autoResponse } = record.handle;
    if (parent === null || autoResponse === null || frame.text() !== autoResponse.request) return false;
    this.link.send(TEXT, record.id, autoResponse.response);
    record.answeredMs = frame.nowMs;
    record.acknowledge(frame.size);
    return true;
  }

  /** The socket is over. @param {SocketRecord} record */
  forget(record) {
    if (record.id !== null) this.#records.delete(record.id);
    record.handle.sockets.delete(record.order);
  }

  /** A handler that throws is logged; socket and instance live on (S-86). @param {string} where @param {unknown} error @param {SocketRecord} record */
  handlerFailed(where, error, record) {
    this.#world.userError(where, error, record.handle);
  }
}

const NOW = Object.freeze({ now: true });

/** A copy of its own: the bytes are a view of the link's memory. */
function arrayBuffer(bytes) {
  return bytes.buffer.slice(bytes.byteOffset, bytes.byteOffset + bytes.byteLength);
}
