// What the binding has beside `run`, each told in plain JSON.

type Member = (ai: Ai) => Promise<unknown>;
type Search = { list(): Promise<{ result: { id: string }[] }>; get(name: string): { search(params: object): Promise<unknown> } };

export const members: Record<string, Member> = {
  // A7
  list: async (ai) => (await (ai as unknown as { aiSearch(): Search }).aiSearch().list()).result,
  url: async (ai) => (ai.gateway as (id: string, options: object) => AiGateway).call(ai, "g", { beta: true }).getUrl("openai"),
  unindexed: async (ai) => (ai as unknown as { aiSearch(): Search }).aiSearch().get("nothing").search({ query: "x" }),
  state: async (ai) => {
    await ai.run("@cf/meta/llama-3.1-8b-instruct", { prompt: "hi" }, { gateway: { id: "g" } });
    const { lastRequestId, aiGatewayLogId } = ai as Ai & { lastRequestId: string };
    const { lastRequestHttpStatusCode } = ai as Ai & { lastRequestHttpStatusCode: number };
    return { id: lastRequestId?.length, log: aiGatewayLogId?.length, status: lastRequestHttpStatusCode };
  },
  batch: async (ai) => {
    const run = ai.run as (model: string, inputs: object, options?: object) => Promise<Record<string, unknown>>;
    const model = "@cf/meta/llama-3.1-8b-instruct";
    const queued = await run.call(ai, model, { requests: [{ prompt: "one", external_reference: "a" }] }, { queueRequest: true });
    for (;;) {
      const answer = await run.call(ai, model, { request_id: queued.request_id });
      if (answer.responses) return { queued: queued.status, ...answer };
      await scheduler.wait(5);
    }
  },
};
