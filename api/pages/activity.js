// "Right now": what others are doing, asked for about once a second while the tab is seen.

import * as api from "./api.js";
import { drawAvatar } from "./art.js";
import { animate, byId, el } from "./dom.js";
import { ago, didWhat, nameOf, stars, toDate } from "./words.js";

const ROWS = 7;
const EVERY_MS = 1000;

let after = 0;
let paused = false;
let started = false;

function row(entry) {
  const date = toDate(entry.timestamp);
  const rated = entry.type === "rating" && entry.value >= 1
    ? [" ", el("span", { class: "row-stars", role: "img", "aria-label": `${entry.value} of 5` },
      stars(Math.min(5, Math.round(entry.value))))] : [];
  const when = el("time", { class: "row-time" }, ago(date));
  when.date = date;
  return el("li", { class: "row", "data-seq": entry.seq, "data-user": entry.user_id },
    el("span", { class: "row-avatar", "aria-hidden": "true" }, drawAvatar(entry.user_id)),
    el("span", { class: "row-text" },
      el("b", {}), ` ${didWhat(entry.type)} `,
      el("cite", {}, entry.title || entry.item_id), ...rated),
    when);
}

/** Time goes on, and "you" may have become somebody else. */
function refresh(li, self) {
  const { user } = li.dataset;
  const time = li.querySelector("time");
  time.textContent = ago(time.date);
  li.classList.toggle("row-self", user === self);
  li.querySelector("b").textContent = user === self ? "You" : nameOf(user);
}

function add(entries, self) {
  const list = byId("activity");
  for (const entry of entries.slice(-ROWS)) {
    const li = row(entry);
    list.prepend(li);
    if (started) {
      animate(li, [{ opacity: 0, transform: "translateY(-8px)" }, { opacity: 1, transform: "none" }],
        { duration: 360, easing: "ease-out" });
    }
  }
  while (list.children.length > ROWS) list.lastElementChild.remove();
  byId("activity-note").hidden = list.children.length > 0;
  for (const li of list.children) refresh(li, self);
}

async function poll(self, onLost) {
  if (paused || document.hidden) return;
  try {
    const answer = await api.activity(after);
    if (answer.next < after) after = 0; // the server began again: so do we
    else {
      add(answer.activity, self());
      after = answer.next;
      started = true;
    }
  } catch (error) {
    onLost(error);
  }
}

/** `self` tells who is shopping; `onLost` hears of failures and decides what to say. */
export function watchActivity(self, onLost, reachable) {
  const button = byId("activity-pause");
  button.addEventListener("click", () => {
    paused = !paused;
    button.setAttribute("aria-pressed", String(paused));
    button.closest(".panel").classList.toggle("is-paused", paused);
  });
  const tick = async () => {
    if (reachable()) await poll(self, onLost);
    setTimeout(tick, EVERY_MS);
  };
  tick();
}
