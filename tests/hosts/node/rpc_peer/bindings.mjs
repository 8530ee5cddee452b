/** Namespaces, ids, stubs, the module's exports and `ctx.exports`. */

import * as workers from "cloudflare:workers";
import { NonRetryableError } from "cloudflare:workflows";
import { kind, lineage, outcome, outcomes, plain, thrownAtOnce, told } from "./telling.mjs";

const { DurableObject, ServiceStub, WorkerEntrypoint } = workers;

/** A value, or the error it throws instead. */
function tried(work) {
  try {
    return plain(work());
  } catch (error) {
    return { error: told(error) };
  }
}

export function bindings({ env, ctx, exports }) {
  const { Peer } = env;
  const stub = Peer.getByName("bindings");
  return {
    "the module's names": () => Object.entries(workers).map(([name, value]) => [name, typeof value]),
    "the base classes define nothing": () =>
      [DurableObject, WorkerEntrypoint, workers.WorkflowEntrypoint, workers.RpcTarget].map((base) =>
        Object.getOwnPropertyNames(base.prototype),
      ),
    "a namespace": () => [kind(Peer), Object.keys(Peer), lineage(Peer), String(Peer)],
    "an id": () => {
      const id = Peer.idFromName("x");
      return [kind(id), Object.keys(id), lineage(id), id.name, JSON.stringify(id), JSON.stringify(Peer.newUniqueId())];
    },
    ids: () => {
      const id = Peer.idFromName("x");
      return [
        String(id),
        id.toString() === Peer.idFromName("x").toString(),
        id.equals(Peer.idFromName("x")),
        id.equals(Peer.idFromString(id.toString())),
        id.equals(Peer.idFromName("y")),
        Peer.idFromString(id.toString().toUpperCase()).toString() === id.toString(),
        plain(Peer.idFromString(id.toString()).name),
        plain(Peer.newUniqueId().name),
        Peer.newUniqueId().equals(Peer.newUniqueId()),
      ];
    },
    "names of ids": () => [5, undefined, null, "", { toString: () => "an object" }].map((name) => Peer.idFromName(name).name),
    "wrong ids": () =>
      [
        () => Peer.idFromName(),
        () => Peer.idFromName(Symbol("x")),
        () => Peer.idFromString(),
        () => Peer.idFromString("zz"),
        () => Peer.idFromString("A".repeat(64)),
        () => Peer.idFromString(exports.Web.idFromName("x").toString()),
        () => Peer.get(),
        () => Peer.get("x"),
        () => Peer.get({}),
        () => Peer.getByName(),
        () => Peer.idFromName("x").equals("x"),
        () => Peer.idFromName("x").equals(),
        () => Peer.newUniqueId({ jurisdiction: "eu" }),
        () => Peer.newUniqueId(5),
        () => Peer.jurisdiction("eu"),
        () => kind(Peer.jurisdiction()),
        () => Peer.get(Peer.idFromName("x"), 5),
        () => Peer.get(Peer.idFromName("x"), { routingMode: "zz" }),
        () => Peer.get(Peer.idFromName("x"), { locationHint: "wnam" }).name,
        () => Peer.get(Peer.idFromName("x"), null).name,
        () => Peer.idFromName.call({}, "x"),
        () => new Peer.constructor(),
      ].map(tried),
    "a stub": () => [
      kind(stub),
      lineage(stub),
      Object.keys(stub),
      stub.name,
      kind(stub.id),
      stub.id.name,
      String(stub),
      JSON.stringify(stub),
    ],
    "a stub without a name": () => {
      const unnamed = Peer.get(Peer.newUniqueId());
      return [Object.keys(unnamed), plain(unnamed.name), plain(unnamed.id.name)];
    },
    "a stub's names": () => ({
      in: ["x", "then", "fetch", "id"].map((name) => name in stub),
      own: ["x", "id", "name", "fetch"].map((name) => Object.hasOwn(stub, name)),
      symbols: [Symbol.iterator in stub, typeof stub[Symbol.iterator], typeof stub[Symbol.dispose]],
      types: ["then", "fetch", "connect", "toString", "constructor", "dup", "toJSON", "catch"].map((name) => [name, typeof stub[name]]),
      constructor: stub.constructor.name,
      same: [stub.fetch === Peer.getByName("other").fetch, Object.getPrototypeOf(stub) === Object.getPrototypeOf(Peer.getByName("other"))],
      spread: { ...stub }.name,
    }),
    "a stub is no instance of the class": () => [
      stub instanceof DurableObject,
      stub instanceof ServiceStub,
      stub instanceof workers.RpcStub,
    ],
    "properties put on a stub": () => {
      const own = Peer.getByName("own");
      own.extra = 5;
      const before = own.extra;
      delete own.extra;
      return [
        before,
        typeof own.extra,
        tried(() => {
          own.id = 4;
        }),
      ];
    },
    "nobody constructs a fetcher": () => tried(() => new ServiceStub()),
    "connect without an address": () => thrownAtOnce(() => stub.connect()),
    "env of the module": () => {
      workers.env.ADDED = 1;
      const seen = [Object.keys(workers.env), workers.env.TEXT, workers.env.Peer === env.Peer, env.ADDED, "TEXT" in workers.env];
      delete workers.env.ADDED;
      return [seen, "ADDED" in env];
    },
    "exports of the module": () => [
      Object.keys(workers.exports).sort(),
      workers.exports.Entry === exports.Entry,
      exports.Entry === ctx.exports.Entry,
      "Entry" in workers.exports,
    ],
    "another env, other exports": () => [
      workers.withEnv({ OTHER: 1 }, () => [workers.env.OTHER, Object.keys(workers.env)]),
      workers.withExports({ OTHER: 2 }, () => [workers.exports.OTHER, Object.keys(workers.exports)]),
      workers.withEnvAndExports({ A: 1 }, { B: 2 }, () => [workers.env.A, workers.exports.B]),
      workers.withEnv(null, () => workers.env.TEXT),
      Object.keys(workers.env),
    ],
    "an entrypoint in exports": () => [
      kind(exports.Entry),
      lineage(exports.Entry),
      Object.keys(exports.Entry),
      ["x" in exports.Entry, typeof exports.Entry.then, typeof exports.Entry.anything],
      kind(exports.Entry({ props: {} })),
      kind(new exports.Entry({ props: {} })),
    ],
    "an entrypoint called wrongly": () => [
      tried(() => exports.Entry()),
      tried(() => exports.Entry(5)),
      tried(() => exports.Entry({ props: 3 })),
      tried(() => kind(exports.Entry({}))),
    ],
    "a class in exports": () => [
      kind(exports.Peer),
      lineage(exports.Peer),
      Object.keys(exports.Peer),
      exports.Peer instanceof Peer.constructor,
      ["x" in exports.Peer, typeof exports.Peer.anything, typeof exports.Peer.idFromName],
      kind(exports.Peer({})),
      kind(new exports.Peer({ props: { a: 1 } })),
      tried(() => exports.Peer()),
    ],
    "a class in exports is a namespace": () =>
      outcomes(
        () => exports.Peer.getByName("bindings").hello(),
        () => exports.Peer.idFromName("x").equals(Peer.idFromName("x")),
      ),
    waitUntil: () => [
      tried(() => workers.waitUntil()),
      tried(() => workers.waitUntil(5)),
      tried(() => workers.waitUntil(Promise.resolve())),
    ],
    tracing: () => {
      const { tracing } = workers;
      const span = tracing.startSpan("a");
      return [
        kind(tracing),
        tracing.enterSpan("a", (inner, ...args) => [kind(inner), inner.isTraced, args], 7),
        tracing.startActiveSpan("a", (inner) => [inner.spanContext(), kind(tracing.getActiveSpan())]),
        tracing.withActiveSpan(span, (...args) => args, 1, 2),
        [span.setAttribute("a", 1) === span, span.setAttributes({}) === span, span.updateName("b") === span],
        [span.setStatus({ code: "ok" }) === span, plain(span.recordException(new Error("x"))), plain(span.end())],
        tried(() => span.setStatus({ code: 1 })),
        tried(() => tracing.enterSpan("a")),
        tried(() => tracing.startActiveSpan("a", {}, () => 1)),
        tried(() => new tracing.Span()),
        tried(() =>
          tracing.startActiveSpan("a", () => {
            throw new Error("inside");
          }),
        ),
      ];
    },
    NonRetryableError: () => {
      const error = new NonRetryableError("never", "Named");
      return [told(error), lineage(error), new NonRetryableError("never").name];
    },
    "awaiting a stub": async () => (await stub) === stub,
    "an outcome of nothing": () => outcome(() => undefined),
  };
}
