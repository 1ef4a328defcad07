// Whether Freshet answers. When it does not, say so, and try again ever more patiently.

import { byId } from "./dom.js";

const FIRST_S = 1;
const LONGEST_S = 15;

let lost = false;
let wait_s = FIRST_S;
let left_s = 0;
let timer = 0;
let knock = async () => undefined;

export const reachable = () => !lost;

/** `attempt` must throw while Freshet is away and redraw the page once it is back. */
export function onReturn(attempt) {
  knock = attempt;
  byId("banner-retry").addEventListener("click", () => tryAgain());
}

export function declareLost() {
  if (lost) return;
  lost = true;
  wait_s = FIRST_S;
  byId("banner").hidden = false;
  document.body.classList.add("is-away");
  countDown();
}

function countDown() {
  left_s = wait_s;
  const tick = () => {
    if (left_s <= 0) { tryAgain(); return; }
    byId("banner-countdown").textContent = `Trying again in ${left_s} s.`;
    left_s -= 1;
    timer = setTimeout(tick, 1000);
  };
  tick();
}

async function tryAgain() {
  clearTimeout(timer);
  byId("banner-countdown").textContent = "Trying …";
  try {
    await knock();
    lost = false;
    byId("banner").hidden = true;
    document.body.classList.remove("is-away");
  } catch {
    wait_s = Math.min(LONGEST_S, wait_s * 2);
    countDown();
  }
}
