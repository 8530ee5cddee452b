// Schedules and the queue, with every run written down and told to all.
import { Agent, callable, type QueueItem, type Schedule } from "agents";
import type { Env } from "./entry";

export class Clockwork extends Agent<Env> {
  onStart() {
    this.sql`CREATE TABLE IF NOT EXISTS runs (n INTEGER PRIMARY KEY, what TEXT, at INTEGER)`;
  }

  onError(...details: unknown[]) {
    this.note(`onError:${(details.at(-1) as Error).message}`);
  }

  note(what: string) {
    this.sql`INSERT INTO runs (what, at) VALUES (${what}, ${Date.now()})`;
    this.broadcast(what);
  }

  /** Nothing: its answer shows that everything before it has been sent. */
  @callable()
  fence() {}

  @callable()
  runs() {
    return this.sql<{ what: string }>`SELECT what FROM runs ORDER BY n`.map(({ what }) => what);
  }

  /** Milliseconds between the first run of `what` and the later ones. */
  @callable()
  times(what: string) {
    return this.sql<{ at: number }>`SELECT at FROM runs WHERE what = ${what} ORDER BY n`.map(({ at }) => at);
  }

  @callable()
  planIn(seconds: number, text: string, options?: { idempotent?: boolean }) {
    return this.schedule(seconds, "tick", text, options);
  }

  @callable()
  planPast(text: string) {
    return this.schedule(new Date(Date.now() - 3_600_000), "tick", text);
  }

  @callable()
  planCron(cron: string, text: string) {
    return this.schedule(cron, "tick", text);
  }

  @callable()
  planEvery(seconds: number, text: string) {
    return this.scheduleEvery(seconds, "tick", text);
  }

  @callable()
  planFailure() {
    return this.schedule(0, "fail", "bad", { retry: { maxAttempts: 2, baseDelayMs: 10, maxDelayMs: 20 } });
  }

  @callable()
  planNonsense() {
    return this.schedule({} as unknown as string, "tick", "never");
  }

  @callable()
  planUnknown() {
    return this.schedule(1, "nowhere" as "tick", "never");
  }

  @callable()
  planned() {
    return this.listSchedules();
  }

  @callable()
  forget(id: string) {
    return this.cancelSchedule(id);
  }

  @callable()
  async queueUp(texts: string[]) {
    const ids: string[] = [];
    for (const text of texts) ids.push(await this.queue("queued", text));
    return { ids };
  }

  tick(text: string, { type, callback }: Schedule<string>) {
    this.note(`${type}:${callback}:${text}`);
  }

  queued(text: string, item: QueueItem<string>) {
    this.note(`queued:${text} ${Object.keys(item).sort()}`);
  }

  fail(text: string) {
    this.note(`failing:${text}`);
    throw new Error("planned to fail");
  }
}
