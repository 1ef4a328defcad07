// The list of cards and its changes: those that stay travel to their new places, those that go
// fade where they stood, those that come are marked. Focus follows the place, not the item.

import { makeCard, release, writePlace, writeReason } from "./card.js";
import { animate, byId } from "./dom.js";
import { learnTitle } from "./titles.js";

const EASE = "cubic-bezier(.2, .75, .2, 1)";

const cells = () => [...byId("cards").children];

export const shownIds = () => cells().map((li) => li.dataset.item);

export const differs = (items) => {
  const now = shownIds();
  return now.length !== items.length || items.some((item, i) => item.item_id !== now[i]);
};

/** Draws `items`; returns how many came and how many moved. `fresh` marks nothing as new. */
export function show(items, history, fresh) {
  const before = new Map(cells().map((li, place) => [li.dataset.item, { li, place, box: li.getBoundingClientRect() }]));
  const focus = rememberFocus();
  const next = items.map((item) => before.get(item.item_id)?.li ?? makeCard(item));
  let [came, moved] = [0, 0];
  items.forEach((item, place) => {
    learnTitle(item.item_id, item.title);
    const old = before.get(item.item_id);
    const mark = fresh ? 0 : old ? old.place - place : "new";
    if (!old) came += 1;
    else if (old.place !== place) moved += 1;
    next[place].item = item;
    release(next[place]);
    writePlace(next[place], place + 1, mark);
    writeReason(next[place], item, history);
  });
  const kept = new Set(items.map((item) => item.item_id));
  const leaving = [...before.values()].filter(({ li }) => !kept.has(li.dataset.item));
  const stage = byId("ghosts").getBoundingClientRect();
  byId("cards").replaceChildren(...next);
  leaving.forEach(({ li, box }) => fadeAway(li, box, stage));
  next.forEach((li, place) => travel(li, before.get(li.dataset.item)?.box, place));
  restoreFocus(focus, next);
  return { came, moved };
}

function travel(li, from, place) {
  if (!from) {
    animate(li, [{ opacity: 0, transform: "translateY(14px) scale(.985)" }, { opacity: 1, transform: "none" }],
      { duration: 460, delay: 60 + place * 22, easing: EASE, fill: "backwards" });
    return;
  }
  const to = li.getBoundingClientRect();
  const [dx, dy] = [from.left - to.left, from.top - to.top];
  if (dx === 0 && dy === 0) return;
  animate(li, [{ transform: `translate(${dx}px, ${dy}px)` }, { transform: "none" }], { duration: 520, easing: EASE });
}

function fadeAway(li, box, stage) {
  const ghost = document.createElement("div");
  ghost.className = "ghost";
  ghost.inert = true;
  ghost.append(...li.childNodes);
  for (const node of ghost.querySelectorAll("[id]")) node.removeAttribute("id");
  Object.assign(ghost.style, {
    left: `${box.left - stage.left}px`, top: `${box.top - stage.top}px`,
    width: `${box.width}px`, height: `${box.height}px`,
  });
  byId("ghosts").append(ghost);
  animate(ghost, [{ opacity: 1, transform: "none" }, { opacity: 0, transform: "scale(.94)" }],
    { duration: 300, easing: "ease-in", fill: "forwards" }).then(() => ghost.remove());
}

function rememberFocus() {
  const node = document.activeElement;
  const cell = node?.closest?.(".cell");
  return cell ? { node, cell, place: cells().indexOf(cell) } : null;
}

/** The card that took the place gets the focus, not its button: a held key must not act twice. */
function restoreFocus(focus, next) {
  if (!focus || next.length === 0) return;
  if (next.includes(focus.cell)) focus.node.focus({ preventScroll: true });
  else next[Math.min(focus.place, next.length - 1)].querySelector(".card").focus({ preventScroll: true });
}
