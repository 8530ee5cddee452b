/** What calls have to do with the gates of objects, and facets. */

import { outcome, outcomes, sleep } from "./telling.mjs";

export function gates({ env, exports }) {
  const gated = exports.Gated.getByName("gates");
  return {
    "an answer waits for a section": () => gated.answerDuringSection("gates, the other one"),
    "a section hears the answers it asked for": () => gated.callInSection("gates, the other one"),
    "calls wait for a section": async () => {
      const blocked = gated.block(30);
      const [first, second] = await Promise.all([gated.mark("after"), blocked]);
      return [first, second];
    },
    "an answer shows what was written before it": async () => {
      await gated.write("a", 1);
      return await gated.read("a");
    },
    "a failed commit stops calls to others": async () => {
      const other = env.Peer.getByName("gates, called");
      const failed = await outcome(() => exports.Gated.getByName("gates, spoiled").spoilAndCall("gates, called"));
      await sleep(10);
      return [failed.error.message.slice(0, 40), await other.events()];
    },
    "counting by awaits": async () => {
      const counts = await Promise.all(Array.from({ length: 10 }, () => gated.increment()));
      return counts.sort((a, b) => a - b);
    },
    "a callback while the object goes on": async () => {
      const heard = [];
      const result = await gated.callTwice((value) => heard.push(value));
      return [result, heard];
    },
    "two objects call each other": () => gated.pingPong("gates, the other one", 5),
    "a facet": () => gated.facet("hello"),
    "a facet's order, and its errors": () => gated.facet("order"),
    "a facet stays with its parent": () =>
      outcomes(
        () => gated.facet("return"),
        () => gated.facet("lend"),
      ),
    "a facet of no class": () => gated.facet("wrong"),
  };
}
