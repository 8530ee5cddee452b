/** `node main.mjs --link PATH`: one host process. It ends when its gateway does. */
import { process } from "./originals.mjs";
import { Session } from "./session.mjs";

const path = process.argv[process.argv.indexOf("--link") + 1];
new Session(async () => (await import("./host.mjs")).Host).open(path);
