/** What happens to a hibernatable socket, as turns of its object (durable-objects.md 5.3, 5.4). */

import { callHandler } from "./dispatch.mjs";
import { inSection } from "./owner.mjs";
import { echoedCode } from "./socket_rules.mjs";
import { endOf } from "./surface/websocket.mjs";
import { Delivery } from "./turns.mjs";
import { closePayload, Kind } from "./wire/frames.mjs";

/** @typedef {import("./sockets.mjs").SocketRecord} SocketRecord */

/** A message for `webSocketMessage`; without such a method it is dropped silently (5.3). */
export class MessageTurn extends Delivery {
  #record;
  #message;
  #size;

  /** @param {SocketRecord} record @param {string | ArrayBuffer} message @param {number} size bytes to grant when it starts */
  constructor(record, message, size) {
    super("webSocketMessage");
    this.#record = record;
    this.#message = message;
    this.#size = size;
  }

  work(instance) {
    const record = this.#record;
    record.acknowledge(this.#size);
    const handle = () => callHandler(instance.userObject, "webSocketMessage", record.socketFor(instance), this.#message);
    const limitMs = record.handle.eventTimeoutMs;
    return limitMs === null ? handle() : within(limitMs, instance, handle);
  }

  failed(error, reset) {
    if (!reset) this.#record.hub.handlerFailed(this.label, error, this.#record);
  }
}

/** A handler that is cut off silently when it takes too long; object and socket live on (S-93). */
function within(limitMs, instance, handle) {
  const strand = instance.gate.strand();
  const { promise, resolve, reject } = Promise.withResolvers();
  const { clock } = instance.handle.world;
  const limit = clock.after(limitMs, () => {
    strand.cut = true;
    resolve();
  });
  Promise.resolve(inSection(instance, strand, handle)).then(resolve, reject);
  return promise.finally(() => clock.cancel(limit));
}

/**
 * The client closed or vanished: `webSocketClose`, with the socket still listed (S-84); afterwards it is gone.
 *
 * Where the handler did not answer a Close, we do (S-95, an accepted difference that only helps clients).
 */
export class CloseTurn extends Delivery {
  #record;
  #code;
  #reason;
  #wasClean;

  /** @param {SocketRecord} record @param {number} code @param {string} reason @param {boolean} wasClean */
  constructor(record, code, reason, wasClean) {
    super("webSocketClose");
    this.#record = record;
    this.#code = code;
    this.#reason = reason;
    this.#wasClean = wasClean;
  }

  work(instance) {
    const socket = this.#record.socketFor(instance);
    endOf(socket).peerEnded(!this.#wasClean);
    return callHandler(instance.userObject, "webSocketClose", socket, this.#code, this.#reason, this.#wasClean);
  }

  done() {
    const record = this.#record;
    const closed = record.socket === null ? record.closeSent : endOf(record.socket).closeSent;
    if (this.#wasClean && !closed && record.id !== null) {
      record.hub.link.send(Kind.CLOSE, record.id, closePayload(echoedCode(this.#code), this.#reason));
    }
    record.hub.forget(record);
  }

  failed(error, reset) {
    if (!reset) this.#record.hub.handlerFailed(this.label, error, this.#record);
    this.done();
  }
}

/** The connection broke the protocol: `webSocketError` only (S-90). */
export class FaultTurn extends Delivery {
  #record;
  #error;

  /** @param {SocketRecord} record @param {Error} error */
  constructor(record, error) {
    super("webSocketError");
    this.#record = record;
    this.#error = error;
  }

  work(instance) {
    const socket = this.#record.socketFor(instance);
    endOf(socket).peerEnded(true);
    return callHandler(instance.userObject, "webSocketError", socket, this.#error);
  }

  done() {
    this.#record.hub.forget(this.#record);
  }

  failed(error, reset) {
    if (!reset) this.#record.hub.handlerFailed(this.label, error, this.#record);
    this.done();
  }
}
