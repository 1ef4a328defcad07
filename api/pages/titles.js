// The names of items that are spoken of but not on show, each asked for once.

import * as api from "./api.js";

const known = new Map();
const asked = new Map();

export function learnTitle(itemId, title) {
  if (title) known.set(itemId, title);
}

function ask(itemId) {
  if (!asked.has(itemId)) {
    const answer = api.item(itemId).then((item) => learnTitle(itemId, item.title), () => asked.delete(itemId));
    asked.set(itemId, answer);
  }
  return asked.get(itemId);
}

/** Writes the title into the node: at once when it is known, else the id until the title comes. */
export function writeTitle(node, itemId) {
  node.textContent = known.get(itemId) ?? itemId;
  if (known.has(itemId)) return;
  ask(itemId).then(() => { node.textContent = known.get(itemId) ?? itemId; });
}
