/** `node:dgram` of the platform: sockets can be made, and what they send goes nowhere and is never acknowledged (observed on workerd). */

import { EventEmitter } from "node:events";
import dgram from "node:dgram";

export * from "node:dgram";

export class Socket extends EventEmitter {
  constructor(type, listener) {
    super();
    this.type = typeof type === "object" ? type.type : type;
    if (listener !== undefined) this.on("message", listener);
  }
}

for (const method of ["bind", "connect", "disconnect", "ref", "setBroadcast", "setTTL", "unref"]) {
  Socket.prototype[method] = function () {
    return this;
  };
}

Socket.prototype.send = () => {};
Socket.prototype.close = function (callback) {
  if (callback !== undefined) this.once("close", callback);
  process.nextTick(() => this.emit("close"));
  return this;
};

export const createSocket = (type, listener) => new Socket(type, listener);

export default { ...dgram, Socket, createSocket };
