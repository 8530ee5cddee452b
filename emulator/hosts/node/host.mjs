/** The host once the project is loaded: builds every part and is what they ask of it (the composition root of this process). */

import { Ai } from "./ai.mjs";
import { isSeeded, replaceMathRandom, seed } from "./chance.mjs";
import { captureConsole } from "./console.mjs";
import { DurableObjectState, keepAlive } from "./context.mjs";
import { loopbackClass, loopbackService, serviceBinding } from "./exports.mjs";
import { errorObject, originOf, whereOf } from "./faults.mjs";
import { currentInstance, Instance } from "./instance.mjs";
import { State } from "./lifecycle.mjs";
import { Loader } from "./loader.mjs";
import { Guard } from "./network/guard.mjs";
import { namespaceOf } from "./namespace.mjs";
import { ObjectTable } from "./objects.mjs";
import { Operations } from "./operations.mjs";
import { exit, monotonicMs, setTimeout } from "./originals.mjs";
import { send } from "./outbound.mjs";
import { currentOwner } from "./owner.mjs";
import { PlatformBuiltins } from "./platform_builtins.mjs";
import { Points, turnLines } from "./points.mjs";
import { requestBinding } from "./rpc/fetcher.mjs";
import { bindWorker } from "./rpc/scope.mjs";
import { SocketHub } from "./sockets.mjs";
import { hearStrays } from "./strays.mjs";
import { ObjectStorage, OpenFiles, StorageRevoked } from "./storage/storage.mjs";
import { chanceFunctions, clockFunctions } from "./storage/sql_functions.mjs";
import { realClock } from "./surface/clock.mjs";
import { install } from "./surface/install.mjs";
import { endOf } from "./surface/websocket.mjs";
import { Advance } from "./time/advance.mjs";
import { Quiet } from "./time/quiet.mjs";
import { stopwatch } from "./time/stopwatch.mjs";
import { installUserClocks } from "./time/user_clocks.mjs";
import { VirtualClock } from "./time/virtual_clock.mjs";
import { Kind } from "./wire/frames.mjs";
import { Invocation, RequestHandler } from "./worker.mjs";

/** Databases open at once; further ones close the one unused longest. */
const MAX_OPEN_FILES = 256;
/** How often `drain` looks whether anybody still waits. */
const DRAIN_LOOK_MS = 5;

/** One per process. */
export class Host {
  /** Compatibility flags that are on. @type {Record<string, boolean>} */
  flags = {};
  env = {};
  exports = {};
  /** LOAD's project (wire/README.md). @type {object | null} */
  project = null;
  /** @type {number} */
  idleMs = 0;
  /** @type {import("./loader.mjs").UserCode | null} */
  code = null;
  /** @type {ObjectTable | null} */
  objects = null;
  /** @type {RequestHandler | null} */
  requests = null;
  /** What user code sees and the platform waits by. @type {import("./surface/clock.mjs").Clock} */
  clock = realClock;
  /** Moves a virtual clock; null while there is none. @type {Advance | null} */
  advance = null;
  /** @type {Points} */
  points;
  operations = new Operations(this);
  #vars = {};
  #guard = new Guard((what, error) => this.link.note("denied", { what, where: whereOf(error) }));
  #builtins = new PlatformBuiltins(this.#guard);
  #loader;
  #files = new OpenFiles(MAX_OPEN_FILES);
  #prepared = false;
  #repeatable;

  /**
   * Knows nothing of a project yet: `prepare` and `preload` are what a spare process does ahead of `load`.
   * @param {import("./wire/link.mjs").Link} link
   * @param {Pick<Loader, "prepare" | "preload" | "load"> | null} [loader]
   * @param {{virtualClock?: boolean, seeded?: boolean}} [repeatable] what LOAD will say: packages that are imported ahead of it may keep the
   *   clocks and the chance that they find
   */
  constructor(link, loader = null, repeatable = {}) {
    this.link = link;
    this.#loader = loader ?? new Loader({ builtins: this.#builtins });
    this.#repeatable = repeatable;
    this.points = new Points(link);
    this.sockets = new SocketHub(this, link, this.points);
  }

  // -- loading

  /** Make this process the platform's runtime as far as user code can tell; once. */
  prepare() {
    if (this.#prepared) return;
    this.#prepared = true;
    const host = this;
    install({
      get clock() {
        return host.clock;
      },
      fetch: (request) => send(this, "egress", request),
      openSocket: (socket, url, protocols) => this.sockets.standard.connect(endOf(socket), url, protocols),
      unhandled: (error) => this.unhandled(error),
      flags: this.flags,
      vars: this.#vars,
      waitUntil: (promise) => this.#waitUntil(promise),
    });
    bindWorker({
      env: this.env,
      exports: this.exports,
      waitUntil: (promise) => this.#waitUntil(promise),
      abortIsolate: (reason) => {
        this.writeLog("error", `abortIsolate: ${String(reason)}`);
        this.link.flush();
        exit(1);
      },
    });
    captureConsole((level, text) => this.writeLog(level, text));
    this.#guard.install();
    this.#builtins.install();
    hearStrays((where, error) => this.unhandled(error, where));
    if (this.#repeatable.virtualClock) this.#standStill();
    if (this.#repeatable.seeded) this.#drawRepeatably();
    this.#loader.prepare();
  }

  /** All clocks stand at 0, as they do for code at module level, until the project is loaded. */
  #standStill() {
    const clock = new VirtualClock();
    const quiet = new Quiet(this.link);
    quiet.install();
    this.clock = clock;
    this.advance = new Advance(clock, quiet, this.link);
    installUserClocks(clock.nowMs);
    Object.assign(globalThis.console, stopwatch(clock.nowMs, globalThis.console));
  }

  /** What user code draws at module level repeats in every process; `load` gives the seed. */
  #drawRepeatably() {
    seed(0);
    replaceMathRandom();
  }

  /**
   * Import libraries ahead of the user's code.
   * @param {string[]} modules
   */
  async preload(modules) {
    this.prepare();
    await this.#loader.preload(modules);
  }

  /** What the project in a folder used last time is imported before LOAD comes, while the gateway still starts. @param {string} root */
  async preloadLast(root) {
    this.prepare();
    await this.#loader.preloadLast(root);
  }

  /**
   * Import the user's code and build env.
   * @param {object} project
   * @throws {import("./errors.mjs").UserCodeError}
   */
  async load(project) {
    this.project = project;
    this.idleMs = project.idle_ms;
    // What an earlier try has left may be gone from the project.
    for (const filled of [this.flags, this.#vars, this.env]) for (const name of Object.keys(filled)) delete filled[name];
    Object.assign(this.flags, project.flags);
    this.prepare();
    const isVirtual = project.clock?.virtual === true;
    const seeded = (project.seed ?? null) !== null;
    if (isVirtual && !this.clock.isVirtual) this.#standStill();
    if (seeded && !isSeeded()) this.#drawRepeatably();
    this.#giveSqlFunctions(isVirtual, seeded);
    this.objects = new ObjectTable(this, project.name, project.state_dir);
    // env must be filled before the import: user code may read it at module level.
    Object.assign(this.#vars, project.vars, project.secrets);
    Object.assign(this.env, this.#vars);
    for (const binding of project.bindings) this.#bind(binding);
    this.code = await this.#loader.load(project);
    this.#fillExports();
    this.requests = new RequestHandler(this, { abortSignal: this.flags.enable_request_signal === true });
    if (seeded) seed(project.seed);
    if (isVirtual) {
      this.clock.reach(project.clock.now_ms);
      this.link.follow(this.clock);
    }
  }

  #giveSqlFunctions(isVirtual, seeded) {
    const given = [];
    if (isVirtual) given.push(clockFunctions(this.clock.nowMs));
    if (seeded) given.push(chanceFunctions());
    this.#files.onOpen =
      given.length === 0
        ? null
        : (file) => {
            for (const give of given) give(file);
          };
  }

  /** How far sockets may go from now on (the gateway's `network` note). @param {"outside" | "loopback" | "nothing"} reach */
  network(reach) {
    this.#guard.reach = reach;
  }

  /** How lines of built code are shown. @returns {import("./begun.mjs").Lines} */
  get lines() {
    return { root: this.project.root, original: (url, line, column) => this.#loader.original(url, line, column) };
  }

  /** Whether `load` may be called again after it has failed: nothing of the user's code has run. */
  get canLoadAgain() {
    return this.#loader.isUntouched;
  }

  #bind({ kind, name, class: className, entrypoint, props }) {
    switch (kind) {
      case "durable_object":
        this.env[name] = namespaceOf(this.#namespace(className));
        break;
      case "ai":
        this.env[name] = new Ai((request) => send(this, "ai", request));
        break;
      case "service":
        this.env[name] = serviceBinding(entrypoint ?? "default", this, props);
        break;
      case "assets":
        this.env[name] = requestBinding((request) => send(this, "assets", request));
        break;
    }
  }

  #namespace(className) {
    return { className, ids: this.objects.ids(className), find: (id, name) => this.objects.get(className, id, name) };
  }

  /** A class that a binding or a migration names is a namespace of its own; any other is good for facets. */
  #fillExports() {
    const { bindings, classes } = this.project;
    const bound = new Set(bindings.filter(({ kind }) => kind === "durable_object").map((binding) => binding.class));
    if (this.code.default !== undefined) this.exports.default = loopbackService("default", this);
    for (const name of this.code.objects.keys()) {
      this.exports[name] = loopbackClass(name, bound.has(name) || name in classes ? this.#namespace(name) : null);
    }
    for (const name of this.code.entrypoints.keys()) this.exports[name] = loopbackService(name, this);
  }

  /** READY (wire/README.md). */
  describe() {
    const { exports, handlers, modules, warnings, inputs } = this.code;
    return { exports, handlers, modules, warnings, inputs };
  }

  /**
   * From now on, and not before, objects may be opened.
   * @param {{sockets: object[], auto_responses: object[]}} handover START (wire/README.md)
   */
  start({ sockets, auto_responses: autoResponses }) {
    this.sockets.restore(sockets, autoResponses);
  }

  // -- what objects need (ObjectWorld)

  storageOf(handle, hooks) {
    let root = handle;
    while (root.parent !== null) root = root.parent;
    const userClass = this.code.objects.get(handle.className);
    return new ObjectStorage({
      path: handle.path,
      name: handle.name,
      files: this.#files,
      hasAlarmHandler: userClass !== undefined && "alarm" in userClass.prototype,
      sqliteClass: this.project.classes[root.className] === "sqlite",
      isFacet: handle.parent !== null,
      flags: this.flags,
      nowMs: this.clock.nowMs,
      hooks,
    });
  }

  /** TURN (wire/README.md). */
  turnEnded(instance, turn, ms) {
    this.link.send(Kind.TURN, 0, turnLines(instance.identity, turn, ms));
  }

  /** Nobody will run this object's alarm again: clear it, in the live instance's turn or, without one, in the file. */
  dropAlarm(handle) {
    if (handle.instance !== null) {
      handle.instance.storage.alarmDropped();
      return;
    }
    const storage = this.storageOf(handle, {
      // Who opened the file commits it.
      dirty() {},
      committed() {},
      // No user code is there to block.
      block: (critical) => critical(),
      alarmChanged: (timeMs) => this.indexAlarm(handle, timeMs).catch((error) => this.userError("alarm", error, handle)),
    });
    storage.alarmDropped();
    storage.commit();
    storage.close();
  }

  construct(instance) {
    const { className, parent } = instance.handle;
    const userClass = this.code.objects.get(className);
    if (userClass === undefined) throw new Error(`No such Durable Object class is exported: ${className}.`);
    const made = instance.enter(() => new userClass(new DurableObjectState(instance, this), this.env));
    // The SDK gives its instances an alarm() of their own (node-host.md 2.2).
    if (parent === null && typeof made.alarm === "function") instance.storage.alarmRefusal = null;
    return made;
  }

  indexAlarm(handle, timeMs) {
    return this.link.call("alarm", { class: handle.className, id: handle.id, name: handle.name, time_ms: timeMs });
  }

  /** Tell the gateway; an object with nothing left is forgotten here. */
  objectChanged(handle) {
    if (handle.parent !== null) return;
    this.link.note("object", handle.describe());
    if (handle.lifecycle.state === State.INACTIVE) this.objects.forget(handle);
  }

  /** Tell the gateway, which answers for sleeping objects; not for facets, whose sockets it does not know. */
  autoResponseChanged(handle) {
    if (handle.parent !== null) return;
    const { request, response } = handle.autoResponse ?? { request: null, response: null };
    this.link.note("auto_response", { class: handle.className, id: handle.id, request, response });
  }

  // -- what user code says

  /** Show an error of user code that no caller hears, unless it has been shown where it began. */
  userError(where, error, handle) {
    if (originOf(error)?.shown) return;
    this.link.note("exception", { where, object: handle?.reference() ?? null, error: errorObject(error) });
  }

  /** An error that nobody handles is logged and resets nothing (S-16); what a dead instance's code meets is no news. */
  unhandled(error, where = "a callback") {
    const owner = currentOwner();
    if (owner?.dead || error instanceof StorageRevoked) return;
    this.userError(where, error, owner instanceof Instance ? owner.handle : null);
  }

  /** One line of user output. */
  writeLog(level, text) {
    this.link.note("log", { level, text, object: currentInstance()?.handle.reference() ?? null });
  }

  /** `waitUntil` of `cloudflare:workers`. */
  #waitUntil(promise) {
    const owner = currentOwner();
    if (owner === null) throw new Error("waitUntil() can only be called while an event is being handled.");
    keepAlive(promise, owner, this);
  }

  /** An invocation of one of this Worker's entrypoints, for service stubs (exports.mjs). */
  begin(entrypoint, props) {
    return new Invocation(this, entrypoint, props);
  }

  // -- the end

  /**
   * Let what somebody waits for end within the grace, reset the rest with `message`. Timers and sockets that user code merely keeps are not
   * waited for: an object with an interval would delay every reload.
   * @param {number} graceMs
   * @param {string} message
   * @returns {Promise<number>} how many were reset
   */
  async drain(graceMs, message) {
    const giveUp = monotonicMs() + graceMs;
    while (monotonicMs() < giveUp && this.#answering()) await new Promise((resolve) => setTimeout(resolve, DRAIN_LOOK_MS).unref());
    this.#files.abandon();
    const reset = this.objects?.resetAll(message) ?? 0;
    this.link.flush();
    return reset;
  }

  #answering() {
    if (this.requests === null) return false;
    if (this.requests.answering) return true;
    for (const handle of this.objects) if (handle.instance?.answering) return true;
    return false;
  }
}
