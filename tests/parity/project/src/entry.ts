// The agents of the scenarios; every class below is one that a scenario talks to.
import { getAgentByName, routeAgentRequest } from "agents";
import { asked } from "./asked";
import { Chat, DropChat, LatestChat } from "./chat";
import { Clockwork } from "./clockwork";
import { Counter, Late, Plain, Quiet, QuietCounter } from "./counter";
import { Explorer } from "./explorer";
import { Child, Parent } from "./family";
import { overEvents, overHttp, Tools, ToolUser } from "./tools";

export { Chat, Child, Clockwork, Counter, DropChat, Explorer, Late, LatestChat, Parent, Plain, Quiet, QuietCounter, Tools, ToolUser };

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
  Tools: DurableObjectNamespace<Tools>;
  ToolUser: DurableObjectNamespace<ToolUser>;
}

export default {
  async fetch(request, env, ctx) {
    const { pathname } = new URL(request.url);
    if (pathname.startsWith("/mcp")) return overHttp.fetch(request, env, ctx);
    if (pathname.startsWith("/sse")) return overEvents.fetch(request, env, ctx);
    if (pathname === "/session") return (await getAgentByName(env.Counter, "sess 1/ü")).fetch(request);
    const answer = await routeAgentRequest(request, env, {
      cors: asked(request).has("cors"),
      onBeforeConnect: (request) => (asked(request).has("refused") ? new Response("not you", { status: 401 }) : undefined),
    });
    return answer ?? new Response("nobody here", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
