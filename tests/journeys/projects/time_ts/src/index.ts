// Agents whose time a test moves: a digest every morning, and a chat that nothing lets sleep.
import { Agent, routeAgentRequest } from "agents";

export class Digest extends Agent<unknown, { sent: number }> {
  initialState = { sent: 0 };

  async onStart() {
    await this.schedule("0 9 * * *", "send", "digest", { idempotent: true });
  }

  send() {
    this.setState({ sent: this.state.sent + 1 });
  }

  async onRequest() {
    const [next] = await this.listSchedules();
    return Response.json({ sent: this.state.sent, next: new Date(next.time * 1000).toISOString() });
  }
}

export class Chat extends Agent {
  beats = 0;
  voice: WebSocket | undefined;

  async onRequest(request: Request) {
    const far = new URL(request.url).searchParams.get("far");
    if (far !== null) {
      setInterval(() => this.beats++, 30000); // LINE interval
      this.voice = new WebSocket(far); // LINE outgoing
      await new Promise((open) => this.voice?.addEventListener("open", open));
    }
    return Response.json({ beats: this.beats });
  }
}

export default {
  async fetch(request: Request, env: unknown) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
};
