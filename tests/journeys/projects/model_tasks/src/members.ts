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
  // A conversation: five pieces of sound, then the end.
  flux: async (ai) => {
    const response = await ai.run("@cf/deepgram/flux", { encoding: "linear16", sample_rate: "16000" } as never, { websocket: true });
    const { webSocket, status } = response as unknown as Response;
    if (!webSocket) throw new Error(await (response as unknown as Response).text());
    const heard: { event: string; transcript: string }[] = [];
    const closed = new Promise<number>((resolve) => webSocket.addEventListener("close", ({ code }) => resolve(code)));
    webSocket.addEventListener("message", ({ data }) => heard.push(JSON.parse(data as string)));
    webSocket.accept();
    for (let n = 0; n < 5; n++) webSocket.send(new Uint8Array(4));
    webSocket.send('{"type":"CloseStream"}');
    const code = await closed;
    return { status, events: heard.map(({ event }) => event), said: heard.at(-1)?.transcript, code };
  },
  // A model that has no WebSocket.
  mute: async (ai) => {
    const response = (await ai.run("@cf/meta/llama-3.1-8b-instruct", { prompt: "hi" }, {
      websocket: true,
    } as never)) as unknown as Response;
    return { status: response.status, socket: Boolean(response.webSocket), text: await response.text() };
  },
};
