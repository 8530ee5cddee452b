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
      else if (frame.type === "cf_agent_message_updated") this.#replace(frame.message);
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

  // What useAgentChat does with the result of a client's tool: send it, and take up the stream in which the agent goes on.
  async toolResult(label, toolCallId, toolName, output) {
    await this.#goOn(label, { type: "cf_agent_tool_result", toolCallId, toolName, output });
  }

  // And with a person's decision about a tool call.
  async approve(label, toolCallId, approved) {
    await this.#goOn(label, { type: "cf_agent_tool_approval", toolCallId, approved });
  }

  async #goOn(label, frame) {
    this.agent.send(JSON.stringify({ ...frame, autoContinue: true }));
    this.transport.expectToolContinuation();
    const stream = await this.transport.reconnectToStream({ chatId: "journey" });
    this.#follow(label, stream, structuredClone(this.messages.at(-1)));
  }

  #replace(message) {
    this.messages = this.messages.map((other) => (other.id === message.id ? message : other));
  }

  // How the turn ended: its message as folded by the AI SDK (text and parts), the kinds of its chunks, and the error if it was cut.
  async turn(label) {
    return this.#turns.get(label);
  }

  stop() {
    return this.transport.cancelActiveServerTurn();
  }

  // `message` is what a continuation goes on with.
  #follow(label, stream, message) {
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
      let last = null;
      try {
        for await (const snapshot of readUIMessageStream({ message, stream: watched, onError: () => {} })) last = snapshot;
      } catch (error) {
        failure ??= error.message;
      }
      return { id: last?.id ?? null, text: last ? textOf(last) : "", parts: last?.parts ?? [], kinds, failure };
    };
    this.#turns.set(label, fold());
  }
}
