// "How well it foretells": the share of events that the list before them held, and its trend.

import * as api from "./api.js";
import { byId, svg } from "./dom.js";
import { ago, toDate } from "./words.js";

const EVERY_MS = 5000;
const WIDTH = 120;
const HEIGHT = 36;
// Below this many scored events a percentage would be a guess.
const ENOUGH = 20;

const signals = {
  hit_rate: "the hit rate", rating_error: "the error of ratings", ratings: "the ratings", event_types: "the types of events",
  categories: "the categories", popularity: "the popularity", scores: "the scores",
};
const effects = { better: "got better", worse: "got worse", changed: "changed", slight: "changed slightly" };

const percent = (share) => `${Math.round(share * 100)} %`;

/** A line through the trend; it has no axes, so the words beside it carry the numbers. */
function spark(trend) {
  const top = Math.max(...trend, 0.01);
  const points = trend.map((share, i) =>
    `${(i / (trend.length - 1) * WIDTH).toFixed(1)},${(HEIGHT - 2 - share / top * (HEIGHT - 4)).toFixed(1)}`);
  return svg("svg", {
    class: "spark", viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "none", role: "img",
    "aria-label": `From ${percent(trend[0])} to ${percent(trend.at(-1))} over the events scored`,
  }, svg("polyline", { points: points.join(" ") }));
}

function since(date) {
  const when = ago(date);
  return when === "now" ? "just now" : `${when}\u00a0ago`;
}

function draw(quality) {
  const newest = quality.windows["1000"];
  const known = newest.scored >= ENOUGH;
  byId("quality-value").textContent = known ? percent(newest["hr@20"]) : "–";
  byId("quality-note").textContent = known
    ? `of the last ${newest.scored.toLocaleString("en")} scored events were on their list of 20 beforehand.`
    : "Measured as soon as a few events have been scored against the list before them.";
  byId("quality-trend").replaceChildren(...(known && quality.trend.length > 1 ? [spark(quality.trend)] : []));
  const [drift] = quality.drifts;
  byId("quality-drift").hidden = !drift;
  if (drift) {
    byId("quality-drift").textContent = `Last drift: ${signals[drift.signal] ?? drift.signal} ${effects[drift.effect]}, event time ${since(toDate(drift.timestamp))}.`;
  }
}

/** Quality may be behind or missing without harm: whatever fails here is for others to report. */
export function watchQuality(reachable) {
  const tick = async () => {
    if (reachable() && !document.hidden) {
      try { draw(await api.quality()); } catch { byId("quality-value").textContent = "–"; }
    }
    setTimeout(tick, EVERY_MS);
  };
  tick();
}
