/** Invocations of the Worker itself: a request or a cron tick, each with a context and a life of its own (durable-objects.md 7). */

import { ExecutionContext } from "./context.mjs";
import { callFetch } from "./dispatch.mjs";
import { errorObject } from "./faults.mjs";
import { DOMException, setImmediate } from "./originals.mjs";
import { Owner, rootContext } from "./owner.mjs";
import { ClientSignal } from "./surface/client_signal.mjs";
import { pairsOf } from "./surface/headers.mjs";
import { fromIncoming, intoResponse } from "./surface/incoming.mjs";
import { IncomingCf } from "./surface/incoming_cf.mjs";

/** What `waitUntil` gets after the response or the client's leaving (durable-objects.md 7). */
const AFTER_RESPONSE_MS = 30_000;
/** What code that reacts to the abort of its request's signal gets before it is stopped; on the platform that is its microtasks. */
const AFTER_LEAVING_MS = 10;

const NOT_ASKED_FOR = 'Worker tried to return WebSocket in a response to a request without the header "Upgrade: websocket".';

/**
 * What invocations need of the host.
 *
 * @typedef {object} WorkerWorld
 * @property {object} env
 * @property {import("./surface/clock.mjs").Clock} clock
 * @property {import("./points.mjs").Points} points
 * @property {object} exports
 * @property {import("./loader.mjs").UserCode} code
 * @property {import("./sockets.mjs").SocketHub} sockets
 * @property {(where: string, error: unknown, handle: null) => void} userError
 * @property {(level: "warn", text: string) => void} writeLog one line for the terminal
 */

/** One event of the Worker, or of another of its entrypoints. */
export class Invocation extends Owner {
  #world;
  #entrypoint;
  #answered = false;
  #left = false;
  #cutOff = null;
  #receiver = null;

  /**
   * @param {WorkerWorld} world
   * @param {string} [entrypoint] the export's name
   * @param {unknown} [props] `ctx.props`
   */
  constructor(world, entrypoint = "default", props = {}) {
    super(entrypoint === "default" ? "worker" : entrypoint);
    this.#world = world;
    this.#entrypoint = entrypoint;
    this.ctx = new ExecutionContext(this, world, props);
  }

  /** This invocation, as rpc/ and exports.mjs name it. */
  get owner() {
    return this;
  }

  /** What handles events: an instance of the entrypoint's class, made for this event, or the exported object of handlers. */
  get receiver() {
    this.#receiver ??= this.#makeReceiver();
    return this.#receiver;
  }

  get #exported() {
    const { code } = this.#world;
    return this.#entrypoint === "default" ? code.default : code.entrypoints.get(this.#entrypoint);
  }

  #makeReceiver() {
    const exported = this.#exported;
    if (typeof exported === "function") return new exported(this.ctx, this.#world.env);
    return exported ?? {};
  }

  /** What a handler gets besides its event: classes have `env` and `ctx` as properties, objects of handlers are told. @returns {unknown[]} */
  get context() {
    return typeof this.#exported === "function" ? [] : [this.#world.env, this.ctx];
  }

  /**
   * Run the fetch handler; to be called as this owner's code.
   * @param {import("./surface/request.mjs").Request} request
   * @returns {Promise<import("./surface/response.mjs").Response>}
   */
  fetch(request) {
    return callFetch(this.receiver, request, ...this.context);
  }

  /**
   * Run another handler to its end, `waitUntil`s aside.
   * @param {string} name
   * @param {object} event
   * @returns {Promise<unknown>}
   */
  handle(name, event) {
    return this.run(() => {
      const receiver = this.receiver;
      if (typeof receiver[name] !== "function") throw new Error(`Handler does not export a ${name}() function.`);
      return receiver[name](event, ...this.context);
    }, name);
  }

  /** Its event is over. What it still sends is sent, `waitUntil`s get half a minute; everything else ends now, as on the platform. */
  answered() {
    this.#answered = true;
    this.#endUnlessNeeded();
    if (!this.dead && this.isHeldBy("waitUntil")) {
      this.#cutOff = rootContext(() => this.#world.clock.after(AFTER_RESPONSE_MS, () => this.#stopLateWork()));
    }
  }

  /** Nobody waits for the response any more: this code stops as soon as no `waitUntil` is pending (durable-objects.md 7). */
  clientLeft() {
    this.#left = true;
    // Code that reacts to the abort of its signal comes first.
    rootContext(() => this.#world.clock.after(AFTER_LEAVING_MS, this.#ends));
  }

  release(what) {
    super.release(what);
    // What the end of a body or of a `waitUntil` makes runnable comes first.
    if (this.#answered || this.#left) setImmediate(this.#ends);
  }

  #ends = () => this.#endUnlessNeeded();

  #endUnlessNeeded() {
    if (this.isHeldBy("waitUntil")) return;
    // A body on its way, a socket, a function somebody else may call.
    if (!this.#left && (this.isHeldBy("body") || this.isHeldBy("socket") || this.isHeldBy("outgoing socket") || this.isHeldBy("stub")))
      return;
    this.kill();
  }

  kill() {
    // Else the timer would keep every invocation in memory for half a minute.
    if (this.#cutOff !== null) this.#world.clock.cancel(this.#cutOff);
    super.kill();
  }

  #stopLateWork() {
    if (!this.isHeldBy("waitUntil")) return;
    this.#world.writeLog("warn", "waitUntil() tasks did not complete within 30 s after the response and were cancelled.");
    this.kill();
  }
}

/** What `scheduled` gets. */
export class ScheduledController {
  /** @param {string} cron @param {number} scheduledTime ms since 1970 */
  constructor(cron, scheduledTime) {
    this.cron = cron;
    this.scheduledTime = scheduledTime;
    this.type = "scheduled";
  }

  /** Accepted and without effect: a failed tick is never repeated here. */
  noRetry() {}
}

/** Turns REQUEST frames into invocations and their answers into responses. */
export class RequestHandler {
  #world;
  #abortSignal;
  #cf = new IncomingCf();
  #unanswered = 0;
  /** Bodies on their way to clients. @type {Set<import("./owned_body.mjs").OwnedBody>} */
  #bodies = new Set();

  /**
   * @param {WorkerWorld} world
   * @param {{abortSignal: boolean}} options `request.signal` aborts when the client leaves (`enable_request_signal`)
   */
  constructor(world, { abortSignal }) {
    this.#world = world;
    this.#abortSignal = abortSignal;
  }

  /** A client waits for a response, or reads one. */
  get answering() {
    for (const body of this.#bodies) if (!body.isOpen) this.#bodies.delete(body);
    return this.#unanswered > 0 || this.#bodies.size > 0;
  }

  /**
   * Start an invocation for a request.
   * @param {import("./wire/exchange.mjs").Incoming} incoming
   */
  take(incoming) {
    const invocation = new Invocation(this.#world);
    const leaving = this.#abortSignal ? new ClientSignal(invocation) : null;
    let unanswered = true;
    this.#unanswered += 1;
    const answered = () => {
      if (unanswered) this.#unanswered -= 1;
      unanswered = false;
    };
    const clientLeft = () => {
      answered();
      leaving?.abort(new DOMException("The client has disconnected", "AbortError"));
      invocation.clientLeft();
    };
    // Not written in one statement: V8 makes a function that is assigned to a property old at once, and all it reaches with it.
    incoming.onCancel = clientLeft;
    invocation
      .enter(async () => invocation.fetch(fromIncoming(incoming, invocation, { signal: leaving, cf: this.#cf.of(incoming.headers) })))
      .then((response) => this.#answer(incoming, response, invocation))
      .catch((error) => {
        if (!invocation.dead) incoming.fail(errorObject(error));
      })
      .finally(() => {
        answered();
        invocation.answered();
      });
  }

  #answer(incoming, response, invocation) {
    if (invocation.dead) return;
    if (response.webSocket !== null) {
      // S-94.
      if (!incoming.upgrade) throw new TypeError(NOT_ASKED_FOR);
      this.#world.sockets.bind(incoming, response, pairsOf(response.headers), invocation);
      this.#responded(incoming, 101);
      return;
    }
    const body = intoResponse(response, incoming, invocation);
    if (body !== null) this.#bodies.add(body);
    this.#responded(incoming, response.status);
  }

  #responded({ method, url }, status) {
    const { points } = this.#world;
    if (points.on) points.reached("respond", null, `${status} ${method} ${url.split("?", 1)[0]}`);
  }

  /**
   * Run the scheduled handler to its end, `waitUntil`s aside.
   * @param {string} cron
   * @param {number} scheduledMs
   */
  async scheduled(cron, scheduledMs) {
    const invocation = new Invocation(this.#world);
    try {
      await invocation.handle("scheduled", new ScheduledController(cron, scheduledMs));
    } finally {
      invocation.answered();
    }
  }
}
