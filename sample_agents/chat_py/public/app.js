// The page: the transcript on screen, and what the person can do.
import { Conversation } from "./conversation.js";

const element = (id) => document.getElementById(id);
const log = element("log");
const text = element("text");

// One conversation per name in the address: /#kitchen talks to another object than /.
const conversation = new Conversation(location, decodeURIComponent(location.hash.slice(1)) || "main", render);
addEventListener("hashchange", () => location.reload());

function render({ connection, messages, answering, error }) {
  element("connection").dataset.state = connection;
  element("connection").textContent = { open: "connected", connecting: "connecting", waiting: "reconnecting" }[connection];
  element("send").hidden = answering;
  element("send").disabled = connection !== "open";
  element("stop").hidden = !answering;

  const followed = log.scrollHeight - log.scrollTop - log.clientHeight < 80;
  const rows = messages.map((message, index) => {
    const row = log.children[index] ?? log.appendChild(document.createElement("div"));
    const said = message.parts.map((part) => (part.type === "text" ? part.text : "")).join("");
    if (row.textContent !== said) row.textContent = said;
    row.className = `message ${message.role}`;
    return row;
  });
  while (log.children.length > rows.length) log.lastChild.remove();
  if (answering) rows.at(-1)?.classList.add("streaming");
  if (error) log.append(Object.assign(document.createElement("div"), { className: "message error", textContent: error }));
  if (followed) log.scrollTop = log.scrollHeight;
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
