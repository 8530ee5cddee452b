# The real runtime with the same probes: workerd serve workerd.capnp config --directory-path state=DIR --socket-addr http=127.0.0.1:PORT
using Workerd = import "/workerd/workerd.capnp";

const config :Workerd.Config = (
  services = [
    (name = "main", worker = .main),
    (name = "state", disk = (writable = true)),
    (name = "internet", network = (allow = ["public", "private", "local"])),
  ],
  sockets = [(name = "http", address = "127.0.0.1:0", http = (), service = "main")],
);

const main :Workerd.Worker = (
  modules = [
    (name = "entry.mjs", esModule = embed "src/entry.mjs"),
    (name = "probe.mjs", esModule = embed "src/probe.mjs"),
    (name = "program.mjs", esModule = embed "src/program.mjs"),
  ],
  compatibilityDate = "2026-06-11",
  compatibilityFlags = ["nodejs_compat", "enable_request_signal", "request_signal_passthrough"],
  bindings = [
    (name = "Probe", durableObjectNamespace = "Probe"),
    (name = "Plain", durableObjectNamespace = "Plain"),
    (name = "Legacy", durableObjectNamespace = "Legacy"),
    (name = "PLAIN", text = "text"),
    (name = "NUMBER", json = "7"),
    (name = "FLAG", json = "true"),
    (name = "NESTED", json = "{\"list\": [1, null]}"),
  ],
  durableObjectNamespaces = [
    (className = "Probe", uniqueKey = "conformance-Probe", enableSql = true),
    (className = "Plain", uniqueKey = "conformance-Plain", enableSql = true),
    (className = "Legacy", uniqueKey = "conformance-Legacy"),
  ],
  durableObjectStorage = (localDisk = "state"),
);
