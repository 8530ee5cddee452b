/**
 * `node main.mjs --link PATH [--virtual-clock] [--seeded]`: one host process. It ends when its gateway does. The flags say what LOAD will say,
 * before any package is imported.
 */
import { process } from "./originals.mjs";
import { Session } from "./session.mjs";

const { argv } = process;
const repeatable = { virtualClock: argv.includes("--virtual-clock"), seeded: argv.includes("--seeded") };
new Session(async () => (await import("./host.mjs")).Host, repeatable).open(argv[argv.indexOf("--link") + 1]);
