// Who is shopping: the select, the dialog that makes a new one, and what this browser remembers.

import * as api from "./api.js";
import { drawAvatar } from "./art.js";
import { byId, el } from "./dom.js";
import { freshName, nameOf } from "./words.js";

const KEY = "freshet.shoppers";

let made = [];
let active = [];

function remembered() {
  try {
    const list = JSON.parse(localStorage.getItem(KEY) ?? "[]");
    return Array.isArray(list) ? list.filter((name) => typeof name === "string") : [];
  } catch { return []; }
}

function remember(userId) {
  made = [userId, ...made.filter((name) => name !== userId)].slice(0, 6);
  try { localStorage.setItem(KEY, JSON.stringify(made)); } catch { /* private mode: not remembered */ }
}

const option = (userId, label) => el("option", { value: userId }, label);

export function isKnown(userId) {
  return active.some((shopper) => shopper.user_id === userId);
}

export function drawChooser(current) {
  const own = made.includes(current) || isKnown(current) ? made : [current, ...made];
  const others = active.filter((shopper) => !own.includes(shopper.user_id));
  const groups = [];
  if (own.length > 0) groups.push(el("optgroup", { label: "Made here" }, ...own.map((name) => option(name, nameOf(name)))));
  if (others.length > 0) {
    groups.push(el("optgroup", { label: "Active lately" }, ...others.map(
      ({ user_id: name, events }) => option(name, `${nameOf(name)} · ${events.toLocaleString("en")} ${events === 1 ? "event" : "events"}`))));
  }
  byId("shopper").replaceChildren(...groups);
  byId("shopper").value = current;
  byId("avatar").replaceChildren(drawAvatar(current));
}

/** Asks who is active; leaves the select alone while somebody is in it. `current` is asked late. */
export async function refreshChooser(current) {
  active = (await api.shoppers()).shoppers;
  if (document.activeElement !== byId("shopper")) drawChooser(current());
}

/** Calls `choose(userId)` for whoever is chosen or made; returns who was shopping last. */
export function listenToChooser(choose) {
  made = remembered();
  const dialog = byId("dialog");
  const name = byId("shopper-name");
  byId("chooser").addEventListener("submit", (event) => event.preventDefault());
  byId("shopper").addEventListener("change", (event) => choose(event.target.value));
  byId("new-shopper").addEventListener("click", () => {
    name.value = freshName();
    dialog.showModal();
    name.select();
  });
  byId("dialog-cancel").addEventListener("click", () => dialog.close());
  byId("dialog-form").addEventListener("submit", (event) => {
    event.preventDefault();
    const chosen = name.value.trim();
    if (!chosen) return;
    dialog.close();
    remember(chosen);
    choose(chosen);
  });
  return made[0] ?? null;
}

export function newcomer() {
  const name = freshName();
  remember(name);
  return name;
}
