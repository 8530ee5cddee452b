/** The probe: every check's outcome as JSON. It runs on the real runtime and on the Node host's surface, which must say the same. */

import { binding, service } from "./binding.mjs";
import { bodies } from "./bodies.mjs";
import { forms } from "./forms.mjs";
import { globals } from "./globals.mjs";
import { headers } from "./headers.mjs";
import { network, peer } from "./network.mjs";
import { requests } from "./requests.mjs";
import { responses } from "./responses.mjs";
import { sockets } from "./sockets.mjs";
import { streams } from "./streams.mjs";
import { outcome } from "./telling.mjs";
import { timing } from "./timing.mjs";

const TOPICS = { binding, bodies, forms, globals, headers, network, requests, responses, sockets, streams, timing };

export default {
  async fetch(request, env) {
    const { hostname, origin, pathname } = new URL(request.url);
    if (hostname === "workers-binding.ai") return service(request);
    if (pathname !== "/probe") return peer(request);
    const told = {};
    for (const [topic, checksOf] of Object.entries(TOPICS)) {
      for (const [name, check] of Object.entries(checksOf({ request, env, origin }))) told[`${topic}: ${name}`] = await outcome(check);
    }
    return Response.json(told);
  },
};
