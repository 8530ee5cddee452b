// A chat tab as useAgentChat makes one: AgentClient, the real WebSocketChatTransport, and the AI SDK's own folding of its chunks.
import { WebSocketChatTransport } from "agents/chat/transport";
import { readUIMessageStream } from "ai";
import { Client } from "./client.mjs";

const textOf = (message) => message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");

export class Tab extends Client {
  messages = [];
  #turns = new Map();

  constructor(options) {
    super(options);
    this.origin = `http://${options.host}`;
    this.path = `/agents/${options.agent.toLowerCase()}/${options.name}`;
    this.activeRequestIds = new Set();
    this.transport = new WebSocketChatTransport({ agent: this.agent, activeRequestIds: this.activeRequestIds });
    // What the hook's shared handler does with frames that are not for a stream it holds.
    this.agent.addEventListener("message", ({ data }) => {
      let frame;
      try {
        frame = JSON.parse(data);
      } catch {
        return;
      }
      if (frame.type === "cf_agent_stream_resuming") this.transport.handleStreamResuming(frame);
      else if (frame.type === "cf_agent_stream_resume_none") this.transport.handleStreamResumeNone(frame);
      else if (frame.type === "cf_agent_stream_pending") this.transport.handleStreamPending();
      else if (frame.type === "cf_agent_chat_messages") this.messages = frame.messages;
      else if (frame.type === "cf_agent_chat_clear") this.messages = [];
    });
    this.agent.addEventListener("open", () => this.transport.retryPendingResume());
  }

  async history() {
    const response = await fetch(`${this.origin}${this.path}/get-messages`);
    this.messages = await response.json();
    return this.messages;
  }

  // Says something; the turn is followed under `label`.
  async say(label, text, body) {
    const message = { id: crypto.randomUUID(), role: "user", parts: [{ type: "text", text }] };
    this.messages = [...this.messages, message];
    const stream = await this.transport.sendMessages({
      chatId: "journey",
      messages: this.messages,
      abortSignal: undefined,
      trigger: "submit-message",
      body,
    });
    this.#follow(label, stream);
    return message.id;
  }

  async regenerate(label, messages, body) {
    const stream = await this.transport.sendMessages({
      chatId: "journey",
      messages,
      abortSignal: undefined,
      trigger: "regenerate-message",
      body,
    });
    this.#follow(label, stream);
  }

  // The page-load resume; whether there was a stream to take up.
  async resume(label) {
    const stream = await this.transport.reconnectToStream({ chatId: "journey" });
    if (stream) this.#follow(label, stream);
    return stream !== null;
  }

  // How the turn ended: its message as folded by the AI SDK, the kinds of its chunks, and the error if it was cut.
  async turn(label) {
    return this.#turns.get(label);
  }

  stop() {
    return this.transport.cancelActiveServerTurn();
  }

  #follow(label, stream) {
    const kinds = [];
    let failure = null;
    const watched = stream.pipeThrough(
      new TransformStream({
        transform: (chunk, controller) => {
          kinds.push(chunk.type);
          if (chunk.type === "error") failure = chunk.errorText;
          this.note("chunk", { label, type: chunk.type, delta: chunk.delta });
          controller.enqueue(chunk);
        },
      }),
    );
    const fold = async () => {
      let message = null;
      try {
        for await (const snapshot of readUIMessageStream({ stream: watched, onError: () => {} })) message = snapshot;
      } catch (error) {
        failure ??= error.message;
      }
      return { id: message?.id ?? null, text: message ? textOf(message) : "", kinds, failure };
    };
    this.#turns.set(label, fold());
  }
}
