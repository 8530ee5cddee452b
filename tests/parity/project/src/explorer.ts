// What the protocol's table does not name and agents do all the same.
import { callable, type FiberRecoveryContext, getAgentByName, getCurrentAgent, type QueueItem } from "agents";
import { Permits } from "./asked";
import { Counter, type Count } from "./counter";

export class Explorer extends Counter {
  permits = new Permits();

  onStart() {
    super.onStart();
    this.sql`CREATE TABLE IF NOT EXISTS noted (n INTEGER PRIMARY KEY, what TEXT)`;
  }

  note(what: string) {
    this.sql`INSERT INTO noted (what) VALUES (${what})`;
    this.broadcast(what);
  }

  @callable()
  noted() {
    return this.sql<{ what: string }>`SELECT what FROM noted ORDER BY n`.map(({ what }) => what);
  }

  onStateChanged({ n }: Count, source: unknown) {
    this.note(`changed to ${n} by ${source === "server" ? source : (source as { id: string }).id}`);
  }

  async onRequest(request: Request) {
    const { pathname } = new URL(request.url);
    if (pathname.endsWith("/throw")) throw new Error("no answer today");
    if (pathname.endsWith("/release")) this.permits.release(1);
    if (pathname.endsWith("/who")) return Response.json(this.#who());
    if (pathname.endsWith("/back")) return new Response(request.body, { status: 201, headers: { "content-type": "text/x-back" } });
    if (pathname.endsWith("/lines")) return new Response(this.#lines().pipeThrough(new TextEncoderStream()));
    return Response.json({ length: (await request.text()).length });
  }

  /** Three lines, each after the first when there is a permit. */
  #lines() {
    let number = 0;
    return new ReadableStream<string>({
      pull: async (controller) => {
        if (number > 0) await this.permits.take();
        controller.enqueue(`line ${number++}\n`);
        if (number === 3) controller.close();
      },
    });
  }

  @callable()
  async end() {
    await this.destroy();
  }

  @callable()
  abort() {
    this.ctx.abort("enough");
  }

  @callable()
  noteMuch(length: number) {
    this.me().setState("x".repeat(length));
  }

  @callable()
  measure(text: string) {
    return text.length;
  }

  @callable()
  much(length: number) {
    return "x".repeat(length);
  }

  /** Calls a method of another agent; what comes back, or how it failed. */
  @callable()
  async askOther(name: string, method: "add" | "boom" | "big" | "bump" | "boomText", ...args: number[]) {
    const other = (await getAgentByName(this.env.Explorer, name)) as unknown as Record<string, (...args: number[]) => Promise<unknown>>;
    try {
      return { result: String(await other[method](...args)) };
    } catch (error) {
      return error instanceof Error ? { name: error.name, message: error.message } : { thrown: error };
    }
  }

  @callable()
  shoutBytes() {
    this.broadcast(new Uint8Array([1, 2, 255]).buffer);
  }

  /** How often a function is called that fails `failures` times. */
  @callable()
  async tryAgain(failures: number) {
    let calls = 0;
    await this.retry(
      async () => {
        calls++;
        if (calls <= failures) throw new Error(`failure ${calls}`);
      },
      { maxAttempts: 3, baseDelayMs: 1, maxDelayMs: 2 },
    );
    return calls;
  }

  /** Who the SDK says is calling, before and after an await. */
  @callable()
  async who() {
    const before = this.#who();
    await scheduler.wait(1);
    await this.ctx.storage.get("nothing");
    return { before, after: this.#who() };
  }

  #who() {
    const { agent, connection, request } = getCurrentAgent();
    return { agent: agent?.name ?? null, connection: connection?.id ?? null, method: request?.method ?? null };
  }

  @callable()
  async queueWithFailure() {
    await this.queue("fails", "one", { retry: { maxAttempts: 2, baseDelayMs: 1, maxDelayMs: 2 } });
    await this.queue("works", "two");
  }

  fails(text: string) {
    this.note(`failing ${text}`);
    throw new Error("planned to fail");
  }

  works(text: string, { callback }: QueueItem<string>) {
    this.note(`${callback} ${text} for ${JSON.stringify(this.#who())}`);
  }

  onError(...details: unknown[]) {
    const error = details.at(-1) as Error;
    this.note(`error ${error.message}`);
    throw error;
  }

  /** Work that is written down, and waits for a permit in the middle. */
  @callable()
  async work() {
    await this.runFiber("work", async ({ stash }) => {
      stash({ step: 1 });
      this.note("half way");
      await this.permits.take();
      this.note("done");
    });
  }

  async onFiberRecovered({ name, snapshot, recoveryReason }: FiberRecoveryContext) {
    this.note(`recovered ${name} ${JSON.stringify(snapshot)} ${recoveryReason}`);
  }
}
