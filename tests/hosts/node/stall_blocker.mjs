/** Blocks its event loop twice, in user code as far as the watch can tell. The test knows the line numbers. */
import { execFileSync } from "node:child_process";
import { StallWatch } from "../../../emulator/hosts/node/stall.mjs";

const reports = [];

function spin() {
  const end = Date.now() + 1500;
  while (Date.now() < end);
  return "the loop ended by itself";
}

new StallWatch(
  (stall) => reports.push(stall),
  () => reports.push("a debugger"),
).start();
// The thread takes a moment to be there.
await new Promise((resolve) => setTimeout(resolve, 300));
const ended = spin();
while (reports.length < 1) await new Promise((resolve) => setTimeout(resolve, 20));
execFileSync("/bin/sleep", ["1.2"]);
while (reports.length < 2) await new Promise((resolve) => setTimeout(resolve, 20));
process.stdout.write(JSON.stringify([reports, ended]));
