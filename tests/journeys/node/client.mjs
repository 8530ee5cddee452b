// agents/client's AgentClient, with what it told its owner written down.
import { AgentClient } from "agents/client";

export class Client {
  events = [];
  #waiting = [];
  #calls = new Map();

  constructor(options) {
    this.agent = new AgentClient({
      minReconnectionDelay: 50,
      maxReconnectionDelay: 200,
      ...options,
      onStateUpdate: (state, source) => this.note("state", { state, source }),
      onStateUpdateError: (error) => this.note("state_error", { error }),
      onIdentity: (name, agent) => this.note("identity", { name, agent }),
      onConnectionError: (error) => this.note("connection_error", { name: error.name, message: error.message, code: error.code }),
    });
    this.agent.addEventListener("open", () => this.note("open", {}));
    this.agent.addEventListener("close", ({ code, reason }) => this.note("close", { code, reason }));
    this.agent.addEventListener("message", ({ data }) => this.note("message", { data: typeof data === "string" ? data : "binary" }));
  }

  note(kind, detail) {
    this.events.push({ kind, ...detail });
    this.#waiting = this.#waiting.filter((check) => !check());
  }

  // Resolves with all events of a kind once there are `count` of them.
  seen(kind, count = 1) {
    return new Promise((resolve) => {
      const check = () => {
        const found = this.events.filter((event) => event.kind === kind);
        if (found.length < count) return false;
        resolve(found);
        return true;
      };
      if (!check()) this.#waiting.push(check);
    });
  }

  happened() {
    return this.events;
  }

  async ready() {
    await this.agent.ready;
    return { name: this.agent.name, agent: this.agent.agent, state: this.agent.state ?? null };
  }

  state() {
    return this.agent.state ?? null;
  }

  setState(state) {
    this.agent.setState(state);
  }

  send(text) {
    this.agent.send(text);
  }

  async call(method, args, options) {
    const result = await this.agent.call(method, args, options);
    return { result, present: result !== undefined };
  }

  async stream(method, args) {
    const chunks = [];
    const final = await this.agent.call(method, args, { stream: { onChunk: (chunk) => chunks.push(chunk) } });
    return { chunks, final: final ?? null };
  }

  // A call whose outcome is asked for later.
  begin(label, method, args) {
    const outcome = this.agent.call(method, args).then(
      (result) => ({ result: result ?? null }),
      (error) => ({ error: error.message }),
    );
    this.#calls.set(label, outcome);
  }

  outcome(label) {
    return this.#calls.get(label);
  }

  reconnect() {
    this.agent.reconnect();
  }

  close(code, reason) {
    this.agent.close(code, reason);
  }
}
