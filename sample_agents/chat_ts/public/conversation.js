// One conversation with an AIChatAgent over a plain WebSocket: the agents chat protocol with tools, without a library.
import { Answer } from "./answer.js";

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8000;
const STOP_PATIENCE_MS = 2000;

const newId = () => Math.random().toString(36).slice(2);

export class Conversation {
  messages = [];
  desk = null; // the agent's state
  connection = "connecting"; // "open", or "waiting" between two attempts
  error = null;
  #answer = null; // the one that is arriving
  #expecting = false; // asked the agent whether one is on its way, or told that it is
  #socket;
  #acknowledged = new Set(); // streams, since the last probe
  #served = new Set(); // tool calls, since the connection is open
  #retryMs = FIRST_RETRY_MS;
  #history;
  #tools;
  #changed;

  /** `tools` maps the names of the tools that the page runs to functions of their input. */
  constructor({ protocol, host }, name, tools, changed) {
    const path = `//${host}/agents/chat/${encodeURIComponent(name)}`;
    this.#history = `${protocol}${path}/get-messages`;
    this.#tools = tools;
    this.#changed = changed;
    this.#connect(`${protocol === "https:" ? "wss:" : "ws:"}${path}?_pk=${newId()}`);
  }

  say(text) {
    if (!text || this.#busy || this.connection !== "open") return false;
    const said = { id: newId(), role: "user", parts: [{ type: "text", text }] };
    const body = JSON.stringify({ messages: [...this.messages, said], trigger: "submit-message" });
    this.error = null;
    this.#begin(new Answer(newId(), said));
    this.#send({ type: "cf_agent_use_chat_request", id: this.#answer.id, init: { method: "POST", body } });
    this.#show();
    return true;
  }

  stop() {
    const answer = this.#answer;
    if (!answer) return;
    this.#send({ type: "cf_agent_chat_request_cancel", id: answer.id });
    setTimeout(() => this.#answer === answer && this.#probe(), STOP_PATIENCE_MS);
  }

  clear() {
    this.#send({ type: "cf_agent_chat_clear" });
    this.#cleared();
  }

  /** Says yes or no to a tool call that waits for it; the agent then goes on. */
  decide(toolCallId, approved) {
    this.#send({ type: "cf_agent_tool_approval", toolCallId, approved, autoContinue: true });
    this.#probe();
    this.#show();
  }

  #connect(address) {
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => {
      this.connection = "open";
      this.#retryMs = FIRST_RETRY_MS;
      this.#served.clear();
      this.#probe();
      this.#show();
    };
    socket.onmessage = async ({ data }) => {
      await this.#receive(JSON.parse(data));
      this.#show();
    };
    socket.onclose = () => {
      this.connection = "waiting";
      this.#show();
      setTimeout(() => this.#connect(address), this.#retryMs);
      this.#retryMs = Math.min(this.#retryMs * 2, LAST_RETRY_MS);
    };
  }

  // Asks whether an answer is on its way; stream_resuming, stream_pending or stream_resume_none comes back.
  #probe() {
    this.#expecting = true;
    this.#acknowledged.clear();
    this.#send({ type: "cf_agent_stream_resume_request", probeId: newId() });
  }

  get #busy() {
    return this.#answer !== null || this.#expecting;
  }

  async #receive(frame) {
    switch (frame.type) {
      case "cf_agent_state":
        this.desk = frame.state;
        break;
      case "cf_agent_stream_resuming":
        // Offered on connect and again on request: taken once. No chunk comes before the acknowledgement.
        if (this.#acknowledged.has(frame.id)) break;
        this.#acknowledged.add(frame.id);
        if (this.#answer?.id !== frame.id) {
          await this.#load();
          this.#begin(new Answer(frame.id));
        }
        this.#expecting = false;
        this.#send({ type: "cf_agent_stream_resume_ack", id: frame.id });
        break;
      case "cf_agent_stream_pending":
        await this.#load();
        break;
      case "cf_agent_stream_resume_none":
        // Another tab's tool call may be going on: its chunks come here live. Else nothing is being said; what was said is stored.
        if (frame.reason === "continuation-owned") this.#expecting = false;
        else await this.#settle();
        break;
      case "cf_agent_chat_messages": // another tab spoke, or an answer was stored
        this.#replace(frame.messages);
        break;
      case "cf_agent_message_updated": // a tool call got its result, or its approval
        if (this.#answer?.message?.id === frame.message.id) this.#answer.settle(frame.message);
        else this.#place(frame.message);
        break;
      case "cf_agent_chat_clear":
        this.#cleared();
        break;
      case "cf_agent_use_chat_response":
        await this.#hear(frame);
        break;
    }
  }

  async #hear({ id, body, seq, continuation, done, error }) {
    this.#expecting = false;
    if (this.#answer?.id !== id) this.#begin(new Answer(id));
    const answer = this.#answer;
    if (error) {
      this.error = body;
    } else if (body) {
      answer.take(JSON.parse(body), seq, continuation && this.messages.findLast(({ role }) => role === "assistant"));
      if (answer.message) this.#place(answer.message); // null: its beginning went elsewhere; its end is read from the store
    }
    if (done) {
      if (!answer.finished) return this.#settle();
      this.#answer = null;
      await this.#serve();
    }
  }

  // The answer is over, and what became of it is stored.
  async #settle() {
    this.#answer = null;
    this.#expecting = true;
    await this.#load();
    this.#expecting = false;
    await this.#serve();
  }

  // Runs the page's own tools that the last message waits for. Every open tab does so; the first result counts.
  async #serve() {
    for (const { type, toolCallId, state, input } of this.messages.at(-1)?.parts ?? []) {
      const toolName = type.replace(/^tool-/, "");
      if (state !== "input-available" || !this.#tools[toolName] || this.#served.has(toolCallId)) continue;
      this.#served.add(toolCallId);
      this.#send({ type: "cf_agent_tool_result", toolCallId, toolName, output: await this.#tools[toolName](input), autoContinue: true });
      this.#probe();
    }
  }

  #begin(answer) {
    this.#answer = answer;
    this.#replace(this.messages);
  }

  // What the server has stored, and after it what only this page knows: the answer that is arriving.
  #replace(messages) {
    this.messages = [...messages];
    if (this.#answer?.said) this.#place(this.#answer.said);
    if (this.#answer?.message) this.#place(this.#answer.message);
  }

  // Puts a message in the place of the one with its id, else at the end.
  #place(message) {
    this.messages = this.messages.filter((other) => other !== message);
    const index = this.messages.findIndex((other) => other.id === message.id);
    if (index < 0) this.messages.push(message);
    else this.messages[index] = message;
  }

  async #load() {
    const response = await fetch(this.#history);
    if (response.ok) this.#replace(await response.json());
  }

  #cleared() {
    this.messages = [];
    this.#answer = null;
    this.#expecting = false;
    this.error = null;
    this.#show();
  }

  #send(frame) {
    if (this.#socket.readyState === WebSocket.OPEN) this.#socket.send(JSON.stringify(frame));
  }

  #show() {
    this.#changed({
      connection: this.connection,
      messages: this.messages,
      desk: this.desk,
      answering: this.#busy,
      error: this.error,
    });
  }
}
