// An agent with sub-agents.
import { Agent, callable, type Schedule } from "agents";
import type { Count } from "./counter";
import type { Env } from "./entry";

export class Parent extends Agent<Env> {
  async onBeforeSubAgent(_request: Request, { name }: { className: string; name: string }) {
    if (name === "forbidden") return new Response("no", { status: 403 });
    if (name === "broken") return new Response("no", { status: 500 });
  }

  onRequest() {
    return new Response("the parent");
  }

  /** Nothing: its answer shows that everything before it has been sent. */
  @callable()
  fence() {}

  @callable()
  children() {
    return this.listSubAgents(Child).map(({ name }) => name);
  }

  @callable()
  async forget(name: string) {
    await this.deleteSubAgent(Child, name);
    return `forgot ${name}`;
  }

  @callable()
  shout(text: string) {
    this.broadcast(text);
  }

  @callable()
  async ask(name: string, a: number, b: number) {
    const child = await this.subAgent(Child, name);
    return child.add(a, b);
  }
}

export class Child extends Agent<Env, Count> {
  initialState: Count = { n: 0 };
  bumps = 0;

  onRequest(request: Request) {
    return Response.json({ child: this.name, path: request.url.replace(/^https?:\/\/[^/]+/, ""), n: this.state.n });
  }

  @callable()
  fence() {}

  @callable()
  add(a: number, b: number) {
    return a + b;
  }

  /** Rings here, though its parent keeps the time. */
  @callable()
  planIn(seconds: number, text: string) {
    return this.schedule(seconds, "tick", text);
  }

  tick(text: string, { type }: Schedule<string>) {
    this.broadcast(`${type}:${text} in ${this.name}`);
  }

  /** What only memory knows, and what the connection does. */
  @callable()
  recall() {
    return { bumps: this.bumps, connections: Array.from(this.getConnections(), ({ id }) => id) };
  }

  @callable()
  bump() {
    this.bumps++;
    const n = this.state.n + 1;
    this.setState({ n });
    return n;
  }
}
