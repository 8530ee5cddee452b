// The Counter of the scenarios, and its silent and stateless relatives.
import { Agent, callable, type Connection, type ConnectionContext, getCurrentAgent, type StreamingResponse, type WSMessage } from "agents";
import { asked, Gate } from "./asked";
import type { Env } from "./entry";

/** No state. Everything that a scenario does to a connection is asked for in the connection's URL. */
export class Plain<State = unknown> extends Agent<Env, State> {
  memory: string | null = null;
  gate = new Gate();

  onStart() {
    this.sql`CREATE TABLE IF NOT EXISTS closes (n INTEGER PRIMARY KEY, code INTEGER, reason TEXT, clean INTEGER)`;
    this.sql`CREATE TABLE IF NOT EXISTS starts (n INTEGER PRIMARY KEY)`;
    this.sql`INSERT INTO starts DEFAULT VALUES`;
  }

  shouldConnectionBeReadonly(_connection: Connection, { request }: ConnectionContext) {
    return asked(request).has("readonly");
  }

  shouldSendProtocolMessages(_connection: Connection, { request }: ConnectionContext) {
    return !asked(request).has("no_protocol");
  }

  getConnectionTags(_connection: Connection, { request }: ConnectionContext) {
    return Array.from({ length: Number(asked(request).get("tags")) }, (_, number) => `tag${number}`);
  }

  async onConnect(connection: Connection, { request }: ConnectionContext) {
    switch (asked(request).get("connect")) {
      case "throw":
        throw new Error("not today");
      case "gated":
        await this.gate.opened;
        connection.send("hello");
        this.broadcast("joined");
    }
  }

  onMessage(connection: Connection, message: WSMessage) {
    switch (message) {
      case "throw":
        throw new Error("cannot read that");
      case "goodbye":
        connection.close(4002, "bye");
        break;
      case "reset":
        connection.close(3000, "come again");
        break;
      default:
        connection.send(typeof message === "string" ? `echo ${message}` : message);
    }
  }

  onClose(_connection: Connection, code: number, reason: string, wasClean: boolean) {
    this.sql`INSERT INTO closes (code, reason, clean) VALUES (${code}, ${reason}, ${Number(wasClean)})`;
  }

  async onRequest(request: Request) {
    if (request.method === "OPTIONS") return new Response("my own options");
    if (new URL(request.url).pathname.endsWith("/open")) this.gate.open();
    return Response.json({ name: this.name, method: request.method, connections: this.recall().connections });
  }

  /** Nothing: its answer shows that everything before it has been sent. */
  @callable()
  fence() {}

  @callable()
  add(a: number, b: number) {
    return a + b;
  }

  @callable()
  nothing() {
    return null;
  }

  /** What JSON makes of values. */
  @callable()
  values() {
    return { date: new Date(0), map: new Map([[1, 2]]), nan: Number.NaN, absent: undefined };
  }

  @callable()
  boom() {
    throw new Error("boom goes the agent");
  }

  @callable()
  boomText() {
    throw "no error at all";
  }

  @callable()
  big() {
    return 1n;
  }

  hidden() {
    return "not callable by clients";
  }

  /** Ends when a scenario opens the gate. */
  @callable()
  async wait() {
    await this.gate.opened;
    return "waited";
  }

  @callable()
  open() {
    this.gate.open();
  }

  @callable({ streaming: true })
  stream(response: StreamingResponse, count: number) {
    for (let number = 0; number < count; number++) response.send(number);
    response.end("fin");
  }

  @callable({ streaming: true })
  streamAndFall(response: StreamingResponse) {
    response.send(0);
    throw new Error("fell");
  }

  @callable()
  remember(text: string) {
    this.memory = text;
  }

  /** What memory, disk and the platform know: the fields that a wake resets or keeps. */
  @callable()
  recall() {
    const [{ starts }] = this.sql<{ starts: number }>`SELECT count(*) AS starts FROM starts`;
    return { memory: this.memory, starts, connections: Array.from(this.getConnections(), ({ id }) => id).sort() };
  }

  @callable()
  noteOnMe(note: unknown) {
    this.me().setState({ note });
  }

  @callable()
  aboutMe() {
    const { id, tags, state } = this.me();
    return { id, tags, state };
  }

  @callable()
  closes() {
    const rows = this.sql<{ code: number; reason: string; clean: number }>`SELECT code, reason, clean FROM closes ORDER BY n`;
    return rows.map(({ code, reason, clean }) => [code, reason, clean === 1]);
  }

  me(): Connection {
    const { connection } = getCurrentAgent();
    if (!connection) throw new Error("no connection is calling");
    return connection;
  }
}

export interface Count {
  n: number;
}

/** With state `{n}` that must not be negative. */
export class Counter extends Plain<Count> {
  initialState: Count = { n: 0 };

  validateStateChange({ n }: Count) {
    if (n < 0) throw new Error("negative");
  }

  @callable()
  bump() {
    const n = this.state.n + 1;
    this.setState({ n });
    return n;
  }
}

/** Does not say who it is. */
export class Quiet extends Plain {
  static options = { sendIdentityOnConnect: false };
}

export class QuietCounter extends Counter {
  static options = { sendIdentityOnConnect: false };
}

/** Its initial state appears while clients are connected that saw none. */
export class Late extends Plain<Count | undefined> {
  @callable()
  decide() {
    this.initialState = { n: 0 };
  }
}
