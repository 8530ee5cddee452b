/** `Headers`. */

import { byName, outcome, tried } from "./telling.mjs";

const NOT_HEADERS = { text: "abc", number: 5, null: null, "short pair": [["a"]], "long pair": [["a", "b", "c"]] };

export function headers({ request }) {
  return {
    "what is none": () => byName(Object.keys(NOT_HEADERS), (name) => new Headers(NOT_HEADERS[name])),
    "of other kinds": () => [
      [...new Headers(new Map([["a", "1"]]))],
      [...new Headers(new Headers({ X: "1" }))],
      [...new Headers({ a: 1, b: null, c: undefined })],
      [...new Headers(undefined)],
    ],
    "names that are none": () => byName(["a b", "a:b", "a\nb"], (name) => new Headers({ [name]: "x" })),
    "values that are none": () => byName(["a\nb", "a\rb", "a\0b"], (value) => new Headers({ a: value })),
    "a symbol as value": () => new Headers().set("a", Symbol("x")),
    "values beyond ASCII": () => new Headers({ a: "é☃" }).get("a"),
    "space around values": () => [...new Headers({ a: "  x \t", B: "" })],
    "order and case": () => [
      ...new Headers([
        ["B", "1"],
        ["a", "2"],
        ["b", "3"],
        ["Set-Cookie", "x=1"],
        ["set-cookie", "y=2"],
      ]),
    ],
    cookies: () => {
      const cookies = new Headers([
        ["Set-Cookie", "x=1"],
        ["set-cookie", "y=2"],
      ]);
      return [cookies.getAll("set-cookie"), cookies.getSetCookie(), cookies.get("SET-COOKIE"), new Headers().getSetCookie()];
    },
    "getAll of another name": () => new Headers().getAll("x"),
    "a bad name asked for": () => byName(["get", "has", "delete"], (method) => new Headers()[method]("a b")),
    "too few arguments": () => byName(["append", "set"], (method) => new Headers()[method]("a")),
    "delete and set": () => {
      const changed = new Headers([
        ["a", "1"],
        ["A", "2"],
        ["b", "3"],
      ]);
      changed.delete("A");
      changed.set("B", "4");
      changed.append("B", "5");
      return [...changed];
    },
    "those of a request that came in": () => ({
      set: tried(() => request.headers.set("a", "b")),
      append: tried(() => request.headers.append("a", "b")),
      delete: tried(() => request.headers.delete("a")),
      "of a copy": tried(() => {
        const copy = new Request(request);
        copy.headers.set("x-mine", "1");
        return [copy.headers.get("x-mine"), request.headers.get("x-mine")];
      }),
    }),
    "changed while iterated": () => {
      const changing = new Headers({ a: "1", b: "2" });
      const seen = [];
      for (const [name] of changing) {
        seen.push(name);
        changing.set("c", "3");
        changing.delete("b");
      }
      return seen;
    },
    iterators: () => {
      const two = new Headers({ b: "2", a: "1" });
      const steps = two.entries();
      const step = () => {
        const { done, value } = steps.next();
        return [done, value];
      };
      return [[...two.keys()], [...two.values()], steps[Symbol.iterator]() === steps, step(), step(), step()];
    },
    forEach: async () => {
      const seen = [];
      new Headers({ a: "1" }).forEach(function (value, name, all) {
        seen.push(value, name, all.get("a"), this);
      }, "this");
      return [seen, await outcome(() => new Headers().forEach(5))];
    },
    shape: () => [
      Object.prototype.toString.call(new Headers()),
      JSON.stringify(new Headers({ a: "1" })),
      Object.keys(new Headers({ a: "1" })),
    ],
  };
}
