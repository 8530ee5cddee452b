// One conversation with an AIChatAgent over a plain WebSocket: the agents chat protocol, without a library.

const FIRST_RETRY_MS = 250;
const LAST_RETRY_MS = 8000;
const STOP_PATIENCE_MS = 2000;

const newId = () => Math.random().toString(36).slice(2);

export class Conversation {
  messages = [];
  connection = "connecting"; // "open", or "waiting" between two attempts
  error = null;
  #turn = null; // the answer that is arriving: {id, said, message, next: the number of the chunk it waits for, finished}
  #expecting = false; // asked the agent whether one is on its way, or told that it is
  #socket;
  #acknowledged = new Set();
  #retryMs = FIRST_RETRY_MS;
  #history;
  #changed;

  constructor({ protocol, host }, name, changed) {
    const path = `//${host}/agents/chat/${encodeURIComponent(name)}`;
    this.#history = `${protocol}${path}/get-messages`;
    this.#changed = changed;
    this.#connect(`${protocol === "https:" ? "wss:" : "ws:"}${path}?_pk=${newId()}`);
  }

  say(text) {
    if (!text || this.#busy || this.connection !== "open") return false;
    const said = { id: newId(), role: "user", parts: [{ type: "text", text }] };
    const body = JSON.stringify({ messages: [...this.messages, said], trigger: "submit-message" });
    this.error = null;
    this.#begin(newId(), said);
    this.#send({ type: "cf_agent_use_chat_request", id: this.#turn.id, init: { method: "POST", body } });
    this.#show();
    return true;
  }

  stop() {
    const turn = this.#turn;
    if (!turn) return;
    this.#send({ type: "cf_agent_chat_request_cancel", id: turn.id });
    setTimeout(() => this.#turn === turn && this.#probe(), STOP_PATIENCE_MS);
  }

  clear() {
    this.#send({ type: "cf_agent_chat_clear" });
    this.#cleared();
  }

  #connect(address) {
    const socket = new WebSocket(address);
    this.#socket = socket;
    socket.onopen = () => {
      this.connection = "open";
      this.#retryMs = FIRST_RETRY_MS;
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
    return this.#turn !== null || this.#expecting;
  }

  async #receive(frame) {
    switch (frame.type) {
      case "cf_agent_stream_resuming":
        // Offered on connect and again on request: taken once. No chunk comes before the acknowledgement.
        if (this.#acknowledged.has(frame.id)) break;
        this.#acknowledged.add(frame.id);
        if (this.#turn?.id !== frame.id) {
          this.#begin(frame.id);
          await this.#load();
        }
        this.#expecting = false;
        this.#send({ type: "cf_agent_stream_resume_ack", id: frame.id });
        break;
      case "cf_agent_stream_pending":
        await this.#load();
        break;
      case "cf_agent_stream_resume_none": // nothing is being said; what was said is stored
        this.#turn = null;
        await this.#load();
        this.#expecting = false;
        break;
      case "cf_agent_chat_messages": // another tab spoke
        this.#replace(frame.messages);
        break;
      case "cf_agent_chat_clear":
        this.#cleared();
        break;
      case "cf_agent_use_chat_response":
        await this.#hear(frame);
        break;
    }
  }

  async #hear({ id, body, seq, done, error }) {
    this.#expecting = false;
    if (this.#turn?.id !== id) this.#begin(id);
    const turn = this.#turn;
    if (error) {
      this.error = body;
    } else if (body && (seq === undefined || seq === turn.next)) {
      // A replay starts over at 0: a chunk that has arrived before is known by its number.
      turn.next = (seq ?? turn.next) + 1;
      this.#apply(turn, JSON.parse(body));
    }
    if (done) {
      this.#turn = null;
      if (!turn.finished) await this.#load();
    }
  }

  #apply(turn, chunk) {
    switch (chunk.type) {
      case "start":
        turn.message.id = chunk.messageId;
        this.#place(turn.message);
        break;
      case "text-start":
        turn.message.parts.push({ type: "text", text: "" });
        break;
      case "text-delta":
        turn.message.parts.at(-1).text += chunk.delta;
        break;
      case "finish":
        turn.finished = true;
        break;
    }
  }

  #begin(id, said = null) {
    const message = { id: `answer-${id}`, role: "assistant", parts: [] };
    this.#turn = { id, said, message, next: 0, finished: false };
    this.#replace(this.messages);
  }

  // What the server has stored, and after it what only this page knows: the running turn.
  #replace(messages) {
    this.messages = [...messages];
    if (this.#turn?.said) this.#place(this.#turn.said);
    if (this.#turn) this.#place(this.#turn.message);
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
    this.#turn = null;
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
      answering: this.#busy,
      error: this.error,
    });
  }
}
