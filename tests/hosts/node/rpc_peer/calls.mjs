/** Which names can be read and called, and how calls arrive. */

import { AsyncLocalStorage } from "node:async_hooks";
import { Counter, story } from "./targets.mjs";
import { byName, outcome, outcomes, sleep } from "./telling.mjs";

const NAMES = [
  ...["hello", "inherited", "_underlined", "property", "call", "text", "nothing", "broken", "sink", "later", "instance", "ofTheClass"],
  ...["field", "arrow", "shadowed", "ctx", "env", "missing", "#kept", "catch", "scheduled", "onRpcBroken", "toJSON", "queue"],
  ...["alarm", "webSocketMessage", "webSocketClose", "webSocketError", "dup"],
];

export function calls({ env, exports }) {
  const peer = env.Peer.getByName("calls");
  const entry = exports.Entry;
  return {
    "call by name": () => byName(NAMES, (name) => peer[name]()),
    "read by name": () =>
      byName(
        NAMES.filter((name) => name !== "hello"),
        (name) => peer[name].then((value) => value),
      ),
    "a class instance's own keys": () =>
      outcomes(
        () => peer.ownKeys(),
        () => entry.ownKeys(),
      ),
    "entrypoint's names": () =>
      byName(["hello", "property", "field", "scheduled", "queue", "alarm", "dup", "missing", "toJSON", "env"], (name) => entry[name]()),
    "read of an entrypoint": () => entry.property,
    "getters' parts": () =>
      outcomes(
        () => peer.tree.b.c,
        () => peer.tree.one,
        () => peer.tree.method(),
        () => peer.tree.call(),
        () => peer.tree.call.own.x,
        () => peer.tree.counter.add(),
        () => peer.tree.counter.doubled,
        () => peer.tree.counter.value,
        () => peer.tree.instance.x,
        () => peer.tree.none.x,
        () => peer.tree.one.x,
        () => peer.tree.one.x(),
        () => peer.tree.map.get("k"),
        () => peer.tree.absent,
        () => peer.tree.absent.deeper,
        () => peer.tree.none(),
        () => peer.instance.x,
        () => peer.later.a,
        () => peer.text.length,
        () => peer.nothing.x,
        () => peer.hello.x,
        () => peer.hello.length,
        () => peer.hello.call(null),
        () => peer.hello.bind(null),
      ),
    "handlers of an object": () =>
      outcomes(
        () => exports.handlers.one(1),
        () => exports.handlers.context(1),
        () => exports.handlers.one(),
        () => exports.handlers.one(1, 2),
        () => exports.handlers.missing(1),
        () => exports.default.missing(1),
        () => env.SELF.missing(),
      ),
    "every event of an entrypoint has its own instance": () =>
      outcomes(
        () => entry.times(),
        () => entry.times(),
      ),
    props: () =>
      outcomes(
        () => entry.hello("a"),
        () => entry({ props: { who: "me" } }).hello("b"),
        () => entry({}).hello(),
      ),
    "arguments as they are": () =>
      outcomes(
        () => peer.count(1, undefined, null, "x"),
        () => peer.count(),
      ),
    "calls arrive in order": async () => {
      const all = [];
      for (let number = 0; number < 20; number += 1) all.push(peer.event(number));
      peer.event("not awaited");
      await Promise.all(all);
      return await peer.events();
    },
    "calls overlap": async () => {
      await Promise.all([peer.meet("first"), peer.meet("second")]);
      return await peer.events();
    },
    "a call starts though nobody awaits it": async () => {
      peer.event("alone");
      await sleep(10);
      return await peer.events();
    },
    "the caller's async context does not come along": () =>
      story.run("caller's", () =>
        outcomes(
          () => peer.story(),
          () => entry.story(),
          () => peer.callback(() => story.getStore() ?? "none"),
          async () => (await entry.fetch("http://web/story")).text(),
        ),
      ),
    "the caller's async context is there again": () => {
      const other = new AsyncLocalStorage();
      return other.run("mine", () =>
        outcomes(
          async () => {
            await peer.hello();
            return other.getStore();
          },
          () => peer.hello().then(() => other.getStore()),
        ),
      );
    },
    "an object calls another, and itself": () =>
      outcomes(
        () => peer.passOn(new Counter(1), "calls, the other one"),
        () => peer.passOn(new Counter(2), "calls"),
        () => outcome(() => peer.relay("calls, the other one")),
      ),
    "methods travel": () =>
      outcomes(
        async () => (await peer.method())(),
        () => peer.method()(),
        async () => (await peer.hello)(),
      ),
    "a method taken from the stub": () => {
      const { hello } = peer;
      return hello();
    },
  };
}
