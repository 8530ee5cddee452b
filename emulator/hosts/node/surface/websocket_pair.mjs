/** `WebSocketPair` and `WebSocketRequestResponsePair`. */

import { needEvent } from "../module_level.mjs";
import { wrongConstructorParameter } from "./arguments.mjs";
import { endOf, freshSocket } from "./websocket.mjs";

/** Two coupled ends: `0` for the client and `1` for the server; also iterable. */
export class WebSocketPair {
  constructor() {
    needEvent();
    const client = freshSocket();
    const server = freshSocket();
    endOf(client).peer = endOf(server);
    endOf(server).peer = endOf(client);
    this[0] = client;
    this[1] = server;
  }

  *[Symbol.iterator]() {
    yield this[0];
    yield this[1];
  }

  get [Symbol.toStringTag]() {
    return "WebSocketPair";
  }
}

/** An automatic answer to a text message (durable-objects.md 5.6); `setWebSocketAutoResponse` looks at its size. */
export class WebSocketRequestResponsePair {
  #request;
  #response;

  /** @param {[request: string, response: string]} given */
  constructor(...given) {
    if (given.length < 2) throw wrongConstructorParameter("WebSocketRequestResponsePair", given.length + 1, "string");
    this.#request = String(given[0]);
    this.#response = String(given[1]);
  }

  get request() {
    return this.#request;
  }

  get response() {
    return this.#response;
  }

  get [Symbol.toStringTag]() {
    return "WebSocketRequestResponsePair";
  }
}
