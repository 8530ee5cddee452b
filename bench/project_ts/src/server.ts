// What `python -m bench --typescript` asks for: agents of the real SDK, the same files for every server.
import { AIChatAgent } from "@cloudflare/ai-chat";
import { Agent, type Connection, callable, routeAgentRequest, type StreamingResponse, type WSMessage } from "agents";
import { MARKER } from "./marker";

const CHUNKS = 200;

interface Env {
  Echo: DurableObjectNamespace<Echo>;
}

/** Answers GET with its name and the marker, a message with the same message, and `marker?` with the marker. */
export class Echo extends Agent<Env> {
  shouldSendProtocolMessages() {
    return false; // nothing but echoes on the wire
  }

  onRequest() {
    return Response.json({ name: this.name, marker: MARKER });
  }

  onMessage(connection: Connection, message: WSMessage) {
    connection.send(message === "marker?" ? MARKER : message);
  }
}

/** A row and a state, which everybody who is connected hears of. */
export class Counter extends Agent<Env, { count: number }> {
  initialState = { count: 0 };

  onStart() {
    this.sql`CREATE TABLE IF NOT EXISTS calls (id INTEGER PRIMARY KEY, n INTEGER NOT NULL)`;
  }

  @callable()
  increment() {
    this.sql`INSERT INTO calls (id, n) VALUES (1, 1) ON CONFLICT (id) DO UPDATE SET n = n + 1`;
    this.setState({ count: this.state.count + 1 });
    return this.state.count;
  }
}

/** Two hundred pieces as fast as they are taken: as server-sent events, and as a streaming call. */
export class Stream extends Agent<Env> {
  onRequest() {
    const encoder = new TextEncoder();
    let number = 0;
    const body = new ReadableStream({
      pull(controller) {
        controller.enqueue(encoder.encode(`data: {"piece":${number}}\n\n`));
        if (++number === CHUNKS) controller.close();
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }

  @callable({ streaming: true })
  async count(stream: StreamingResponse) {
    for (let number = 0; number < CHUNKS; number++) {
      stream.send(number);
      if (number % 10 === 9) await scheduler.wait(0);
    }
    stream.end();
  }
}

/** A turn of two hundred deltas, stored and broadcast by the SDK. */
export class Chat extends AIChatAgent<Env> {
  async onChatMessage() {
    const encoder = new TextEncoder();
    const say = (chunk: object) => encoder.encode(`data: ${JSON.stringify(chunk)}\n\n`);
    const chunks = [
      { type: "start" },
      { type: "text-start", id: "t" },
      ...Array.from({ length: CHUNKS }, (_, number) => ({ type: "text-delta", id: "t", delta: `piece ${number} ` })),
      { type: "text-end", id: "t" },
      { type: "finish" },
    ];
    const body = new ReadableStream({
      pull(controller) {
        const chunk = chunks.shift();
        if (chunk === undefined) controller.close();
        else controller.enqueue(say(chunk));
      },
    });
    return new Response(body, { headers: { "content-type": "text/event-stream" } });
  }
}

/** Takes a number of seconds, says when it will ring, and rings then. */
export class Reminder extends Agent<Env> {
  async onMessage(connection: Connection, message: WSMessage) {
    const schedule = await this.schedule(Number(message), "ring");
    connection.send(`due ${schedule.time}`);
  }

  ring() {
    this.broadcast("rings");
  }
}

/** Daily schedules at different minutes, and how often they have rung. */
export class Crontab extends Agent<Env> {
  async plan(count: number) {
    this.sql`CREATE TABLE rings (n INTEGER NOT NULL)`;
    this.sql`INSERT INTO rings VALUES (0)`;
    for (let number = 0; number < count; number++) await this.schedule(`${number} ${number % 24} * * *`, "ring");
  }

  ring() {
    this.sql`UPDATE rings SET n = n + 1`;
  }

  rings() {
    return this.sql<{ n: number }>`SELECT n FROM rings`[0]?.n;
  }
}

let fired = 0;

export default {
  scheduled() {
    fired++;
  },

  async fetch(request: Request, env: Env) {
    if (new URL(request.url).pathname === "/fired") return new Response(String(fired));
    return (await routeAgentRequest(request, env)) ?? new Response("not found", { status: 404 });
  },
};
