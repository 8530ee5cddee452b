/** Blocks its event loop from the first moment on, while a debugger may be there. */
import { open } from "node:inspector";
import { StallWatch } from "../../../emulator/hosts/node/stall.mjs";

open(0, "127.0.0.1");
new StallWatch(
  () => {},
  (attached) => console.log(`debugger: ${attached}`),
).start();
const end = Date.now() + 1500;
while (Date.now() < end);
