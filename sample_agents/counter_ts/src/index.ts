// One number, the same in every tab: state that syncs, methods that clients call, a method that streams.
import { Agent, callable, routeAgentRequest, type StreamingResponse } from "agents";

interface Env {
  Counter: DurableObjectNamespace<Counter>;
}

interface Count {
  count: number;
}

export class Counter extends Agent<Env, Count> {
  initialState: Count = { count: 0 };

  validateStateChange({ count }: Count) {
    if (count < 0) throw new Error("a counter does not go below zero");
  }

  @callable()
  add(amount = 1): number {
    this.setState({ count: this.state.count + amount });
    return this.state.count;
  }

  @callable({ streaming: true })
  async countDown(stream: StreamingResponse) {
    for (let number = this.state.count; number > 0; number--) {
      stream.send(number);
      await scheduler.wait(100);
    }
    stream.end("lift-off");
  }

  onRequest() {
    return Response.json(this.state);
  }
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
