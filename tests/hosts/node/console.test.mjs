import assert from "node:assert/strict";
import { test } from "node:test";
import { captureConsole, consoleMethods, consoleText } from "../../../emulator/hosts/node/console.mjs";
import { Owner } from "../../../emulator/hosts/node/owner.mjs";

function recorded() {
  const lines = [];
  return { lines, methods: consoleMethods((level, text) => lines.push([level, text])) };
}

test("each method has its level and Node's formatting", () => {
  const { lines, methods } = recorded();
  for (const level of ["debug", "info", "log", "warn", "error"]) methods[level]("%s is %d", level, 1, { a: [1, "b"] });
  assert.deepEqual(
    lines,
    ["debug", "info", "log", "warn", "error"].map((level) => [level, `${level} is 1 { a: [ 1, 'b' ] }`]),
  );
});

test("the other methods end in those", () => {
  const { lines, methods } = recorded();
  methods.group("outer");
  methods.log("in\nside");
  methods.groupCollapsed();
  methods.warn("deeper");
  methods.groupEnd();
  methods.groupEnd();
  methods.groupEnd();
  methods.assert(true, "silent");
  methods.assert(false, "told %s", "so");
  methods.count("x");
  methods.count("x");
  methods.dir({ deep: { deeper: { deepest: { end: 1 } } } }, { depth: 9 });
  methods.log();
  assert.deepEqual(lines, [
    ["log", "outer"],
    ["log", "  in\n  side"],
    ["warn", "    deeper"],
    ["warn", "Assertion failed: told so"],
    ["log", "x: 1"],
    ["log", "x: 2"],
    ["log", "{\n  deep: { deeper: { deepest: { end: 1 } } }\n}"],
    ["log", ""],
  ]);
  lines.length = 0;
  methods.table([{ a: 1 }]);
  methods.trace("here %d", 1);
  methods.time("t");
  methods.timeEnd("t");
  assert.match(lines[0][1], /│ 0 {7}│ 1 │/);
  assert.match(lines[1][1], /^Trace: here 1\n {4}at .*console\.test\.mjs/);
  assert.match(lines[2][1], /^t: /);
});

test("a text that is too long to look at is cut", () => {
  const { lines, methods } = recorded();
  methods.log("x".repeat(2 ** 20 + 5));
  assert.equal(lines[0][1], `${"x".repeat(2 ** 20)}... (5 more characters)`);
});

test("stacks in a printed value are without our frames", () => {
  assert.ok(!consoleText(["failed:", new Error("x")]).includes("node:internal"));
});

test("what is written to the standard streams leaves in lines, each writer's apart", async () => {
  const lines = [];
  const { stdout, stderr } = process;
  const own = { ...console };
  try {
    captureConsole((level, text) => lines.push([level, text]));
    const [first, second] = [new Owner("A/1"), new Owner("B/2")];
    await first.run(async () => process.stdout.write("of the "), "test");
    await second.run(async () => process.stdout.write("another\nand "), "test");
    await first.run(async () => process.stdout.write("first\n"), "test");
    process.stderr.write(Buffer.from("grü\n").subarray(0, 3));
    process.stderr.write(Buffer.from("grü\n").subarray(3));
    console.info("console too");
    process.stdout.write("x".repeat(70_000));
    await new Promise((resolve) => process.stdout.write("\n", resolve));
  } finally {
    Object.defineProperty(process, "stdout", { value: stdout });
    Object.defineProperty(process, "stderr", { value: stderr });
    Object.assign(console, own);
  }
  assert.deepEqual(lines, [
    ["log", "another"],
    ["log", "of the first"],
    ["error", "grü"],
    ["info", "console too"],
    ["log", "x".repeat(70_000)],
    ["log", ""],
  ]);
});
