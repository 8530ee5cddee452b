import { DurableObject } from "cloudflare:workers";

interface Env {
  THING: DurableObjectNamespace<Thing>;
}

type Fault = (thing: Thing) => unknown;

const faults: Record<string, Fault> = {
  loop() {
    for (let turns = 0; ; turns++) if (turns < 0) return "never"; // LOOP
  },
  heap() {
    const kept: number[][] = [];
    for (;;) kept.push(new Array<number>(10_000).fill(kept.length + 0.5));
  },
  reject() {
    Promise.reject(new TypeError("nobody awaits this")); // REJECT
    return "rejected";
  },
  timer() {
    setTimeout(() => {
      throw new RangeError("nobody catches this"); // TIMER
    }, 1);
    return "set";
  },
  throw() {
    throw new Error("thrown on purpose", { cause: new Error("the reason") }); // THROW
  },
  exit() {
    process.exit(3); // EXIT
  },
  print() {
    console.log("line one\nline two", { nested: { value: 1 } });
    console.error(new Error("printed")); // PRINT
    process.stdout.write("written\n");
    return "printed";
  },
};

export class Thing extends DurableObject<Env> {
  async fetch(request: Request): Promise<Response> {
    const [, , what] = new URL(request.url).pathname.split("/");
    if (what === "ws") {
      const { 0: client, 1: server } = new WebSocketPair();
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    if (what === "count") return Response.json(await this.count());
    return new Response(String(faults[what](this)));
  }

  async webSocketMessage(ws: WebSocket, message: string): Promise<void> {
    ws.send(`${message} ${await this.count()}`);
  }

  async count(): Promise<number> {
    const count = ((await this.ctx.storage.get<number>("count")) ?? 0) + 1;
    await this.ctx.storage.put("count", count);
    return count;
  }
}

export default {
  fetch(request: Request, env: Env): Promise<Response> {
    const [, name] = new URL(request.url).pathname.split("/");
    return env.THING.get(env.THING.idFromName(name)).fetch(request);
  },
};
