// An agent with sub-agents.
import { Agent, callable } from "agents";
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

  onRequest(request: Request) {
    return Response.json({ child: this.name, path: request.url.replace(/^https?:\/\/[^/]+/, ""), n: this.state.n });
  }

  @callable()
  fence() {}

  @callable()
  add(a: number, b: number) {
    return a + b;
  }

  @callable()
  bump() {
    const n = this.state.n + 1;
    this.setState({ n });
    return n;
  }
}
