// The Echo agent of bench/project for peers that run JavaScript: the same paths, the same answers, hibernating sockets.
import { DurableObject } from "cloudflare:workers";

export class Echo extends DurableObject {
  async fetch(request) {
    if (request.headers.get("upgrade") === "websocket") {
      const [client, server] = Object.values(new WebSocketPair());
      this.ctx.acceptWebSocket(server);
      return new Response(null, { status: 101, webSocket: client });
    }
    return Response.json({ name: this.ctx.id.name, marker: "first" });
  }

  webSocketMessage(socket, message) {
    socket.send(message);
  }

  webSocketClose(socket) {
    socket.close(1000, "");
  }
}

export default {
  async fetch(request, env) {
    const [, kind, name] = new URL(request.url).pathname.split("/");
    return kind === "echo" ? env.Echo.getByName(name).fetch(request) : new Response("not found", { status: 404 });
  },
};
