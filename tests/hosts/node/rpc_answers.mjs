/** Prints what this host answers to the probe of rpc_peer/, in a process of its own: a Worker takes the globals and the output. */

import { writeFileSync } from "node:fs";
import { exit } from "../../../emulator/hosts/node/originals.mjs";
import { RpcRig } from "./rpc_rig.mjs";

const rig = await RpcRig.start(new URL("rpc_peer/worker.mjs", import.meta.url), {
  name: "rpc",
  vars: { TEXT: "text" },
  bindings: [
    { kind: "durable_object", name: "Peer", class: "Peer" },
    { kind: "service", name: "SELF" },
  ],
  classes: { Peer: "sqlite", Fragile: "sqlite", Gated: "sqlite", Web: "sqlite" },
});
const saved = await rig.ask("http://probe/save");
const checks = await rig.ask("http://probe/");
await rig.stop();
writeFileSync(1, JSON.stringify({ saved, checks }));
exit(0);
