/** What callers hear of failures. */

import { Counter } from "./targets.mjs";
import { outcome, outcomes, told } from "./telling.mjs";

const THROWN = [
  ...["abort", "aggregate", "array", "coded", "custom", "flagged", "frozen", "hidden", "like", "named", "null", "number", "object"],
  ...["plainClass", "string", "symbol", "target", "uncopyable", "undefined", "url"],
];

export function errors({ env, exports }) {
  const peer = env.Peer.getByName("errors");
  return {
    "what is thrown": async () => {
      const all = {};
      for (const name of THROWN) {
        try {
          await peer.throws(name);
        } catch (error) {
          const keys = Object(error) === error ? Object.keys(error) : null;
          all[name] = { ...told(error), isError: error instanceof Error, keys: error instanceof DOMException ? null : keys };
        }
      }
      return all;
    },
    "built-in classes stay": async () => {
      const error = await peer.rejects().catch((reason) => reason);
      return [error instanceof TypeError, error.constructor === TypeError, error.remote];
    },
    "of an entrypoint": () => exports.Entry.fail(),
    "of an entrypoint as of an object": async () => told(await exports.Entry.fail().catch((error) => error)).durableObjectId,
    "of a lent object": async () => {
      const counter = await peer.counter(3);
      return await outcomes(
        () => counter.fail(),
        () => counter.missing(),
        () => counter.field,
        () => counter(),
        () => peer.counter(4).fail(),
      );
    },
    "of a callback": () =>
      outcomes(
        () =>
          peer.callback(() => {
            throw Object.assign(new RangeError("in the callback"), { code: 9 });
          }),
        () => peer.callback(async () => Promise.reject(new Error("rejected callback"))),
        () => peer.callback(5),
        () => peer.callback(() => new URL("http://x")),
      ),
    "after a callback": async () => {
      let called = 0;
      const error = await outcome(() =>
        peer.callbackThenThrow(() => {
          called += 1;
        }),
      );
      return [called, error];
    },
    relayed: async () => {
      const error = await peer.relay("errors, far").catch((reason) => reason);
      return [error.durableObjectId === String(peer.id), told(error).code];
    },
    "do not break the stub": () =>
      outcomes(
        () => peer.throws("coded"),
        () => peer.hello(),
      ),
    "a bad argument rejects": async () => {
      let returned = false;
      try {
        const promise = peer.echo(new URL("http://x"));
        returned = true;
        await promise;
      } catch (error) {
        return [returned, told(error)];
      }
    },
    "a target whose dup() gives none": () => {
      class Odd extends Counter {
        dup() {
          return 1;
        }
      }
      return peer.use(new Odd(1));
    },
    "a target's own dup()": () => {
      class Twin extends Counter {
        dup() {
          return new Counter(1000);
        }
      }
      return peer.use(new Twin(1));
    },
  };
}
