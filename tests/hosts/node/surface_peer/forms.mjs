/** `FormData` and forms as bodies. */

import { byName, outcome, tried } from "./telling.mjs";

const part = (head, content) => `--X\r\n${head}\r\n\r\n${content}\r\n`;
const BODIES = {
  "one part": `${part('Content-Disposition: form-data; name="a"', "1")}--X--`,
  "no end": '--X\r\nContent-Disposition: form-data; name="a"\r\n\r\n1',
  "no name": `${part("Content-Disposition: form-data", "1")}--X--`,
  "a name without quotes": `${part("Content-Disposition: form-data; name=a", "1")}--X--`,
  "no parts": "--X--",
  "escapes in names": `${part('Content-Disposition: form-data; name="a%22b"; filename="f%0An"', "1")}--X--`,
  "lines without carriage returns": '--X\nContent-Disposition: form-data; name="a"\n\n1\n--X--',
  "a start of another kind": "pre",
  empty: "",
};

const entries = (form) =>
  [...form].map(([name, value]) => [name, typeof value === "string" ? value : [value.name, value.type, value.size]]);

export function forms() {
  return {
    "as bytes and back": async () => {
      const form = new FormData();
      form.append("a", "1");
      form.append("b", new File(["x"], "n.txt", { type: "text/plain" }));
      form.append("c", new Blob(["y"]));
      const response = new Response(form);
      const boundary = response.headers.get("content-type").split("=")[1];
      const text = await response.clone().text();
      return [text.replaceAll(boundary, "B"), entries(await response.formData())];
    },
    "names that need quoting": async () => {
      const form = new FormData();
      form.append('a"b\n', new File(["x"], 'q".txt'));
      const response = new Response(form);
      return (await response.text()).replaceAll(response.headers.get("content-type").split("=")[1], "B");
    },
    "multipart bodies": () =>
      byName(Object.keys(BODIES), async (name) =>
        entries(await new Response(BODIES[name], { headers: { "content-type": "multipart/form-data; boundary=X" } }).formData()),
      ),
    "types that are no forms": () =>
      byName(["text/plain", "multipart/form-data"], (type) => new Response("x", { headers: { "content-type": type } }).formData()),
    "URL-encoded bodies": async () => [
      entries(await new Response("a=1&b=%20x&c", { headers: { "content-type": "application/x-www-form-urlencoded" } }).formData()),
      await outcome(() => new Response("a=1", { headers: { "content-type": "application/x-www-form-urlencoded;charset=x" } }).formData()),
    ],
    "what a form knows": () => {
      const form = new FormData();
      form.append("a", "1");
      form.append("a", 2);
      form.append("b", "3");
      form.set("a", "4");
      form.append("c", "5");
      form.delete("c");
      return [
        entries(form),
        form.get("a"),
        form.getAll("a"),
        form.get("z"),
        form.getAll("z"),
        form.has("b"),
        [...form.keys()],
        [...form.values()],
      ];
    },
    "names of files": () => {
      const form = new FormData();
      form.append("a", new Blob(["x"]));
      form.append("b", new Blob(["x"]), "n.txt");
      return [form.get("a").name, form.get("b").name];
    },
    "too few arguments": () => tried(() => new FormData().append("a")),
  };
}
