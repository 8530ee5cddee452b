/** `Fetcher`, the class of service bindings and of everything that takes requests; `ServiceStub` in `cloudflare:workers`. */

import { rootContext } from "../owner.mjs";
import { wrongParameter } from "../surface/arguments.mjs";
import { receivedRequest } from "../surface/request.mjs";
import { packResult } from "./parcel.mjs";
import { cloneError, ILLEGAL_INVOCATION, notImplemented } from "./errors.mjs";
import { fetchFrom } from "./fetching.mjs";
import { propertyOf } from "./stub.mjs";
import { NO_OBJECT } from "./visit.mjs";
import { Wildcard, wildcardOf, wildcardProxy } from "./wildcard.mjs";

/** `binding.fetch(request)` and, where the other side has methods, RPC. */
export class Fetcher {
  constructor() {
    throw new TypeError("Illegal constructor");
  }

  /** @param {string | URL | import("../surface/request.mjs").Request} [resource] @param {import("../surface/request.mjs").RequestInit} [init] */
  fetch(resource, init) {
    return fetchFrom(behind(this).send, resource, init);
  }

  /** TCP to a binding: nothing of this emulator listens. */
  connect(address) {
    behind(this);
    if (address === undefined) throw wrongParameter("connect", "Fetcher", 1, "SocketAddress or string");
    throw new Error("Handler does not export a connect() function.");
  }

  get [Symbol.toStringTag]() {
    return "Fetcher";
  }
}

function behind(value) {
  const wildcard = wildcardOf(value);
  if (!(wildcard instanceof FetcherWildcard)) throw new TypeError(ILLEGAL_INVOCATION);
  return wildcard;
}

/** What a fetcher is made of. */
export class FetcherWildcard extends Wildcard {
  send;
  #refusal;

  /**
   * @param {import("./visit.mjs").Reach} reach takes its RPC calls
   * @param {import("./fetching.mjs").Send} send
   * @param {string | null} [refusal] why it does not go over RPC
   */
  constructor(reach, send, refusal = null) {
    super(reach);
    this.send = send;
    this.#refusal = refusal;
  }

  property(name, target) {
    return propertyOf(target, this.reach, name);
  }

  /** The same binding for the other side of a call: it knows no name and no id. @throws {DOMException} DataCloneError */
  across() {
    if (this.#refusal !== null) throw cloneError(this.#refusal);
    return wildcardProxy(Object.create(Fetcher.prototype), new FetcherWildcard(this.reach, this.send));
  }

  /** A call that was meant for a result, and this is the result. */
  take(call) {
    if (call.path.length !== 1 || call.path[0] !== "fetch" || call.args === null) {
      super.take(call);
      return;
    }
    rootContext(() => fetchFrom(this.send, ...call.args)).then(
      (response) => call.done(packResult(response, null)),
      (error) => call.lost(error),
    );
  }
}

/** No code of ours answers. */
const nobody = {
  take(visit) {
    visit.failed(notImplemented(visit.label), { stage: "thrown", source: NO_OBJECT, byReference: false });
  },
};

/**
 * A binding that takes requests only (assets).
 * @param {(request: import("../surface/request.mjs").Request) => Promise<import("../surface/response.mjs").Response>} answer
 * @returns {Fetcher}
 */
export function requestBinding(answer) {
  const send = ({ method, url, headers, content, cf, signal }) =>
    answer(receivedRequest(method, url, headers, content, { cf, signal, redirect: "manual" }));
  return wildcardProxy(Object.create(Fetcher.prototype), new FetcherWildcard(nobody, send));
}
