// A server of tools for models (MCP), and an agent that is its client.
import { McpServer } from "@modelcontextprotocol/sdk/server/mcp.js";
import { Agent, callable } from "agents";
import { McpAgent } from "agents/mcp";
import { z } from "zod";
import type { Env } from "./entry";

interface Added {
  times: number;
}

export class Tools extends McpAgent<Env, Added> {
  server = new McpServer({ name: "parity", version: "1.0.0" }, { capabilities: { logging: {} } });
  initialState: Added = { times: 0 };

  async init() {
    this.server.registerTool("add", { description: "Adds.", inputSchema: { a: z.number(), b: z.number() } }, ({ a, b }) => {
      this.setState({ times: this.state.times + 1 });
      return { content: [{ type: "text", text: `${a + b}, time ${this.state.times}` }] };
    });
    this.server.registerTool("fail", { description: "Fails." }, () => {
      throw new Error("no tool today");
    });
    this.server.registerTool("report", { description: "Says how it goes on." }, async ({ sendNotification }) => {
      for (let step = 0; step < 3; step++) {
        await sendNotification({ method: "notifications/message", params: { level: "info", data: `step ${step}` } });
      }
      return { content: [{ type: "text", text: "done" }] };
    });
  }
}

/** Uses tools of others. */
export class ToolUser extends Agent<Env> {
  /** Nothing: its answer shows that everything before it has been sent. */
  @callable()
  fence() {}

  /** By its binding. */
  @callable()
  async joinObject() {
    return (await this.addMcpServer("near", this.env.Tools)).state;
  }

  /** By its address. */
  @callable()
  async joinAddress(address: string) {
    return (await this.addMcpServer("far", address, { transport: { type: "streamable-http" } })).state;
  }

  @callable()
  tools() {
    return this.mcp.listTools().map(({ name }) => name);
  }

  @callable()
  async use(name: string, input: Record<string, unknown>) {
    const [tool] = this.mcp.listTools().filter((tool) => tool.name === name);
    const { content } = await this.mcp.callTool({ name, arguments: input, serverId: tool.serverId });
    return content;
  }
}

export const overHttp = McpAgent.serve("/mcp", { binding: "Tools" });
export const overEvents = McpAgent.serveSSE("/sse", { binding: "Tools" });
