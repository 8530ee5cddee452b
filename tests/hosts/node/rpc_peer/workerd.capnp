# The probe on the real runtime:
# workerd serve --experimental workerd.capnp config --directory-path state=DIR --socket-addr http=127.0.0.1:PORT
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "state", disk = (writable = true)),
  ],
  sockets = [(name = "http", service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "worker.mjs", esModule = embed "worker.mjs"),
    (name = "telling.mjs", esModule = embed "telling.mjs"),
    (name = "targets.mjs", esModule = embed "targets.mjs"),
    (name = "bindings.mjs", esModule = embed "bindings.mjs"),
    (name = "calls.mjs", esModule = embed "calls.mjs"),
    (name = "errors.mjs", esModule = embed "errors.mjs"),
    (name = "fetches.mjs", esModule = embed "fetches.mjs"),
    (name = "gates.mjs", esModule = embed "gates.mjs"),
    (name = "lifetimes.mjs", esModule = embed "lifetimes.mjs"),
    (name = "promises.mjs", esModule = embed "promises.mjs"),
    (name = "strays.mjs", esModule = embed "strays.mjs"),
    (name = "streams.mjs", esModule = embed "streams.mjs"),
    (name = "values.mjs", esModule = embed "values.mjs"),
  ],
  compatibilityDate = "2026-06-11",
  compatibilityFlags = ["nodejs_compat"],
  bindings = [
    (name = "TEXT", text = "text"),
    (name = "Peer", durableObjectNamespace = "Peer"),
    (name = "SELF", service = "main"),
  ],
  durableObjectNamespaces = [
    (className = "Peer", uniqueKey = "rpc-Peer", enableSql = true),
    (className = "Fragile", uniqueKey = "rpc-Fragile", enableSql = true),
    (className = "Gated", uniqueKey = "rpc-Gated", enableSql = true),
    (className = "Web", uniqueKey = "rpc-Web", enableSql = true),
  ],
  durableObjectStorage = (localDisk = "state"),
);
