/** The Worker of host.test.mjs: an object whose alarm does what it was told, and handlers that take their time. */

import { DurableObject } from "cloudflare:workers";

/** What happened, over all instances. */
export const seen = [];

const later = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export class Room extends DurableObject {
  /** Set an alarm; `then` is what it will do. */
  arm(timeMs, then = "nothing") {
    this.ctx.storage.kv.put("then", then);
    this.ctx.storage.setAlarm(timeMs);
  }

  armed() {
    return this.ctx.storage.getAlarm();
  }

  async alarm({ retryCount, isRetry, scheduledTime }) {
    seen.push({ retryCount, isRetry, scheduledTime, name: this.ctx.id.name });
    switch (this.ctx.storage.kv.get("then")) {
      case "throw":
        throw new Error("not today");
      case "abort":
        this.ctx.abort("enough");
        break;
      case "give up":
        this.ctx.abort("enough", { retryAlarm: false });
        break;
      case "again":
        await this.ctx.storage.setAlarm(scheduledTime + 1);
    }
  }

  async slow(ms) {
    seen.push("begun");
    await later(ms);
    seen.push("ended");
    return "slow";
  }
}

export default {
  async fetch(request, env, ctx) {
    switch (new URL(request.url).pathname) {
      case "/late":
        setTimeout(() => seen.push("timer after the response"), 5);
        return new Response("at once");
      case "/waits":
        ctx.waitUntil(later(30).then(() => seen.push("waited for")));
        setTimeout(() => seen.push("timer meanwhile"), 5);
        return new Response("at once");
      case "/leaves":
        seen.push("begun");
        await later(60);
        seen.push("never");
        return new Response("nobody");
      case "/throws":
        throw new TypeError("oops");
      case "/socket":
        return new Response(null, { status: 101, webSocket: new WebSocketPair()[0] });
      case "/slow":
        return new Response(await env.ROOM.getByName("a").slow(30));
    }
    return new Response("not found", { status: 404 });
  },

  scheduled(controller) {
    seen.push([controller.cron, controller.scheduledTime]);
  },
};
