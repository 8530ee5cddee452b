// The other side of test_storage_peer.py: runs the operations of tests/vectors/storage.json on the real runtime.
import { DurableObject } from "cloudflare:workers";
import { Operations } from "./operations.mjs";

class Playing extends DurableObject {
  operations = new Operations(this.ctx);
  async fetch(request) {
    return Response.json(await this.operations.all(await request.json()));
  }
}
export class Store extends Playing {
  async alarm() {}
}
export class NoAlarm extends Playing {}
export class Legacy extends Playing {
  async alarm() {}
}

export default {
  async fetch(request, env) {
    const [, binding, name] = new URL(request.url).pathname.split("/");
    try {
      return await env[binding].getByName(name).fetch(request);
    } catch (e) {
      return Response.json([{ thrown: `${e.name}: ${e.message}` }]);
    }
  },
};
