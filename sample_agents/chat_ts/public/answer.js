// One answer as it arrives: chunks of the AI SDK's UI message stream, folded into the parts of a message.

export class Answer {
  message = null; // known with the first chunk, or at once when this page asked
  finished = false;
  #next = 0; // the number of the chunk it waits for

  /** `id` is the request's; `said` is what this page asked, null when another tab, or nobody, did. */
  constructor(id, said = null) {
    this.id = id;
    this.said = said;
    if (said) this.message = { id: `answer-${id}`, role: "assistant", parts: [] };
  }

  /** Takes a chunk. A replay starts over at 0: what has arrived before is known by its number. `before` is the message that a
   * continuation goes on with. */
  take(chunk, seq, before) {
    if (seq !== undefined && seq !== this.#next) return;
    this.#next = (seq ?? this.#next) + 1;
    this.message ??= before ? structuredClone(before) : { id: `answer-${this.id}`, role: "assistant", parts: [] };
    this.#fold(chunk);
  }

  /** Takes over what became of tool calls: their results and approvals are told outside the stream. */
  settle({ parts }) {
    for (const part of this.message.parts) {
      if (part.toolCallId)
        Object.assign(
          part,
          parts.find((other) => other.toolCallId === part.toolCallId),
        );
    }
  }

  #fold(chunk) {
    const { parts } = this.message;
    const call = parts.findLast((part) => part.toolCallId && part.toolCallId === chunk.toolCallId);
    switch (chunk.type) {
      case "start":
        if (chunk.messageId) this.message.id = chunk.messageId;
        break;
      case "text-start":
        parts.push({ type: "text", text: "" });
        break;
      case "text-delta":
        parts.findLast((part) => part.type === "text").text += chunk.delta;
        break;
      case "tool-input-start":
        parts.push({ type: `tool-${chunk.toolName}`, toolCallId: chunk.toolCallId, state: "input-streaming" });
        break;
      case "tool-input-available":
        if (call) Object.assign(call, { state: "input-available", input: chunk.input });
        else parts.push({ type: `tool-${chunk.toolName}`, toolCallId: chunk.toolCallId, state: "input-available", input: chunk.input });
        break;
      case "tool-approval-request":
        Object.assign(call, { state: "approval-requested", approval: { id: chunk.approvalId } });
        break;
      case "tool-output-available":
        Object.assign(call, { state: "output-available", output: chunk.output });
        break;
      case "tool-output-error":
        Object.assign(call, { state: "output-error", errorText: chunk.errorText });
        break;
      case "tool-output-denied":
        Object.assign(call, { state: "output-denied" });
        break;
      case "finish":
        this.finished = true;
        break;
    }
  }
}
