// "How fresh it is": what the canary measures, and the alerts that are firing.

import * as api from "./api.js";
import { byId, el } from "./dom.js";

const EVERY_MS = 5000;

const time = (seconds) =>
  seconds < 1 ? `${Math.max(Math.round(seconds * 1000), 1)} ms` : `${seconds.toFixed(1)} s`;

function drawFreshness({ p50_s, p99_s }) {
  const known = p50_s !== null;
  byId("fresh-value").textContent = known ? time(p50_s) : "–";
  byId("fresh-note").textContent = known
    ? `from a click to the list that shows it; 99 of 100 within ${time(p99_s)}. Freshet clicks by itself to know.`
    : "Measured as soon as there is something to click on.";
}

function drawAlerts({ alerts }) {
  const firing = alerts.filter((alert) => alert.state === "firing");
  byId("alerts").replaceChildren(...firing.map((alert) =>
    el("li", { class: `alert alert-${alert.severity}` },
      el("b", {}, alert.severity === "critical" ? "Critical: " : "Warning: "), `${alert.summary}.`)));
  byId("alerts").hidden = firing.length === 0;
}

/** Nothing here is needed to recommend: whatever fails is left for others to report. */
export function watchHealth(reachable) {
  const tick = async () => {
    if (reachable() && !document.hidden) {
      try {
        drawFreshness(await api.freshness());
        drawAlerts(await api.alerts());
      } catch { byId("fresh-value").textContent = "–"; }
    }
    setTimeout(tick, EVERY_MS);
  };
  tick();
}
