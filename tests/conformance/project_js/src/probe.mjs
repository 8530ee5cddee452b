// The objects under test, as project_py/src/probe.py has them.
import { DurableObject } from "cloudflare:workers";
import { data, handlers, lives, note, run, runNow } from "./program.mjs";

class Runner extends DurableObject {
  own = "an instance field";

  constructor(ctx, env) {
    super(ctx, env);
    this.place = `${new.target.name}:${ctx.id}`;
    this.life = (lives.get(this.place) ?? 0) + 1;
    lives.set(this.place, this.life);
    this.fields = {};
    const program = handlers.get(`${this.place} constructor`);
    if (program) runNow(program, this.scope());
  }

  scope(more = {}) {
    const { ctx, env, place, life, fields } = this;
    return { js: globalThis, ctx, env, storage: ctx.storage, place, life, memory: fields, this: this, ...more };
  }

  async handle(event, more) {
    const program = handlers.get(`${this.place} ${event}`);
    return program ? run(program, this.scope(more)) : null;
  }

  get greeting() {
    return "from a getter";
  }

  async run(text) {
    return JSON.stringify(data(await run(JSON.parse(text), this.scope())));
  }

  async give(text) {
    return run(JSON.parse(text), this.scope());
  }

  async use(text, value) {
    return JSON.stringify(data(await run(JSON.parse(text), this.scope({ value: value?.dup?.() ?? value }))));
  }

  async fetch(request) {
    const program = new URL(request.url).searchParams.get("p");
    return asResponse(await (program ? run(JSON.parse(program), this.scope({ request })) : this.handle("fetch", { request })));
  }
}

export class Plain extends Runner {}

export class Legacy extends Runner {}

export class Probe extends Runner {
  async alarm(info) {
    note(this.place, `alarm ${info.retryCount} ${info.isRetry}`);
    if (handlers.has(`${this.place} alarm`)) return void (await this.handle("alarm", { info }));
    const kv = this.ctx.storage.kv;
    kv.put("alarms", (kv.get("alarms") ?? 0) + 1);
    kv.put("alarm name", this.ctx.id.name);
  }

  async webSocketMessage(ws, message) {
    if (typeof message === "string" && message.startsWith("[")) return void (await run(JSON.parse(message), this.scope({ ws, message })));
    const size = message.length ?? message.byteLength;
    const type = typeof message === "string" ? "text " : "binary";
    const whole = typeof message === "string" ? `text ${message}` : size < 50 ? `binary ${data(message).hex}` : "";
    note(this.place, whole && whole.length < 100 ? whole : `${type} of ${size}`);
    await this.handle("message", { ws, message });
  }

  async webSocketClose(ws, code, reason, wasClean) {
    note(this.place, `close ${code} ${reason} ${wasClean}`);
    await this.handle("close", { ws, code, reason });
  }

  async webSocketError(ws, error) {
    note(this.place, `error ${error.message}`);
    await this.handle("error", { ws });
  }
}

export class Facet extends Probe {}

export const asResponse = (value) => (value instanceof Response ? value : new Response(JSON.stringify(data(value))));
