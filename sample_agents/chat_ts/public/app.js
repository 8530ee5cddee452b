// The page: the transcript, the tool calls in it, the desk, and what the person can do.
import { Conversation } from "./conversation.js";
import { tools } from "./tools.js";

const element = (id) => document.getElementById(id);
const log = element("log");
const text = element("text");

// One conversation per name in the address: /#kitchen talks to another object than /.
const name = decodeURIComponent(location.hash.slice(1)) || "main";
const conversation = new Conversation(location, name, tools, render);
addEventListener("hashchange", () => location.reload());

function render({ connection, messages, desk, answering, error }) {
  element("connection").dataset.state = connection;
  element("connection").textContent = { open: "connected", connecting: "connecting", waiting: "reconnecting" }[connection];
  element("send").hidden = answering;
  element("send").disabled = connection !== "open";
  element("stop").hidden = !answering;
  if (desk) show(element("desk"), JSON.stringify(desk), () => deskItems(desk));

  const followed = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const rows = messages.map((message, index) => {
    const row = log.children[index] ?? log.appendChild(document.createElement("div"));
    show(row, JSON.stringify(message.parts), () => message.parts.flatMap(pieces));
    row.className = `message ${message.role}`;
    return row;
  });
  while (log.children.length > rows.length) log.lastChild.remove();
  if (answering) rows.at(-1)?.classList.add("streaming");
  if (error) log.append(make("div", "message error", error));
  if (followed) log.scrollTop = log.scrollHeight;
}

// Renders an element's children again when what they show has changed.
const shown = new WeakMap();
function show(parent, content, children) {
  if (shown.get(parent) === content) return;
  shown.set(parent, content);
  parent.replaceChildren(...children());
}

function make(tag, className, textContent = "") {
  return Object.assign(document.createElement(tag), { className, textContent });
}

function pieces(part) {
  if (part.type === "text") return [document.createTextNode(part.text)];
  return part.toolCallId ? [toolCall(part)] : [];
}

const STATES = {
  "input-streaming": "…",
  "input-available": "…",
  "approval-requested": "may it?",
  "approval-responded": "…",
  "output-available": "done",
  "output-error": "failed",
  "output-denied": "not allowed",
};

function toolCall({ type, toolCallId, state, input, output, errorText }) {
  const card = make("section", "tool");
  card.dataset.tool = type.replace(/^tool-/, "");
  card.dataset.state = state;
  card.append(make("b", "name", card.dataset.tool), make("span", "state", STATES[state] ?? state));
  if (input && Object.keys(input).length > 0) card.append(fields(input));
  if (output !== undefined) card.append(fields(output));
  if (errorText) card.append(make("p", "error", errorText));
  if (state === "approval-requested") {
    const [yes, no] = [make("button", "yes", "Allow"), make("button", "no", "Do not")];
    yes.addEventListener("click", () => conversation.decide(toolCallId, true));
    no.addEventListener("click", () => conversation.decide(toolCallId, false));
    card.append(yes, no);
  }
  return card;
}

function fields(value) {
  const list = make("dl", "fields");
  for (const [key, one] of Object.entries(value)) list.append(make("dt", "", key), make("dd", "", String(one)));
  return list;
}

function deskItems({ reminders, postcards }) {
  return [
    ...reminders.map(({ about, at, rung }) =>
      make("li", rung ? "reminder rung" : "reminder", `${about}, ${new Date(at).toLocaleTimeString([], { timeStyle: "short" })}`),
    ),
    ...postcards.map(({ to, text }) => make("li", "postcard", `to ${to}: ${text}`)),
  ];
}

element("composer").addEventListener("submit", (event) => {
  event.preventDefault();
  if (conversation.say(text.value.trim())) text.value = "";
});
text.addEventListener("keydown", (event) => {
  if (event.key === "Enter" && !event.shiftKey && !event.isComposing) {
    event.preventDefault();
    element("composer").requestSubmit();
  }
});
element("stop").addEventListener("click", () => conversation.stop());
element("clear").addEventListener("click", () => conversation.clear());
