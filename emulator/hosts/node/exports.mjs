/** `ctx.exports`: the Worker's own classes and entrypoints as loopback bindings (durable-objects.md 8). */

import { DurableObjectNamespace, namespaceOf } from "./namespace.mjs";
import { ownedResponse } from "./owned_body.mjs";
import { copyProps } from "./rpc/copy.mjs";
import { Fetcher, FetcherWildcard } from "./rpc/fetcher.mjs";
import { sendTo } from "./rpc/fetching.mjs";
import { enterInvocation } from "./rpc/reference.mjs";
import { NO_OBJECT } from "./rpc/visit.mjs";
import { bareFunction, shownAsObjects, wildcardProxy } from "./rpc/wildcard.mjs";
import { wrongField, wrongParameter } from "./surface/arguments.mjs";

/**
 * One event of an entrypoint of this Worker (worker.mjs has it).
 *
 * @typedef {object} Entry
 * @property {import("./owner.mjs").Owner} owner the invocation
 * @property {object} receiver what handles the event, made when first asked for: an instance of the entrypoint's class, or the exported
 *   object of handlers
 * @property {unknown[]} context what functions of an object of handlers get besides their argument, env and ctx; empty for a class
 * @property {(request: import("./surface/request.mjs").Request) => Promise<import("./surface/response.mjs").Response>} fetch
 * @property {() => void} answered its answer is out
 */

/**
 * What `ctx.exports` needs of the host.
 *
 * @typedef {object} ExportsWorld
 * @property {(entrypoint: string, props: object) => Entry} begin begins an invocation of the entrypoint
 */

const STAYS = 'Could not serialize object of type "LoopbackServiceStub". This type does not support serialization.';

/** A service stub to an entrypoint of this Worker; called with `{props}` it is one with these props. */
class LoopbackServiceStub extends Fetcher {
  get [Symbol.toStringTag]() {
    return "LoopbackServiceStub";
  }
}

/**
 * @param {string} entrypoint the export's name, `default` for the Worker itself
 * @param {ExportsWorld} world
 * @returns {LoopbackServiceStub}
 */
export function loopbackService(entrypoint, world) {
  const withProps = (options) => serviceBinding(entrypoint, world, propsOf("LoopbackServiceStub", options));
  const wildcard = fetcherTo(entrypoint, world, {}, STAYS);
  return wildcardProxy(bareFunction(LoopbackServiceStub.prototype, withProps), wildcard);
}

/**
 * A service binding to an entrypoint of this Worker, which may go over RPC.
 *
 * @param {string} entrypoint
 * @param {ExportsWorld} world
 * @param {object} [props] `ctx.props` of its events
 * @returns {Fetcher}
 */
export function serviceBinding(entrypoint, world, props = {}) {
  return wildcardProxy(Object.create(Fetcher.prototype), fetcherTo(entrypoint, world, copyProps(props), null));
}

function fetcherTo(entrypoint, world, props, refusal) {
  const reach = new EntrypointReach(entrypoint, world, props);
  return new FetcherWildcard(reach, (hop) => sendTo(reach, hop, answer), refusal);
}

async function answer({ entry, home }, request) {
  return ownedResponse(await entry.fetch(request), home);
}

/** Every visit is an event with an invocation of its own. */
class EntrypointReach {
  #entrypoint;
  #world;
  #props;

  constructor(entrypoint, world, props) {
    this.#entrypoint = entrypoint;
    this.#world = world;
    this.#props = props;
  }

  /** @param {import("./rpc/visit.mjs").Visit} visit */
  take(visit) {
    const entry = this.#world.begin(this.#entrypoint, copyProps(this.#props));
    enterInvocation(new EntryVisit(visit, entry), new Entrance(entry), { byReference: false });
  }
}

/** A visit that is all its invocation is there for. */
class EntryVisit {
  #visit;
  #entry;

  constructor(visit, entry) {
    this.#visit = visit;
    this.#entry = entry;
  }

  get label() {
    return this.#visit.label;
  }

  work(place) {
    return this.#visit.work(place);
  }

  done(result) {
    this.#visit.done(result);
    this.#entry.answered();
  }

  failed(error, failure) {
    this.#visit.failed(error, failure);
    this.#entry.answered();
  }
}

/** Where a visit to an entrypoint finds itself: the receiver is made as code of its invocation. */
class Entrance {
  source = NO_OBJECT;

  constructor(entry) {
    this.entry = entry;
    this.home = entry.owner;
    this.context = entry.context;
    this.kind = entry.context.length > 0 ? "handlers" : "entrypoint";
  }

  get receiver() {
    return this.entry.receiver;
  }
}

/** A Durable Object class as a token for facets, with the props of its `ctx`. */
class DurableObjectClass {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  get [Symbol.toStringTag]() {
    return "DurableObjectClass";
  }
}

/** A Durable Object class of this Worker that has no namespace; called with `{props}` it is the class with these props. */
class LoopbackDurableObjectClass extends DurableObjectClass {
  get [Symbol.toStringTag]() {
    return "LoopbackDurableObjectClass";
  }
}

/** A Durable Object class of this Worker as its namespace; called with `{props}` it is the class with these props. */
class LoopbackDurableObjectNamespace extends DurableObjectNamespace {
  get [Symbol.toStringTag]() {
    return "LoopbackDurableObjectNamespace";
  }
}

shownAsObjects(LoopbackServiceStub, LoopbackDurableObjectClass, LoopbackDurableObjectNamespace);

/** @typedef {{className: string, props: object | undefined}} ClassToken */

/** @type {WeakMap<object, ClassToken>} */
const tokens = new WeakMap();

/**
 * A Durable Object class of this Worker in `ctx.exports`: a namespace where `namespace` is there, and a class for facets always.
 *
 * @param {string} className
 * @param {import("./namespace.mjs").NamespaceWorld | null} namespace null for a class that has no storage of its own configured
 * @returns {LoopbackDurableObjectNamespace | LoopbackDurableObjectClass}
 */
export function loopbackClass(className, namespace) {
  const Kind = namespace === null ? LoopbackDurableObjectClass : LoopbackDurableObjectNamespace;
  const withProps = (options) =>
    token(Object.create(DurableObjectClass.prototype), {
      className,
      props: copyProps(propsOf(Kind.prototype[Symbol.toStringTag], options)),
    });
  const exported = token(bareFunction(Kind.prototype, withProps), { className, props: undefined });
  return namespace === null ? exported : namespaceOf(namespace, exported);
}

function token(value, meaning) {
  tokens.set(value, meaning);
  return value;
}

/**
 * Which class a facet is of: what its getter returned as `class`.
 *
 * @param {unknown} value
 * @returns {ClassToken | null} null when it is no class of `ctx.exports`
 */
export function classToken(value) {
  return tokens.get(value) ?? null;
}

function propsOf(owner, options) {
  if (typeof options !== "object" || options === null) throw wrongParameter("(called as function)", owner, 1, "Options");
  const { props } = options;
  if (props === undefined) return {};
  if (typeof props !== "object" || props === null) throw wrongField("props", "Options", "Object");
  return props;
}
