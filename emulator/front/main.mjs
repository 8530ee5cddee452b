/**
 * The front end's process: runs the project's own Vite behind the gateway's port. `node main.mjs SETTINGS`, where SETTINGS is JSON:
 * `{config, folder, socket, port, denied, control}`, all paths absolute; see gateway/front_process.py, which is the only one to start it.
 *
 * It serves HTTP on the Unix socket `socket` (server.mjs says what), says what happens as lines of JSON on the descriptor `control` (control.mjs), and
 * ends when its standard input does: the gateway holds the other end, so it cannot outlive the gateway.
 */
import { Control } from "./control.mjs";
import { serve } from "./server.mjs";

const settings = JSON.parse(process.argv[2]);
const control = new Control(settings.control);

process.stdin.on("error", () => process.exit(0));
process.stdin.on("close", () => process.exit(0));
process.stdin.resume();

process.chdir(settings.folder);
try {
  await serve(settings, control);
} catch (error) {
  control.failed(error);
  process.exit(1);
}
