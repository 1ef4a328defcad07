// The quiet parts around the list: the trail, the facts in the footer, the empty catalogue.

import { drawArt } from "./art.js";
import { byId, el } from "./dom.js";
import { icon } from "./icons.js";
import { learnTitle, writeTitle } from "./titles.js";
import { capital, didWhat, stars } from "./words.js";

const TRAIL = 6;

const glyphs = { view: "view", click: "view", like: "like", dislike: "dislike", purchase: "purchase", add_to_cart: "purchase", rating: "rating" };

function step(entry) {
  const name = el("cite");
  learnTitle(entry.item_id, entry.title);
  writeTitle(name, entry.item_id);
  const value = entry.type === "rating" && entry.value
    ? [" ", el("span", { class: "row-stars", role: "img", "aria-label": `${entry.value} of 5` }, stars(Math.round(entry.value)))] : [];
  return el("li", { class: "step" },
    el("span", { class: "step-icon" }, icon(glyphs[entry.type] ?? "view")),
    el("span", {}, `${capital(didWhat(entry.type))} `, name, ...value));
}

export function drawTrail(history) {
  byId("trail").replaceChildren(...history.slice(0, TRAIL).map(step));
  byId("trail-note").hidden = history.length > 0;
}

const fact = (term, value, warn = false) =>
  el("div", { class: warn ? "fact fact-warn" : "fact" }, el("dt", {}, term), el("dd", {}, value));

export function drawFacts(info, answer) {
  const facts = [];
  if (answer) {
    const age = answer.age_ms < 1000 ? `${Math.round(answer.age_ms)} ms` : `${(answer.age_ms / 1000).toFixed(1)} s`;
    facts.push(fact("Served by", answer.degraded ? `${answer.served_by}, degraded` : answer.served_by, answer.degraded),
      fact("Model", `${answer.model_version}, ${age} old`));
  }
  facts.push(fact("Mode", info.mode), fact("Demo", info.demo), fact("Namespace", info.namespace),
    fact("Catalogue", `${info.items.toLocaleString("en")} items`), fact("Freshet", info.version));
  byId("facts").replaceChildren(...facts);
  byId("credit").textContent = {
    films: "Films and ratings: MovieLens 100K, GroupLens Research. The pictures are drawn here, from each film’s id.",
    shop: "The shop and its shoppers are generated. So are the pictures, from each product’s id.",
  }[info.demo] ?? "";
}

export function drawEmpty(origin) {
  byId("curl-items").textContent = `curl -X PUT ${origin}/v1/items \\
  -H 'Content-Type: application/json' \\
  -d '{"items": [
    {"item_id": "tea-1", "title": "Sencha", "categories": ["Green tea"]},
    {"item_id": "tea-2", "title": "Assam", "categories": ["Black tea"]}]}'`;
  byId("curl-event").textContent = `curl -X POST ${origin}/v1/events \\
  -H 'Content-Type: application/json' \\
  -d '{"type": "like", "user_id": "ada", "item_id": "tea-1"}'`;
}

export function listenToCopy() {
  for (const button of document.querySelectorAll("[data-copy]")) {
    button.hidden = !navigator.clipboard; // missing on plain http outside localhost
    button.addEventListener("click", async () => {
      await navigator.clipboard.writeText(byId(button.dataset.copy).textContent);
      button.firstChild.data = "Copied";
      setTimeout(() => { button.firstChild.data = "Copy"; }, 1600);
    });
  }
}
