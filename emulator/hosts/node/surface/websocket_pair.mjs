/** `WebSocketPair` and `WebSocketRequestResponsePair`. */

import { endOf, freshSocket } from "./websocket.mjs";

/** Two coupled ends: `0` for the client and `1` for the server; also iterable. */
export class WebSocketPair {
  constructor() {
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
}

/** An automatic answer to a text message (durable-objects.md 5.6); `setWebSocketAutoResponse` looks at its size. */
export class WebSocketRequestResponsePair {
  #request;
  #response;

  /** @param {string} request @param {string} response */
  constructor(request, response) {
    this.#request = String(request);
    this.#response = String(response);
  }

  get request() {
    return this.#request;
  }

  get response() {
    return this.#response;
  }
}
