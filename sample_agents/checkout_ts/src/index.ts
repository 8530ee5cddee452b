// Two agents that charge a card in a chat turn. A turn that a crash has cut is taken up again: the one charges once more, the other does not.
import { AIChatAgent } from "@cloudflare/ai-chat";
import { routeAgentRequest } from "agents";
import { createUIMessageStream, createUIMessageStreamResponse } from "ai";
import { createCharge, putCharge, type Receipt } from "./payments";

export interface Env {
  PAYMENTS: string;
  Careless: DurableObjectNamespace<Careless>;
  Careful: DurableObjectNamespace<Careful>;
}

/** A chat in which "Pay order 7" pays it, and asking again shows the receipt. */
abstract class Checkout extends AIChatAgent<Env> {
  /** Charges the card. It is called again for an order whose turn was cut, whatever the cut one had come to. */
  abstract charge(order: string): Promise<Receipt>;

  async onChatMessage() {
    const order = this.orderOf(this.messages.findLast((message) => message.role === "user"));
    const receipt = this.receiptOf(order) ?? (await this.paid(order));
    return say(`Order ${order} is paid. Thank you! Your receipt is ${receipt.id}.`);
  }

  private async paid(order: string) {
    const receipt = await this.charge(order);
    this.sql`INSERT OR REPLACE INTO receipts VALUES (${order}, ${receipt.id})`;
    return receipt;
  }

  private receiptOf(order: string): Receipt | undefined {
    this.sql`CREATE TABLE IF NOT EXISTS receipts (order_id TEXT PRIMARY KEY, id TEXT NOT NULL)`;
    return this.sql<Receipt>`SELECT id FROM receipts WHERE order_id = ${order}`[0];
  }

  private orderOf(message?: (typeof this.messages)[number]) {
    const text = message?.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    return text?.match(/\d+/)?.[0] ?? "0";
  }
}

/** Each attempt is a charge of its own: between the charge and its receipt, a crash costs the customer the price again. */
export class Careless extends Checkout {
  charge(order: string) {
    return createCharge(this.env.PAYMENTS, order);
  }
}

/** The charge has the order's name, whoever asks for it and how often: there is only one. */
export class Careful extends Checkout {
  charge(order: string) {
    return putCharge(this.env.PAYMENTS, order);
  }
}

/** An answer that streams word by word. */
function say(text: string) {
  const stream = createUIMessageStream({
    execute: ({ writer }) => {
      writer.write({ type: "start" });
      writer.write({ type: "text-start", id: "answer" });
      for (const delta of text.match(/\S+\s*/g) ?? []) writer.write({ type: "text-delta", id: "answer", delta });
      writer.write({ type: "text-end", id: "answer" });
      writer.write({ type: "finish", finishReason: "stop" });
    },
  });
  return createUIMessageStreamResponse({ stream });
}

export default {
  async fetch(request, env) {
    return (await routeAgentRequest(request, env)) ?? new Response("Not found", { status: 404 });
  },
} satisfies ExportedHandler<Env>;
