/** How long references last. */

import { RpcStub } from "cloudflare:workers";
import { Counter, Fragile } from "./targets.mjs";
import { kind, noted, outcome, outcomes, plain } from "./telling.mjs";

export function lifetimes({ env, exports }) {
  const peer = env.Peer.getByName("lifetimes");
  return {
    using: async () => {
      {
        using counter = await peer.counter(55);
        await counter.add();
      }
      return await noted();
    },
    "a stub used after its end": async () => {
      const counter = await peer.counter(1);
      counter[Symbol.dispose]();
      counter[Symbol.dispose]();
      return [await noted(), await outcome(() => counter.add()), await outcome(() => counter.doubled)];
    },
    dup: async () => {
      const counter = await peer.counter(2);
      const twin = counter.dup();
      counter[Symbol.dispose]();
      const heard = await noted();
      const value = await twin.add();
      twin[Symbol.dispose]();
      return [kind(twin), heard, value, await noted()];
    },
    "lent twice": async () => {
      const first = await peer.sharedCounter();
      const second = await peer.sharedCounter();
      first[Symbol.dispose]();
      const heard = await noted();
      const value = await second.add();
      second[Symbol.dispose]();
      return [heard, value, await noted(), await outcome(() => first.add())];
    },
    "lent twice in one result": async () => {
      const [first, second] = await peer.sameTwice();
      const same = first === second;
      first[Symbol.dispose]();
      return [same, await noted(), await outcome(() => second.add())];
    },
    "a result's end": async () => {
      const result = await peer.result();
      result[Symbol.dispose]();
      result[Symbol.dispose]();
      return [await noted(), await outcome(() => result.counter.add())];
    },
    "a function's end": async () => {
      const call = await peer.disposableFunction();
      call[Symbol.dispose]();
      return await noted();
    },
    "an argument lasts as long as the call": async () => {
      const counter = new Counter(60);
      const used = await peer.use(counter);
      const heard = await noted();
      await peer.keep(new Counter(61));
      return [used, counter.value, heard, await noted(), await outcome(() => peer.useKept())];
    },
    "an argument's dup lasts longer": async () => {
      await peer.keepDup(new Counter(62));
      const heard = await noted();
      const value = await peer.useKept();
      await peer.dropKept();
      return [heard, value, await noted()];
    },
    "an argument disposed by the callee": async () => [await peer.disposeArgument(new Counter(41)), await noted()],
    "a stub as an argument stays the caller's": async () => {
      const stub = new RpcStub(new Counter(63));
      const used = await peer.use(stub);
      const heard = await noted();
      const value = await stub.add();
      stub[Symbol.dispose]();
      return [used, heard, value, await noted()];
    },
    "a stub as a result is given away": async () => {
      const stub = await peer.stubKept();
      return [await stub.add(), await outcome(() => peer.useKept())];
    },
    "a stub as a result, and its dup": async () => {
      const stub = await peer.stubAndDup();
      const value = await stub.add();
      stub[Symbol.dispose]();
      return [value, await noted(), await peer.useKept()];
    },
    "back again": async () => {
      const { call, dup } = await peer.bothWays(() => "back");
      const nested = await peer.nestedBack({ call: () => "nested" });
      const echoed = await peer.echo(new Counter(65));
      return [await call(), await dup(), await nested.again(), nested.again === nested.same.call, await echoed.add()];
    },
    "passed on": async () => [await peer.passOn(new Counter(44), "lifetimes, the other one"), await noted()],
    "a callback's dup is called later": () => peer.callbackLater(() => "later"),
    callbacks: () =>
      outcomes(
        () => peer.callback((a, b) => a + b, 3, 4),
        () => peer.callback((value) => value.a, { a: 1 }),
        () => peer.callbackInside({ call: () => "inside" }),
        () =>
          peer.callback(
            (call) => call("there and back"),
            (text) => text,
          ),
        () => exports.Entry.use(new Counter(1)),
      ),
    "callbacks are called in order": async () => {
      const heard = [];
      await Promise.all([1, 2, 3].map((number) => peer.callback((value) => heard.push(value), number)));
      return heard;
    },
    "a callback of an event that is over": () => env.Peer.getByName("saved").callSaved(),
    "of an entrypoint": async () => {
      const counter = await exports.Entry.counter();
      const value = await counter.add();
      counter[Symbol.dispose]();
      return [value, await noted(), await exports.Entry.counter().add(5)];
    },
    "an entrypoint's waitUntil": async () => [await exports.Entry.later(), await noted(), await noted()],
    "local stubs": () =>
      outcomes(
        () => new RpcStub(() => 3)(),
        () => new RpcStub(new Counter(3)).add(),
        () => new RpcStub(new Counter(3)).value,
        () => new RpcStub({ a: 1, read: () => 2 }).a,
        () => new RpcStub({ a: 1, read: () => 2 }).read(),
        () =>
          new RpcStub(() => {
            throw Object.assign(new Error("local"), { code: 1 });
          })(),
        async () => {
          const sent = { a: 1 };
          return await new RpcStub((value) => value === sent)(sent);
        },
        async () => {
          new RpcStub(new Counter(90))[Symbol.dispose]();
          return await noted();
        },
        () => kind(new RpcStub(() => 1)),
        () => new RpcStub(4),
        () => new RpcStub(),
        () => new RpcStub(peer),
        () => new RpcStub(new Date()),
      ),
    "stubs of both kinds": async () => [
      (await peer.counter()) instanceof RpcStub,
      (await peer.method()) instanceof RpcStub,
      peer instanceof RpcStub,
      kind(await peer.counter()),
      String(await peer.counter()),
    ],
    "a stub's names": async () => {
      const stub = await peer.counter();
      return {
        in: "anything" in stub,
        symbol: Symbol.iterator in stub,
        types: ["then", "dup", "foo", "call", "name", "prototype", "toString", "onRpcBroken"].map((name) => [name, typeof stub[name]]),
        keys: Object.keys(stub),
        calls: await outcomes(
          () => stub.fetch("http://x/"),
          () => stub.alarm(),
          () => stub.catch(),
          () => stub.toString(),
        ),
      };
    },
    "an object's reset": async () => {
      const object = env.Peer.getByName("reset");
      const [counter, method] = [await object.counter(), await object.method()];
      const inFlight = outcome(() => object.slow(500));
      const inFlightOfCounter = outcome(() => counter.slow());
      const aborted = await outcome(() => object.abort("enough"));
      return plain([
        aborted,
        await inFlight,
        await inFlightOfCounter,
        await outcomes(
          () => object.hello(),
          () => counter.add(),
          () => method(),
          () => counter.doubled,
          () => object.fetch("http://x/"),
          () => env.Peer.getByName("reset").hello(),
        ),
      ]);
    },
    "a reset without a reason": () => env.Peer.getByName("reset").abort(),
    "a section that fails": async () => {
      const object = env.Peer.getByName("blocked");
      const counter = await object.counter();
      return await outcomes(
        () => object.blockAndFail(),
        () => object.hello(),
        () => counter.add(),
      );
    },
    "a commit that fails": async () => {
      const object = exports.Peer.getByName("spoiled");
      return await outcomes(
        () => object.spoil(),
        () => exports.Peer.getByName("spoiled").hello(),
      );
    },
    "a constructor that fails": async () => {
      Fragile.failNext(2);
      const stub = exports.Fragile.getByName("a");
      const second = exports.Fragile.getByName("a");
      return await outcomes(
        () => stub.hello(),
        () => stub.hello(),
        () => second.fetch("http://x/"),
        () => second.hello(),
        () => exports.Fragile.getByName("a").hello(),
      );
    },
    "asked of a constructor that fails": async () => {
      Fragile.failNext(1);
      const outcomeOf = await outcome(() => exports.Fragile.getByName("b").hello().x.y());
      Fragile.failNext(0);
      return outcomeOf;
    },
  };
}
