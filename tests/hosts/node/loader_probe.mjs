// One process of a host as far as the loader goes: reads {project, preload, then} from stdin, and prints what loading gave as the last line.
//
// `then` are files to write between preload and load. Of code that loads, the answer of the default export's fetch is told too, or its error.
import { readFileSync, writeFileSync } from "node:fs";
import { join } from "node:path";
import { errorObject } from "../../../emulator/hosts/node/faults.mjs";
import { Loader } from "../../../emulator/hosts/node/loader.mjs";

const { project, preload, then } = JSON.parse(readFileSync(0, "utf8"));
const loader = new Loader();
loader.prepare();
if (preload !== null) await loader.preload(preload);
for (const [name, text] of Object.entries(then)) writeFileSync(join(project.root, name), text);

async function answer({ default: main }) {
  if (typeof main?.fetch !== "function") return {};
  try {
    return { answer: await (await main.fetch(new Request("http://localhost/"), {}, {})).text() };
  } catch (error) {
    return { thrown: errorObject(error) };
  }
}

async function load() {
  const began = performance.now();
  try {
    const code = await loader.load(project);
    const ms = performance.now() - began;
    const { exports, handlers, modules, warnings, inputs } = code;
    return {
      exports,
      objects: [...code.objects.keys()],
      handlers,
      modules,
      warnings,
      inputs,
      ms,
      ...(await answer(code)),
    };
  } catch (error) {
    return { error: errorObject(error) };
  }
}

console.log(`\n${JSON.stringify(await load())}`);
process.exit(0);
