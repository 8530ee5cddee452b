/** Blocks its event loop twice, in user code as far as the watch can tell. The test knows the line numbers. */
import { execFileSync } from "node:child_process";
import { StallWatch } from "../../../emulator/hosts/node/stall.mjs";

const reports = [];

function spin() {
  const end = Date.now() + 1500;
  while (Date.now() < end);
  return "the loop ended by itself";
}

/** Block until there are so many reports; eight times are a long time. */
async function until(count, block) {
  let answer;
  for (let times = 0; reports.length < count && times < 8; times += 1) {
    await new Promise((resolve) => setTimeout(resolve, 300));
    answer = block();
    await new Promise((resolve) => setTimeout(resolve, 300));
  }
  return answer;
}

new StallWatch(
  (stall) => reports.push(stall),
  () => reports.push("a debugger"),
).start();
// The thread takes a moment to be there; on a busy machine it may look late, and then takes it for a stop of the whole process.
const ended = await until(1, () => spin());
await until(2, () => execFileSync("/bin/sleep", ["1.2"]));
process.stdout.write(JSON.stringify([reports, ended]));
