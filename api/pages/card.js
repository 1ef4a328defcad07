// One card: picture, place, category, title, reason, and what one can do with it.

import { drawArt } from "./art.js";
import { el } from "./dom.js";
import { icon } from "./icons.js";
import { writeTitle } from "./titles.js";
import { becauseDid, plainReason } from "./words.js";

const actions = [["view", "View"], ["like", "Like"], ["dislike", "Dislike"], ["purchase", "Buy"]];

const titleOf = (item) => item.title || item.item_id;

function actionRow(item) {
  const buttons = actions.map(([type, label]) => el(
    "button",
    { type: "button", class: "act", "data-type": type, "aria-label": `${label} ${titleOf(item)}` },
    icon(type), el("span", {}, label),
  ));
  return el("div", { class: "acts" }, ...buttons);
}

/** Five buttons and one tab stop: the arrow keys go along them, the figures 1–5 rate at once. */
function starRow(item) {
  const row = el("div", { class: "stars", role: "toolbar", "aria-label": `Rate ${titleOf(item)}` },
    el("span", { class: "stars-label", "aria-hidden": "true" }, "Rate"));
  for (let value = 1; value <= 5; value += 1) {
    row.append(el("button", {
      type: "button", class: "star", "data-type": "rating", "data-value": value,
      tabindex: value === 1 ? 0 : -1,
      "aria-label": `Rate ${titleOf(item)} ${value} of 5`,
    }, icon("rating")));
  }
  row.addEventListener("keydown", alongTheStars);
  return row;
}

function alongTheStars(event) {
  const stars = [...event.currentTarget.querySelectorAll(".star")];
  const here = stars.indexOf(document.activeElement);
  const steps = { ArrowRight: here + 1, ArrowUp: here + 1, ArrowLeft: here - 1, ArrowDown: here - 1, Home: 0, End: 4 };
  if (event.key in steps) {
    event.preventDefault();
    const target = stars[Math.min(4, Math.max(0, steps[event.key]))];
    for (const star of stars) star.tabIndex = star === target ? 0 : -1;
    target.focus();
  } else if (/^[1-5]$/.test(event.key) && !event.repeat && !event.ctrlKey && !event.metaKey && !event.altKey) {
    event.preventDefault();
    stars[Number(event.key) - 1].click();
  }
}

function details(item) {
  const year = item.attributes?.release_year ?? item.attributes?.year;
  const price = typeof item.price === "number"
    ? item.price.toLocaleString("en", { minimumFractionDigits: 2, maximumFractionDigits: 2 }) : null;
  return [year, price].filter((part) => part != null && part !== "").join(" · ");
}

export function makeCard(item) {
  const categories = item.categories ?? [];
  const headingId = `title-${crypto.getRandomValues(new Uint32Array(1))[0]}`;
  const title = el("h3", { class: "card-title", id: headingId }, titleOf(item));
  const article = el(
    "article", { class: "card", tabindex: "-1", "aria-labelledby": headingId },
    el("div", { class: "art" }, drawArt(item.item_id, categories[0]), el("span", { class: "stamp" })),
    el("div", { class: "card-text" },
      el("p", { class: "card-line" },
        el("span", { class: "place" }),
        el("span", { class: "category" }, categories.slice(0, 2).join(", ") || "Uncategorised"),
        el("span", { class: "mark" })),
      title,
      el("p", { class: "details" }, details(item)),
      el("p", { class: "why" })),
    el("div", { class: "controls" }, starRow(item), actionRow(item)),
  );
  const li = el("li", { class: "cell", "data-item": item.item_id }, article);
  li.item = item;
  return li;
}

/** "Because you liked A and B", one verb for neighbours that share it. */
function because(node, ids, history) {
  let verb = "";
  node.append("Because you ");
  ids.forEach((itemId, i) => {
    const next = becauseDid(history.get(itemId) ?? "view");
    if (i > 0) node.append(i === ids.length - 1 ? " and " : ", ");
    if (next !== verb) node.append(`${next} `);
    verb = next;
    const name = el("cite");
    writeTitle(name, itemId);
    node.append(name);
  });
}

export function writeReason(li, item, history) {
  const why = li.querySelector(".why");
  why.replaceChildren();
  const causes = (item.because ?? []).slice(0, 2);
  if (causes.length > 0) because(why, causes, history);
  else why.append(plainReason(item.reason));
}

export function writePlace(li, place, mark) {
  li.querySelector(".place").textContent = place;
  const node = li.querySelector(".mark");
  node.replaceChildren();
  node.className = "mark";
  if (mark === "new") {
    node.classList.add("mark-new");
    node.append("New");
  } else if (mark > 0 || mark < 0) {
    node.append(el("span", { "aria-hidden": "true" }, `${mark > 0 ? "↑" : "↓"} ${Math.abs(mark)}`),
      el("span", { class: "visually-hidden" }, `${mark > 0 ? "up" : "down"} ${Math.abs(mark)}`));
  }
}

export function press(li, text) {
  li.classList.add("pressed");
  li.querySelector(".stamp").textContent = text;
}

export function release(li) {
  li.classList.remove("pressed");
  li.querySelector(".stamp").textContent = "";
}
