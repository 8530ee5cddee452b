import assert from "node:assert/strict";
import { test } from "node:test";
import { fileURLToPath } from "node:url";
import { UserCodeError } from "../../../emulator/hosts/node/errors.mjs";
import { errorObject, markOrigin, originOf, readableStack, whereOf } from "../../../emulator/hosts/node/faults.mjs";
import { Link } from "../../../emulator/hosts/node/wire/link.mjs";
import { anyPlace, userPlace, withoutMachinery } from "../../../emulator/hosts/node/stacks.mjs";

const HERE = fileURLToPath(import.meta.url);
const OURS = new URL("../../../emulator/hosts/node/", import.meta.url);

function thrown(callback) {
  try {
    callback();
  } catch (error) {
    return error;
  }
  throw new Error("nothing was thrown");
}

test("an error says its name, message, place, properties and stack", () => {
  const error = Object.assign(new RangeError("too far"), { retryable: true, code: "FAR", detail: { not: "plain" } });
  const line = Number(/:(\d+):\d+\)?$/.exec(error.stack.split("\n")[1])[1]);
  const told = errorObject(error);
  assert.deepEqual([told.name, told.message, told.where], ["RangeError", "too far", `${HERE}:${line}`]);
  assert.deepEqual(told.props, { retryable: true, code: "FAR" });
  assert.equal("code" in told, false);
  assert.match(told.stack, /^RangeError: too far\n {4}at /);
});

test("frames of ours and of the platform are left out, the user's stay", () => {
  const error = thrown(() => new Link({}).send(1, 0, new Uint8Array(64 * 1024 * 1024 + 1)));
  assert.ok(error.stack.includes(fileURLToPath(OURS)) || error.stack.includes(OURS.href));
  const stack = readableStack(error);
  assert.ok(!stack.includes("/emulator/hosts/node/") && !stack.includes("node:internal"), stack);
  assert.ok(stack.includes("faults.test.mjs"), stack);
});

test("places: the innermost frame of the project, else of a library", () => {
  const stack = [
    "TypeError: x",
    `    at send (${OURS.href}wire/link.mjs:1:2)`,
    "    at new Promise (<anonymous>)",
    "    at node:internal/process/task_queues:105:5",
    "    at lib (file:///p/node_modules/agents/dist/index.js:10:2)",
    "    at async Chat.onMessage (/p/src/a (b) c.ts:3:4)",
    "    at file:///p/src/server%20two.ts:7:8",
    "    at /p/src/last.ts:9:1",
  ];
  assert.equal(userPlace(stack.join("\n")), "/p/src/server two.ts:7");
  assert.equal(anyPlace(stack.join("\n")), "/p/node_modules/agents/dist/index.js:10");
  assert.equal(userPlace(stack.slice(0, 5).join("\n")), null);
  assert.equal(userPlace(stack[7]), "/p/src/last.ts:9");
  assert.equal(userPlace("file:///p/src/bad.js:12\nconst = 1;\n      ^\nSyntaxError: Unexpected token"), "/p/src/bad.js:12");
  assert.equal(userPlace("Error: see http://host:80/\nat lunch:12:3"), null);
});

test("a text around a stack survives when its last frames are taken out", () => {
  const text = "[Error: a\n    at f (/p/a.ts:1:2)\n    at async g (node:internal/x:1:2) {\n  code: 1\n}, 2]";
  assert.equal(withoutMachinery(text), "[Error: a\n    at f (/p/a.ts:1:2) {\n  code: 1\n}, 2]");
  const plain = "no frames, {\n    at all";
  assert.equal(withoutMachinery(plain), plain);
});

test("causes and gathered errors follow, each once", () => {
  const root = new TypeError("root");
  const error = new AggregateError([new Error("one"), "two"], "both", { cause: new Error("middle", { cause: root }) });
  root.cause = error;
  const stack = readableStack(error);
  const heads = stack.split("\n").filter((line) => !line.trimStart().startsWith("at "));
  assert.deepEqual(heads, [
    "AggregateError: both",
    "  [cause]: Error: middle",
    "    [cause]: TypeError: root",
    "  [errors 0]: Error: one",
    "  [errors 1]: two",
  ]);
});

test("anything can be thrown", () => {
  assert.deepEqual(errorObject("text"), { name: "Error", message: "text", props: {} });
  assert.deepEqual(errorObject(undefined), { name: "Error", message: "undefined", props: {} });
  assert.deepEqual(errorObject({ a: 1 }), { name: "Error", message: "{ a: 1 }", props: {} });
  const hostile = new Proxy(new Error("x"), {
    get() {
      throw new Error("no");
    },
    ownKeys() {
      throw new Error("no");
    },
  });
  assert.equal(errorObject(hostile).name, "Error");
  assert.equal(errorObject(new DOMException("gone", "AbortError")).name, "AbortError");
  const odd = Object.assign(new Error("x"), { name: 7, stack: undefined });
  assert.equal(errorObject(odd).name, "Error");
  assert.equal(whereOf(odd), null);
});

test("our own errors say code, place and hint; their cause is the user's", () => {
  const error = new UserCodeError("E424", "does not load", { where: "src/a.ts:3", hint: "correct it", cause: new SyntaxError("odd") });
  const told = errorObject(error);
  assert.deepEqual(
    [told.name, told.code, told.message, told.where, told.hint],
    ["UserCodeError", "E424", "does not load", "src/a.ts:3", "correct it"],
  );
  assert.match(told.stack, /^SyntaxError: odd/);
  assert.equal(errorObject(new UserCodeError("E421", "gone")).stack, undefined);
});

test("a caller's copy tells where the error began, over several objects", () => {
  const first = Object.assign(new Error("deep"), { code: "DEEP" });
  const whose = { class: "Store", id: "ab", name: "main" };
  const second = Object.assign(new Error("deep"), { remote: true });
  markOrigin(second, first, whose, true);
  const third = Object.assign(new Error("deep"), { remote: true, retryable: true });
  markOrigin(third, second, { class: "Front", id: "cd", name: null }, false);
  const told = errorObject(third);
  assert.deepEqual([told.object, told.shown, told.props], [whose, true, { code: "DEEP", remote: true, retryable: true }]);
  assert.equal(told.where, whereOf(first));
  assert.equal(originOf(third).error, first);
  assert.equal(originOf(new Error("own", { cause: third })), null);
  assert.equal(originOf("text"), null);
});
