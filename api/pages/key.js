// The API key, where the server asks for one. It stays in this tab.

import { byId } from "./dom.js";

const NAME = "freshet-key";

let asking = null;

export function header() {
  const known = sessionStorage.getItem(NAME);
  return known ? { Authorization: `Bearer ${known}` } : {};
}

/** Ask the person; all who wait for a key share one question. */
export function ask() {
  asking ??= new Promise((answered) => {
    const dialog = byId("key-dialog");
    byId("key-wrong").hidden = !sessionStorage.getItem(NAME);
    byId("key-form").addEventListener("submit", () => {
      sessionStorage.setItem(NAME, byId("key-text").value.trim());
      byId("key-text").value = "";
      asking = null;
      answered();
    }, { once: true });
    dialog.addEventListener("cancel", (event) => event.preventDefault());
    dialog.showModal();
  });
  return asking;
}
