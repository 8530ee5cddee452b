/** Using results before they are there. */

import { RpcPromise, RpcProperty } from "cloudflare:workers";
import { kind, lineage, noted, outcome, outcomes, thrownAtOnce } from "./telling.mjs";

export function promises({ env }) {
  const peer = env.Peer.getByName("promises");
  return {
    "what they are": () => {
      const promise = peer.hello();
      return [kind(promise), lineage(promise), kind(peer.hello), lineage(peer.hello), promise instanceof Promise];
    },
    classes: () => [peer.hello() instanceof RpcPromise, peer.hello instanceof RpcProperty, peer.hello.deep instanceof RpcProperty],
    "calls on results": () =>
      outcomes(
        () => peer.counter(1).add(9),
        () => peer.counter(1).child().add(2),
        () => peer.counter(1).child().child().doubled,
        () => peer.counter(4).doubled,
        () => peer.counter(4).parts.deep.x,
        () => peer.counter(4).parts.counter.add(1),
        () => peer.returned("nested").deep.call(),
        () => peer.returned("nested").a,
        () => peer.returned("nested").counter.add(),
        () => peer.method()(),
        () => peer.functionWithParts().y(),
        () => peer.other("promises, other").hello(),
        () => peer.promised("promises, other").add(1),
      ),
    "calls on results that are not there": () =>
      outcomes(
        () => peer.hello().x,
        () => peer.hello().x(),
        () => peer.hello().length,
        () => peer.returned("nothing").x(),
        () => peer.returned("null").x,
        () => peer.returned("nested").zzz,
        () => peer.returned("nested").zzz.deeper,
        () => peer.returned("nested").zzz(),
        () => peer.returned("nested").a(),
        () => peer.returned("map").get("a"),
        () => peer.returned("array").length,
        () => peer.returned("array").push(1),
        () => peer.counter(1).field,
        () => peer.counter(1).dup(),
        () => peer.returned("odd").dup(),
      ),
    "numbers are no names": () =>
      outcomes(
        () => peer.returned("array")[1],
        () => typeof peer[0],
      ),
    "of a failed call": () =>
      outcomes(
        () => peer.throws("coded").x.y(),
        () => peer.throws("coded").x,
        () => peer.missing().y(),
      ),
    "after the result is there": async () => {
      const promise = peer.returned("nested");
      await promise;
      return await outcomes(
        () => promise.a,
        () => promise.deep.call(),
        () => promise.counter.add(),
        () => promise.zzz,
        () => promise.zzz(),
      );
    },
    "a promise can be awaited again": async () => {
      const promise = peer.returned("nested");
      const [first, second] = await Promise.all([promise, promise]);
      return first === second;
    },
    "with promises of the language": () =>
      outcomes(
        () => Promise.resolve(peer.hello()),
        () => Promise.race([peer.hello(), new Promise(() => {})]),
        async () => peer.hello(),
        () => Promise.all([peer.hello(), peer.property]),
      ),
    "then, catch, finally": () =>
      outcomes(
        () => peer.hello().then((text) => `${text}!`),
        () => peer.hello().then((text) => text, undefined),
        () => peer.hello().catch(() => 1),
        () => peer.rejects().catch((error) => error.message),
        () => peer.hello().finally(() => 2),
        () => peer.text.then((text) => `${text}!`),
        () => peer.missing.catch((error) => error.message),
        () => peer.hello().then(() => 1) instanceof Promise,
      ),
    "then, catch, finally without functions": () => [
      thrownAtOnce(() => peer.hello().then()),
      thrownAtOnce(() => peer.hello().then(null, () => 1)),
      thrownAtOnce(() => peer.hello().then((text) => text, 5)),
      thrownAtOnce(() => peer.hello().catch()),
      thrownAtOnce(() => peer.hello().finally(undefined)),
    ],
    detached: () => {
      const { then } = peer.hello();
      return thrownAtOnce(() => then(() => 1));
    },
    disposed: async () => {
      const promise = peer.counter(5);
      const first = await promise.add(1);
      promise[Symbol.dispose]();
      const heard = await noted();
      return [first, heard, await outcome(() => promise.add(1))];
    },
    "disposed before the result": async () => {
      const promise = peer.counter(6);
      promise[Symbol.dispose]();
      const type = typeof (await promise);
      return [type, await noted()];
    },
    "disposed with the result": async () => {
      const promise = peer.counter(7);
      const stub = await promise;
      promise[Symbol.dispose]();
      const heard = await noted();
      return [heard, await outcome(() => stub.add(1))];
    },
    "the result disposed": async () => {
      const promise = peer.counter(8);
      const stub = await promise;
      stub[Symbol.dispose]();
      const heard = await noted();
      return [heard, await outcome(() => promise.add(1))];
    },
    "nobody constructs them": () => [thrownAtOnce(() => new RpcPromise()), thrownAtOnce(() => new RpcProperty())],
  };
}
