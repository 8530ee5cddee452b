/** `GET /<what>/<library>?base=...&name=...`: `what` done with `library`, told as JSON. */

import { attempt } from "./denied";
import * as models from "./models";
import * as requesting from "./requesting";

type Options = Record<string, string>;

const does: Record<string, (library: string, options: Options) => Promise<unknown>> = {
  get: requesting.get,
  post: requesting.post,
  stream: requesting.stream,
  upload: requesting.upload,
  abandon: requesting.abandon,
  fail: requesting.fail,
  late: requesting.late,
  ask: models.ask,
  "ask-stream": models.askStream,
  try: attempt,
};

export default {
  async fetch(request: Request): Promise<Response> {
    const url = new URL(request.url);
    const [, what, library] = url.pathname.split("/");
    return Response.json((await does[what](library, Object.fromEntries(url.searchParams))) ?? null);
  },
};
