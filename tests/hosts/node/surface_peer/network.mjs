/** `fetch`, client sockets and `EventSource`, against the answers of `peer` below, and the peer itself. */

import { byName, bytes, outcome, sleep, streamOf, tried } from "./telling.mjs";

/** What the far side answers. @param {Request} request */
export async function peer(request) {
  const { pathname } = new URL(request.url);
  switch (pathname) {
    case "/socket":
      return socketAnswer(request);
    case "/slow":
      await sleep(1000);
      return new Response("slow");
    case "/events":
      return new Response("retry: 50\nid: 7\nevent: foo\ndata: a\ndata: b\n\ndata: c\r\n\r\n: comment\n\n", {
        headers: { "content-type": "text/event-stream" },
      });
    case "/no-events":
      return new Response("x", { headers: { "content-type": "text/html" } });
    case "/nothing":
      return new Response(null, { status: 204 });
    case "/found":
      return new Response(null, { status: 302, headers: { location: "/echo" } });
  }
  const headers = [...request.headers].filter(([name]) => name !== "host");
  return Response.json({ method: request.method, path: pathname, headers, body: await request.text() });
}

function socketAnswer(request) {
  if (new URL(request.url).search === "?refuse") return new Response("no", { status: 403 });
  const [client, server] = Object.values(new WebSocketPair());
  server.accept();
  server.addEventListener("message", ({ data }) => {
    if (data === "close") server.close(4000, "far");
    else server.send(data);
  });
  const offered = request.headers.get("sec-websocket-protocol");
  return new Response(null, {
    status: 101,
    webSocket: client,
    headers: offered ? { "sec-websocket-protocol": offered.split(",")[0] } : {},
  });
}

/** What a socket or event source hears, in order. */
function heard(target) {
  const events = [];
  for (const type of ["open", "message", "foo", "close", "error"]) {
    target.addEventListener(type, (event) => {
      const { data, code, reason, wasClean, lastEventId } = event;
      events.push([type, event.constructor.name, { data, code, reason, wasClean, lastEventId }, target.readyState]);
    });
  }
  return events;
}

export function network({ origin }) {
  const echo = async (path, init) => (await fetch(`${origin}${path}`, init)).json();
  const socketUrl = `${origin.replace("http", "ws")}/socket`;
  return {
    "a GET": () => echo("/echo?a#b"),
    "a POST": () => echo("/echo", { method: "POST", body: "hi", headers: { "X-Case": "A" } }),
    "a stream": () => echo("/echo", { method: "POST", body: streamOf(bytes("A"), bytes("B")) }),
    "a stream of text": () => echo("/echo", { method: "POST", body: streamOf("text") }),
    "a request": () => echo("/echo", new Request(origin, { method: "PUT", body: "b" })),
    "asked anew": async () => [(await echo("/echo", { cache: "no-store" })).headers, (await echo("/echo", { cache: "no-cache" })).headers],
    "an answer": async () => {
      const response = await fetch(`${origin}/echo#fragment`);
      const { status, statusText, redirected, type, webSocket, cf } = response;
      return { status, statusText, redirected, type, webSocket, cf, url: response.url.slice(origin.length) };
    },
    "an answer's headers": async () => (await fetch(`${origin}/echo`)).headers.set("a", "b"),
    "an answer read twice": async () => {
      const response = await fetch(`${origin}/echo`);
      const clone = response.clone();
      return (await response.text()) === (await clone.text());
    },
    "an answer without a body": async () => (await fetch(`${origin}/nothing`)).body,
    HEAD: async () => (await fetch(`${origin}/echo`, { method: "HEAD" })).body,
    "a redirect that is not followed": async () => {
      const response = await fetch(`${origin}/found`, { redirect: "manual" });
      return [response.status, response.headers.get("location"), response.redirected];
    },
    "redirect: error": () => fetch(origin, { redirect: "error" }),
    "URLs that cannot be": () => byName(["/x", "ftp://127.0.0.1/", "file:///etc", "about:blank", "blob:x"], (url) => fetch(url)),
    "no argument": () => fetch(),
    "data URLs": async () => [
      await (await fetch("data:text/plain,hi%20there")).text(),
      await (await fetch("data:;base64,aGk=")).text(),
      (await fetch("data:text/x,1")).headers.get("content-type"),
    ],
    "nobody there": () => fetch("http://127.0.0.1:1/"),
    "a used request": async () => {
      const request = new Request(`${origin}/echo`, { method: "POST", body: "x" });
      await (await fetch(request)).text();
      return fetch(request);
    },
    "aborted before": () =>
      byName(["default", "error", "text"], (name) => {
        const reason = { default: undefined, error: new RangeError("mine"), text: "why" }[name];
        return fetch(`${origin}/echo`, { signal: AbortSignal.abort(reason) });
      }),
    "aborted meanwhile": async () => {
      const controller = new AbortController();
      const answer = outcome(() => fetch(`${origin}/slow`, { signal: controller.signal }));
      await sleep(20);
      controller.abort();
      return answer;
    },
    "too late": () => fetch(`${origin}/slow`, { signal: AbortSignal.timeout(20) }),
    "a socket by fetch": async () => {
      const { status, webSocket } = await fetch(`${origin}/socket`, { headers: { Upgrade: "websocket" } });
      const early = tried(() => webSocket.send("early"));
      webSocket.accept();
      const events = heard(webSocket);
      webSocket.send("a");
      webSocket.send("close");
      await sleep(100);
      return [status, early, events.filter(([type]) => type !== "error"), webSocket.readyState, webSocket.url];
    },
    "an upgrade that is none": async () => {
      const { status, webSocket } = await fetch(`${origin}/echo`, { headers: { Upgrade: "websocket" } });
      return [status, webSocket];
    },
    "a client socket": async () => {
      const socket = new WebSocket(socketUrl);
      const events = heard(socket);
      const before = [
        socket.readyState,
        socket.url === socketUrl,
        socket.protocol,
        tried(() => socket.send("early")),
        tried(() => socket.accept()),
      ];
      socket.addEventListener("open", () => socket.send("hey"));
      socket.addEventListener("message", () => socket.send("close"));
      await sleep(150);
      return [before, events.filter(([type]) => type !== "error"), socket.readyState];
    },
    "a client socket closed by us": async () => {
      const socket = new WebSocket(socketUrl);
      const events = heard(socket);
      socket.addEventListener("open", () => socket.close(4001, "near"));
      await sleep(150);
      return [events.filter(([type]) => type !== "error"), socket.readyState];
    },
    "protocols of a client socket": async () => {
      const socket = new WebSocket(socketUrl, ["p1", "p2"]);
      await sleep(100);
      return [socket.protocol, socket.readyState];
    },
    "a client socket nobody answers": async () => {
      const socket = new WebSocket("ws://127.0.0.1:1/");
      const events = heard(socket);
      socket.addEventListener("error", ({ message, error }) => events.push([message, error]));
      await sleep(100);
      return [events, tried(() => socket.send("x")), tried(() => socket.close())];
    },
    "a client socket that is refused": async () => {
      const socket = new WebSocket(`${socketUrl}?refuse`);
      const events = heard(socket);
      socket.addEventListener("error", ({ message }) => events.push(message));
      await sleep(100);
      return events;
    },
    "an event source": async () => {
      const source = new EventSource(`${origin}/events`);
      const before = [source.readyState, source.url === `${origin}/events`, source.withCredentials];
      const events = heard(source);
      await sleep(40);
      source.close();
      return [before, events, source.readyState];
    },
    "no event sources": async () => {
      const seen = [];
      for (const path of ["/no-events", "/nothing"]) {
        const source = new EventSource(`${origin}${path}`);
        source.onerror = ({ error }) => seen.push([error, source.readyState]);
        await sleep(40);
      }
      return seen;
    },
    "event sources that cannot be": () => [
      tried(() => new EventSource("nope")),
      tried(() => new EventSource()),
      tried(() => new EventSource(origin, { withCredentials: true })),
    ],
    "an event source over a stream": async () => {
      const source = EventSource.from(streamOf(bytes("data: x\n\nid: 5\nda"), bytes("ta: y\n\n")));
      const seen = [];
      source.onmessage = ({ data, lastEventId }) => seen.push([data, lastEventId]);
      source.onerror = () => seen.push("error");
      await sleep(30);
      return [seen, source.readyState, source.url];
    },
  };
}
