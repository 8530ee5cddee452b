# echo.js on workerd alone. servers.py fills in ADDRESS and FOLDER.
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "echo", worker = .echo),
    (name = "objects", disk = (path = "FOLDER", writable = true)),
  ],
  sockets = [(name = "http", address = "ADDRESS", http = (), service = "echo")],
);

const echo :Workerd.Worker = (
  modules = [(name = "echo.js", esModule = embed "echo.js")],
  compatibilityDate = "2026-06-11",
  bindings = [(name = "Echo", durableObjectNamespace = "Echo")],
  durableObjectNamespaces = [(className = "Echo", uniqueKey = "bench-echo", enableSql = true)],
  durableObjectStorage = (localDisk = "objects"),
);
