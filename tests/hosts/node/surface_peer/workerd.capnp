# The probe on the real runtime:
# workerd serve --experimental workerd.capnp config --socket-addr http=127.0.0.1:PORT
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "internet", network = (allow = ["local"])),
  ],
  sockets = [(name = "http", service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "binding.mjs", esModule = embed "binding.mjs"),
    (name = "bodies.mjs", esModule = embed "bodies.mjs"),
    (name = "forms.mjs", esModule = embed "forms.mjs"),
    (name = "globals.mjs", esModule = embed "globals.mjs"),
    (name = "headers.mjs", esModule = embed "headers.mjs"),
    (name = "network.mjs", esModule = embed "network.mjs"),
    (name = "requests.mjs", esModule = embed "requests.mjs"),
    (name = "responses.mjs", esModule = embed "responses.mjs"),
    (name = "sockets.mjs", esModule = embed "sockets.mjs"),
    (name = "streams.mjs", esModule = embed "streams.mjs"),
    (name = "telling.mjs", esModule = embed "telling.mjs"),
    (name = "timing.mjs", esModule = embed "timing.mjs"),
  ],
  compatibilityDate = "2026-11-17",
  bindings = [
    (name = "GREETING", text = "hello"),
    (name = "AI", wrapped = (moduleName = "cloudflare-internal:ai-api", innerBindings = [(name = "fetcher", service = "main")])),
  ],
);
