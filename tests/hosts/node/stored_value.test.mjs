/** Values are stored byte for byte as the real runtime stores them (observed in files of workerd 1.20261117). */
import assert from "node:assert/strict";
import { test } from "node:test";
import { decode, encode } from "../../../emulator/hosts/node/storage/stored_value.mjs";

const RICH = { richErrors: true };
const PLAIN = { richErrors: false };
const hex = (value, flags = RICH) => Buffer.from(encode(value, flags)).toString("hex");
const again = (value, flags = RICH) => decode(encode(value, flags));
const error = (Class, message, more = {}) => Object.assign(new Class(message), { stack: "s", ...more });

test("plain values", () => {
  assert.equal(hex(5), "ff0f490a");
  assert.equal(hex("x"), "ff0f220178");
  assert.equal(hex(undefined), "ff0f5f");
  assert.equal(hex({ a: undefined }), "ff0f6f2201615f7b01");
  assert.equal(hex("größer 😀"), "ff0f631267007200f600df006500720020003dd800de");
  assert.equal(hex(new Uint8Array([1, 2, 3, 4]).subarray(1, 3)), "ff0f4204010203045642010200");
});

test("errors with all their properties", () => {
  assert.equal(hex(error(Error, "m")), "ff0f5c0a0122016d6f2205737461636b2201737b01");
  assert.equal(hex(error(TypeError, "m")), "ff0f5c0a0222016d6f2205737461636b2201737b01");
  assert.equal(hex(error(URIError, "m")), "ff0f5c0a0b22016d6f2205737461636b2201737b01");
  assert.equal(hex(error(TypeError, "m", { name: "RangeError" })), "ff0f5c0a0322016d6f2205737461636b2201737b01");
  assert.equal(hex(error(Error, "größer")), "ff0f5c0a0122066772f6df65726f2205737461636b2201737b01");
  assert.equal(hex(error(Error, "m", { name: "CompileError" })), "ff0f5c0a00220c436f6d70696c654572726f7222016d6f2205737461636b2201737b01");
  assert.equal(hex(error(Error)), "ff0f5c0a0122006f2205737461636b2201737b01");
  const aggregate = Object.assign(new AggregateError([], "agg"), { stack: "s" });
  assert.equal(hex(aggregate), "ff0f5c0a0c22036167676f2205737461636b22017322066572726f727341002400007b02");
  assert.equal(hex(error(Error, "m", { remote: true })), "ff0f5c0a0122016d6f2205737461636b220173220672656d6f7465547b02");
});

test("errors inside of other things, the same one several times", () => {
  const inner = Object.assign(new Error("text"), { stack: "STACK" });
  const outer = Object.assign(new TypeError("tt"), { code: 5, big: { a: inner }, name: "Mine", stack: "S2" });
  assert.equal(
    hex(outer),
    "ff0f5c0a0022044d696e65220274746f2205737461636b220253322204636f6465490a22036269676f2201615c0a012204746578746f2205737461636b" +
      "2205535441434b7b017b017b03",
  );
  assert.equal(hex({ a: [error(Error, "in")] }), "ff0f6f22016141015c0a012202696e6f2205737461636b2201737b012400017b01");
  assert.equal(hex(new Map([[inner, 1]])), "ff0f3b5c0a012204746578746f2205737461636b2205535441434b7b0149023a02");
  const shared = {};
  assert.equal(hex([inner, inner, shared, shared]), "ff0f41045c0a012204746578746f2205737461636b2205535441434b7b015e016f7b005e03240004");
});

test("what is next to an error keeps its kind, its holes and its identity", () => {
  const shared = { bytes: new Uint8Array([1, 2]) };
  const list = Object.assign([1, shared, shared], { extra: new Date(5) });
  list[5] = error(RangeError, "m");
  const value = { list, map: new Map([["k", new Set([list])]]), pattern: /a/g, big: 5n, "__proto__ ": 1 };
  value.self = value;
  const found = again(value);
  assert.equal(found.self, found);
  assert.equal(found.list[1], found.list[2]);
  assert.ok([...found.map.get("k")][0] === found.list);
  assert.deepEqual(
    [found.list.length, 3 in found.list, found.list.extra, found.list[1].bytes],
    [6, false, new Date(5), new Uint8Array([1, 2])],
  );
  assert.deepEqual([found.list[5].constructor, found.list[5].message, found.pattern, found.big], [RangeError, "m", /a/g, 5n]);
  const own = again({ e: error(Error, "m"), o: JSON.parse('{"__proto__": 5}') }).o;
  assert.deepEqual([Object.keys(own), Object.getPrototypeOf(own) === Object.prototype], [["__proto__"], true]);
});

test("before the flag V8 writes errors, without their properties", () => {
  const found = again(error(TypeError, "m", { code: 5, cause: { why: 1 } }), PLAIN);
  assert.deepEqual([found.constructor, found.message, found.stack, found.code], [TypeError, "m", "s", undefined]);
  assert.equal(hex(error(TypeError, "m", { name: "Mine", code: 5 }), PLAIN), "ff0f726d22016d732201732e");
  const why = error(Error, "m", {});
  Object.defineProperty(why, "cause", { value: { a: 1 } });
  assert.equal(hex(why, PLAIN), "ff0f726d22016d73220173636f22016149027b012e");
});

test("each reads what the other flag wrote", () => {
  const written = encode(error(Error, "m", { code: 5 }), PLAIN);
  assert.equal(decode(written).message, "m");
  assert.equal(again(error(Error, "m", { code: 5 })).code, 5);
});

test("DOMExceptions", () => {
  const exception = new DOMException("größer", "AbortError");
  const text = (value) => Buffer.concat([Buffer.from([Buffer.byteLength(value)]), Buffer.from(value)]).toString("hex");
  Object.defineProperty(exception, "stack", { value: "S" });
  assert.equal(hex(exception), `ff0f5c08${text("AbortError")}${text("größer")}${text("S")}`);
  const found = again([exception, exception]);
  assert.ok(found[0] instanceof DOMException && found[0] === found[1]);
  assert.deepEqual([found[0].name, found[0].message, found[0].code, found[0].stack], ["AbortError", "größer", 20, "S"]);
});

test("a stored object of the platform that cannot be read is named", () => {
  assert.throws(() => decode(Buffer.from("ff0f5c0403020001610131000162047a776569", "hex")), {
    name: "DataCloneError",
    message: "agents-emu cannot read a stored Headers.",
  });
});

test("user code's own proxies and getters are left to V8", () => {
  let asked = 0;
  const counting = {
    get once() {
      asked += 1;
      return 1;
    },
  };
  assert.deepEqual(again(counting), { once: 1 });
  assert.ok(asked <= 2);
  const trap = new Proxy(
    {},
    {
      ownKeys() {
        throw new Error("looked into");
      },
    },
  );
  assert.throws(() => encode({ trap }, RICH), { name: "DataCloneError", message: "#<Object> could not be cloned." });
});

test("long arrays with few items are no work", () => {
  const sparse = [];
  sparse[4_000_000_000] = error(Error, "far");
  assert.equal(again(sparse).at(-1).message, "far");
});
