/** Puts the platform's globals in place of Node's. Called once, before any user code is imported. */

import { Body } from "./body.mjs";
import { CloseEvent, ErrorEvent, MessageEvent, PromiseRejectionEvent } from "./events.mjs";
import { fetch } from "./fetch.mjs";
import { FormData } from "./form_data.mjs";
import { Headers } from "./headers.mjs";
import { usePort } from "./port.mjs";
import { Request } from "./request.mjs";
import { Response } from "./response.mjs";
import { WebSocket } from "./websocket.mjs";
import { WebSocketPair, WebSocketRequestResponsePair } from "./websocket_pair.mjs";

const CLASSES = {
  Body,
  CloseEvent,
  ErrorEvent,
  FormData,
  Headers,
  MessageEvent,
  PromiseRejectionEvent,
  Request,
  Response,
  WebSocket,
  WebSocketPair,
  WebSocketRequestResponsePair,
};

/** @param {import("./port.mjs").Runtime} runtime */
export function install(runtime) {
  usePort(runtime);
  for (const [name, value] of Object.entries({ ...CLASSES, fetch })) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
}
