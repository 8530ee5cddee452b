/** Failures that nobody hears: which of them are unhandled rejections of the caller. */

import { Counter } from "./targets.mjs";
import { outcome, sleep } from "./telling.mjs";

const heard = [];

addEventListener("unhandledrejection", (event) => {
  heard.push(String(event.reason?.message));
  event.preventDefault();
});

/** What was unhandled because of `work`. */
async function unhandled(work) {
  await sleep(10);
  heard.length = 0;
  await work();
  await sleep(20);
  return heard.splice(0).sort();
}

export function strays({ env, exports }) {
  const peer = env.Peer.getByName("strays");
  return {
    "a call": () => unhandled(() => void peer.throws("coded")),
    "a call of an entrypoint": () => unhandled(() => void exports.Entry.fail()),
    "a call that is refused": () => unhandled(() => void peer.missing()),
    "a call with a bad argument": () => unhandled(() => void peer.echo(new URL("http://x"))),
    "a property nobody reads": () => unhandled(() => void peer.missing),
    "calls on results": () => unhandled(() => void peer.throws("coded").deep.call()),
    "a reaction": () => unhandled(() => void peer.throws("coded").then(() => {})),
    "a caught call": () => unhandled(() => void peer.throws("coded").catch(() => {})),
    "an awaited call": () => unhandled(() => outcome(() => peer.throws("coded"))),
    "a call caught later": () =>
      unhandled(async () => {
        const call = peer.throws("coded");
        await sleep(10);
        await outcome(() => call);
      }),
    "a request": () => unhandled(() => void exports.Web.getByName("strays").fetch("http://web/throw")),
    "a call that succeeds with a stub": () => unhandled(() => void peer.echo(new Counter(1))),
    "a callback": () =>
      unhandled(() =>
        outcome(() =>
          peer.callback(() => {
            throw new Error("callback");
          }),
        ),
      ),
  };
}
