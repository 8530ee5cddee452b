/** Puts the platform's globals in place of Node's. Called once, before any user code is imported. */

import { installAbort } from "./abort.mjs";
import { atob, btoa } from "./base64.mjs";
import { Body } from "./body.mjs";
import { Cache, CacheStorage } from "./caches.mjs";
import { changeCrypto } from "./crypto.mjs";
import { EventSource } from "./event_source.mjs";
import * as events from "./events.mjs";
import { fetch } from "./fetch.mjs";
import { FormData } from "./form_data.mjs";
import {
  addEventListener,
  Cloudflare,
  dispatchEvent,
  Navigator,
  removeEventListener,
  reportError,
  ServiceWorkerGlobalScope,
  WorkerGlobalScope,
} from "./global_scope.mjs";
import { Headers } from "./headers.mjs";
import { HTMLRewriter } from "./html_rewriter.mjs";
import { FixedLengthStream, IdentityTransformStream } from "./identity_streams.mjs";
import { installNodeTimers } from "./node_timers.mjs";
import { usePort } from "./port.mjs";
import { installProcess } from "./process.mjs";
import { Request } from "./request.mjs";
import { Response } from "./response.mjs";
import { Scheduler } from "./scheduler.mjs";
import { clearImmediate, clearInterval, clearTimeout, setImmediate, setInterval, setTimeout } from "./timers.mjs";
import { WebSocket } from "./websocket.mjs";
import { WebSocketPair, WebSocketRequestResponsePair } from "./websocket_pair.mjs";

const CLASSES = {
  Body,
  Cache,
  CacheStorage,
  CloseEvent: events.CloseEvent,
  ErrorEvent: events.ErrorEvent,
  EventSource,
  ExtendableEvent: events.ExtendableEvent,
  FetchEvent: events.FetchEvent,
  FixedLengthStream,
  FormData,
  HTMLRewriter,
  Headers,
  IdentityTransformStream,
  MessageEvent: events.MessageEvent,
  Navigator,
  PromiseRejectionEvent: events.PromiseRejectionEvent,
  Request,
  Response,
  ServiceWorkerGlobalScope,
  ScheduledEvent: events.ScheduledEvent,
  TailEvent: events.TailEvent,
  TraceEvent: events.TraceEvent,
  WebSocket,
  WebSocketPair,
  WebSocketRequestResponsePair,
  WorkerGlobalScope,
};

const FUNCTIONS = {
  addEventListener,
  atob,
  btoa,
  clearImmediate,
  clearInterval,
  clearTimeout,
  dispatchEvent,
  fetch,
  removeEventListener,
  reportError,
  setImmediate,
  setInterval,
  setTimeout,
};

/** What Node has and the platform has not. */
const ABSENT = ["BroadcastChannel", "Storage", "localStorage", "require", "sessionStorage"];

/** @param {import("./port.mjs").Runtime} runtime */
export function install(runtime) {
  usePort(runtime);
  define({ ...CLASSES, ...FUNCTIONS });
  define({
    Cloudflare,
    caches: new CacheStorage(),
    navigator: new Navigator(),
    origin: "null",
    scheduler: new Scheduler(),
    self: globalThis,
  });
  for (const name of ABSENT) delete globalThis[name];
  ReadableStreamBYOBReader.prototype.readAtLeast = function (bytes, view) {
    return this.read(view, { min: bytes });
  };
  installCrypto();
  installAbort();
  installNodeTimers();
  installProcess();
}

function define(values) {
  for (const [name, value] of Object.entries(values)) {
    Object.defineProperty(globalThis, name, { value, writable: true, enumerable: false, configurable: true });
  }
}

/** Node makes `crypto` when somebody asks for it, which takes a while: so do we. */
function installCrypto() {
  const { get } = Object.getOwnPropertyDescriptor(globalThis, "crypto");
  Object.defineProperty(globalThis, "crypto", {
    get() {
      const crypto = get.call(globalThis);
      changeCrypto(crypto);
      define({ crypto });
      return crypto;
    },
    set: (value) => define({ crypto: value }),
    enumerable: false,
    configurable: true,
  });
}
