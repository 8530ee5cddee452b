/** The host's side of a session on the link: hello, load, start, serve, drain (wire/README.md). */
import { writeSync } from "node:fs";
import { errorObject } from "./faults.mjs";
import { exit, process } from "./originals.mjs";
import { withoutPlatform } from "./stacks.mjs";
import { StallWatch } from "./stall.mjs";
import { Kind, PROTOCOL } from "./wire/frames.mjs";
import { Link } from "./wire/link.mjs";

/** What arrives on the link, in the order of the session's life. The process ends with it. */
export class Session {
  #link = new Link(this);
  #load;
  #repeatable;
  /** @type {import("./host.mjs").Host | null} */
  #host = null;
  /** Session frames are taken one after the other. */
  #turn = Promise.resolve();
  #stall = new StallWatch(
    (fields) => this.#link.note("stall", fields),
    (attached) => this.#link.note("debugger", { attached }),
  );

  /**
   * @param {() => Promise<typeof import("./host.mjs").Host>} load gives the Host class, which takes longer to load than a HELLO may wait
   * @param {{virtualClock?: boolean, seeded?: boolean}} [repeatable] as the Host's
   */
  constructor(load, repeatable = {}) {
    this.#load = load;
    this.#repeatable = repeatable;
  }

  /** Connect and say HELLO. @param {string} path the gateway's Unix socket */
  open(path) {
    // Ctrl-C reaches the whole terminal group; when to end is the gateway's decision.
    process.on("SIGINT", () => {});
    this.#link.open(path);
    const runtime = `Node.js ${process.version}`;
    this.#link.sendJson(Kind.HELLO, { protocols: [PROTOCOL], kind: "node", pid: process.pid, runtime });
    this.#then(async () => {
      const Host = await this.#load();
      this.#host = new Host(this.#link, null, this.#repeatable);
      await this.#host.preloadLast(process.cwd());
    });
  }

  // -- Receiver (wire/link.mjs)

  /** PRELOAD, LOAD, START, DRAIN. */
  onSession(frame) {
    switch (frame.kind) {
      case Kind.PRELOAD:
        this.#then(() => this.#host.preload(frame.json().modules));
        break;
      case Kind.LOAD:
        this.#then(() => this.#loadProject(frame.json().project));
        break;
      case Kind.START:
        // At once: the first requests come right behind it.
        this.#host.start(frame.json());
        this.#stall.start();
        break;
      case Kind.DRAIN:
        this.#then(() => this.#drain(frame.json()));
        break;
    }
  }

  async #loadProject(project) {
    try {
      await this.#host.load(project);
    } catch (error) {
      this.#link.sendJson(Kind.FAILED, { ...errorObject(error), again: this.#host.canLoadAgain });
      return;
    }
    this.#link.sendJson(Kind.READY, this.#host.describe());
  }

  async #drain({ grace_ms: graceMs, message }) {
    const reset = await this.#host.drain(graceMs, message);
    this.#link.sendJson(Kind.DRAINED, { reset });
    await this.#link.close();
    exit(0);
  }

  /** A client's request for the Worker. */
  onRequest(incoming) {
    this.#host.requests.take(incoming);
  }

  /** An operation of the gateway. */
  onCall(incoming, call) {
    this.#host.operations.operate(call).then(
      (result) => incoming.result(result),
      (error) => incoming.fail(errorObject(error)),
    );
  }

  /** A frame of a socket. */
  onSocket(frame) {
    this.#host.sockets.take(frame);
  }

  /** Unknown ones are ignored, as the protocol says. */
  onNote(note) {
    // At once, like START: it holds for the request that comes right behind it.
    if (this.#host !== null) this.#noted(note);
    else this.#then(() => this.#noted(note));
  }

  #noted(note) {
    if (note.op === "network") this.#host.network(note.reach);
    else if (note.op === "points") this.#host.points.order(note);
  }

  /** The gateway is gone: so are we. */
  onLost(error) {
    if (error === null) exit(0);
    this.#fail(error);
  }

  #then(step) {
    this.#turn = this.#turn.then(step).catch((error) => this.#fail(error));
  }

  /** Our own fault: a new process is better than one that does half of what it should. */
  #fail(error) {
    writeSync(2, `agents-emu: the host ends: ${withoutPlatform(error?.stack ?? String(error))}\n`);
    exit(70);
  }
}
