/** The rules that both hosts share: gates, lives, ids. The vectors are `tests/vectors/core`, which tests/core plays on the Python side. */

import assert from "node:assert/strict";
import { readFileSync } from "node:fs";
import { test } from "node:test";
import { InputGate, MAX_DEPTH, TooDeep } from "../../../emulator/hosts/node/gates.mjs";
import { IdSpace, visibleName } from "../../../emulator/hosts/node/ids.mjs";
import { IDLE_MS, Lifecycle } from "../../../emulator/hosts/node/lifecycle.mjs";

const vectors = (name) => JSON.parse(readFileSync(new URL(`../../vectors/core/${name}.json`, import.meta.url), "utf8"));

for (const { name, steps } of vectors("gates").cases) {
  test(`gate: ${name}`, () => {
    const gate = new InputGate();
    const sections = { root: gate.root };
    let log = [];
    for (const step of steps) {
      const shown = JSON.stringify(step);
      if ("open" in step) {
        assert.equal(gate.isOpen, step.open, shown);
      } else if ("enter" in step) {
        const [word, parent] = step.enter;
        const { section, active } = gate.enter(sections[parent], () => log.push(`${word} begins`));
        sections[word] = section;
        assert.equal(active, step.active, shown);
      } else if ("pass" in step) {
        const [section, word] = step.pass;
        const passes = gate.passOrWait(sections[section], () => log.push(word));
        assert.equal(passes, step.now, shown);
      } else {
        for (const callback of gate.leave(sections[step.leave])) callback();
        assert.deepEqual(log, step.runs, shown);
        log = [];
      }
    }
  });
}

test("gate: code of an ended section opens its own inside the parent", () => {
  const gate = new InputGate();
  const ended = gate.enter(gate.root, () => {}).section;
  gate.leave(ended);
  assert.equal(gate.enter(ended, () => {}).section.parent, gate.root);
});

test("gate: 64 levels work and the next does not", () => {
  const gate = new InputGate();
  const sections = [gate.root];
  for (let level = 0; level < MAX_DEPTH; level += 1) sections.push(gate.enter(sections.at(-1), () => {}).section);
  assert.throws(() => gate.enter(sections.at(-1), () => {}), TooDeep);
  for (const section of sections.slice(1).reverse()) gate.leave(section);
  assert.ok(gate.isOpen);
});

for (const { name, idle_ms: idleMs, steps } of vectors("lifecycle").cases) {
  test(`life: ${name}`, () => {
    const life = new Lifecycle(idleMs);
    for (const { step, at, state, hibernatable, refused, deadline, generation } of steps) {
      if (refused !== undefined) {
        assert.throws(() => life.step(step, at), { message: refused });
        continue;
      }
      assert.equal(life.step(step, at, { hibernatable }), state, step);
      if (deadline !== undefined) assert.equal(life.nextDeadline(), deadline, step);
      if (generation !== undefined) assert.equal(life.generation, generation, step);
    }
  });
}

test("life: the real runtime waits ten seconds", () => {
  assert.equal(IDLE_MS, 10_000);
  assert.equal(new Lifecycle().idleMs, IDLE_MS);
});

const ids = vectors("ids");

test("ids: of names", () => {
  for (const { worker, class: className, name, times, id } of ids.named) {
    const space = new IdSpace(worker, className);
    assert.equal(space.idFromName(name.repeat(times)), id);
    assert.equal(space.check(id), id);
  }
});

test("ids: unique ones", () => {
  for (const { worker, class: className, random, id } of ids.unique) {
    assert.equal(new IdSpace(worker, className).uniqueId(Buffer.from(random, "hex")), id);
  }
  const chat = new IdSpace("app", "Chat");
  assert.notEqual(chat.uniqueId(), chat.uniqueId());
  assert.equal(chat.check(chat.uniqueId()).length, 64);
});

test("ids: given as strings", () => {
  const chat = new IdSpace("app", "Chat");
  for (const [given, canonical] of ids.checked) assert.equal(chat.check(given), canonical);
  for (const [given, message] of ids.refused) assert.throws(() => chat.check(given), { name: "TypeError", message });
});

test("ids: names that show", () => {
  for (const [part, times, visible] of ids.shown) {
    const name = part.repeat(times);
    assert.equal(visibleName(name), visible ? name : null);
  }
});
