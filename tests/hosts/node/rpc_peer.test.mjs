/** The recorded answers to the probe of rpc_peer/ are still the real runtime's. */

import { mkdtempSync, rmSync } from "node:fs";
import { tmpdir } from "node:os";
import { join } from "node:path";
import { holdAgainstRecording, withWorkerd } from "./real_workerd.mjs";

holdAgainstRecording("rpc_peer", "rpc.json", async () => {
  const folder = mkdtempSync(join(tmpdir(), "rpc-peer-"));
  try {
    return await withWorkerd("rpc_peer", ["--directory-path", `state=${folder}`], async (ask) => ({
      saved: await ask("/save"),
      checks: await ask("/"),
    }));
  } finally {
    rmSync(folder, { recursive: true });
  }
});
