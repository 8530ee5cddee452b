/** A host process whose host is a stand-in: what its session calls, in which order, is its answer. */
import { UserCodeError } from "../../../emulator/hosts/node/errors.mjs";
import { Session } from "../../../emulator/hosts/node/session.mjs";

const called = [];

class StandIn {
  requests = { take: (incoming) => incoming.respond(200, "OK", [], JSON.stringify(called)) };
  sockets = { take: (frame) => called.push(["socket", frame.id]) };
  operations = {
    async operate(call) {
      if (call.op === "throw") throw new TypeError("no such operation");
      return call;
    },
  };

  canLoadAgain = false;

  async preloadLast() {}

  async preload(modules) {
    await new Promise((resolve) => setTimeout(resolve, 20));
    called.push(["preload", modules]);
  }

  async load({ behaviour }) {
    called.push(["load", behaviour]);
    if (behaviour === "fail") throw new UserCodeError("E424", "does not build", { where: "src/a.ts:1" });
    if (behaviour === "reject") throw Object.assign(new Error("module level"), { cause: "this" });
  }

  describe() {
    return { exports: [], handlers: ["fetch"], modules: ["m"], warnings: [] };
  }

  start(order) {
    called.push(["start", order.sockets.length]);
  }

  async drain(graceMs, message) {
    console.error("draining", graceMs, message);
    return 3;
  }
}

const path = process.argv[process.argv.indexOf("--link") + 1];
new Session(async () => {
  if (process.env.NO_HOST) throw new Error("the host's own code is broken");
  return StandIn;
}).open(path);
