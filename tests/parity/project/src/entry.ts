// The agents of the scenarios; every class below is one that a scenario talks to.
import { getAgentByName, routeAgentRequest } from "agents";
import { asked } from "./asked";
import { Chat, DropChat, LatestChat } from "./chat";
import { Clockwork } from "./clockwork";
import { Counter, Late, Plain, Quiet, QuietCounter } from "./counter";
import { Explorer } from "./explorer";
import { Child, Parent } from "./family";

export { Chat, Child, Clockwork, Counter, DropChat, Explorer, Late, LatestChat, Parent, Plain, Quiet, QuietCounter };

export interface Env {
  Counter: DurableObjectNamespace<Counter>;
  Plain: DurableObjectNamespace<Plain>;
  Quiet: DurableObjectNamespace<Quiet>;
  QuietCounter: DurableObjectNamespace<QuietCounter>;
  Late: DurableObjectNamespace<Late>;
  Explorer: DurableObjectNamespace<Explorer>;
  Clockwork: DurableObjectNamespace<Clockwork>;
  Chat: DurableObjectNamespace<Chat>;
  DropChat: DurableObjectNamespace<DropChat>;
  LatestChat: DurableObjectNamespace<LatestChat>;
  Parent: DurableObjectNamespace<Parent>;
}

export default {
  async fetch(request, env) {
    if (new URL(request.url).pathname === "/session") return (await getAgentByName(env.Counter, "sess 1/ü")).fetch(request);
    const answer = await routeAgentRequest(request, env, {
      cors: asked(request).has("cors"),
      onBeforeConnect: (request) => (asked(request).has("refused") ? new Response("not you", { status: 401 }) : undefined),
    });
    return answer ?? new Response("nobody here", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
