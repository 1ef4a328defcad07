// The page: loads a shopper's list, sends what is clicked, and measures how soon the list follows.

import { watchActivity } from "./activity.js";
import * as api from "./api.js";
import { press, release } from "./card.js";
import { declareLost, onReturn, reachable } from "./connection.js";
import { announce, byId, painted, pause } from "./dom.js";
import { watchHealth } from "./health.js";
import { differs, show, shownIds } from "./list.js";
import { drawEmpty, drawFacts, drawTrail, listenToCopy } from "./panels.js";
import { watchQuality } from "./quality.js";
import * as shoppers from "./shoppers.js";
import { lede, nameOf, speakFor, stamp } from "./words.js";

// A click that changed nothing after this long is reported as such, and the page stops asking.
const PATIENCE_MS = 1000;
const EMPTY_POLL_MS = 2000;
const RETRY_MS = 250;
const ADDRESS = "#shopper=";

const state = {
  info: null, userId: "", answer: null, position: null, ticket: 0,
  history: [], verbs: new Map(), signals: 0, acted: false,
};

function notice(text) {
  byId("notice").textContent = text;
  byId("notice").hidden = text === "";
}

function failed(error) {
  if (error instanceof api.Unreachable) declareLost();
  else notice(`Freshet said no: ${error.message}`);
}

function rememberHistory(history, counts) {
  state.history = history;
  state.verbs = new Map(history.map((entry) => [entry.item_id, entry.type]));
  state.signals = Object.values(counts).reduce((sum, n) => sum + n, 0);
}

/** A newcomer is not asked for: the 404 would be right, and would still look like a fault. */
async function fetchHistory(userId, answer) {
  const exists = state.acted || answer?.served_by === "personal" || shoppers.isKnown(userId);
  if (!exists) return;
  try {
    const profile = await api.user(userId);
    if (userId === state.userId) rememberHistory(profile.history, profile.counts);
  } catch (error) {
    if (!(error instanceof api.Refused && error.status === 404)) throw error;
  }
}

function drawAround() {
  const { answer, info, userId, signals } = state;
  byId("headline").textContent = `For ${nameOf(userId)}`;
  document.title = `For ${nameOf(userId)} · Freshet`;
  byId("lede").textContent = lede(answer, signals, !byId("empty").hidden);
  drawTrail(state.history);
  drawFacts(info, answer);
}

function drawList(answer, fresh) {
  state.answer = answer;
  state.position = answer.position;
  const empty = answer.items.length === 0;
  const bare = empty && state.info.items === 0;
  byId("empty").hidden = !bare;
  byId("recommended").hidden = bare;
  if (empty && !bare) notice("Nothing is left to recommend to this shopper.");
  return show(answer.items, state.verbs, fresh);
}

async function load(userId) {
  const ticket = (state.ticket += 1);
  if (userId !== state.userId) {
    Object.assign(state, { userId, position: null, acted: false, history: [], verbs: new Map(), signals: 0 });
    setBadge(null, "from click to new list");
  }
  notice("");
  shoppers.drawChooser(userId);
  const answer = await api.recommendations(userId, state.position);
  await fetchHistory(userId, answer);
  if (ticket !== state.ticket) return;
  drawList(answer, true);
  drawAround();
  history.replaceState(null, "", `${ADDRESS}${encodeURIComponent(userId)}`);
}

const choose = (userId) => load(userId).then(() => announce(`The list of ${nameOf(userId)}`), failed);

function setBadge(ms, label) {
  byId("badge-value").textContent = ms === null ? "–" : `${Math.round(ms)} ms`;
  byId("badge-label").textContent = label;
  byId("badge").classList.toggle("is-measured", ms !== null);
  byId("badge").classList.remove("is-waiting");
}

/** Asks until the list differs from what is on show, or patience ends. */
async function changedList(userId, position, startedAt) {
  for (let nap = 60; ; nap *= 2) {
    const answer = await api.recommendations(userId, position);
    const spent = performance.now() - startedAt;
    if (differs(answer.items) || spent + nap > PATIENCE_MS) return answer;
    await pause(nap);
  }
}

/** The event is on disk before the list is asked for; the badge stops when the change is painted. */
async function act(li, type, value, startedAt) {
  const { userId } = state;
  const { item } = li;
  const ticket = (state.ticket += 1);
  const done = stamp(type, value);
  press(li, done);
  notice("");
  byId("badge").classList.add("is-waiting");
  try {
    const receipt = await store(item, type, value);
    state.acted = true;
    note(item, type, value);
    const answer = await changedList(userId, receipt.position, startedAt);
    if (ticket !== state.ticket) return;
    await follow(answer, `${done}: ${item.title || item.item_id}.`, startedAt);
    await fetchHistory(userId, answer);
    if (ticket === state.ticket) drawAround();
  } catch (error) {
    release(li);
    byId("badge").classList.remove("is-waiting");
    // An earlier click may have left its list to this one: fetch it now.
    if (error instanceof api.Refused && ticket === state.ticket) await load(userId).catch(failed);
    failed(error);
    announce(`Not confirmed: ${done}: ${item.title || item.item_id}.`);
  }
}

function store(item, type, value) {
  const event = {
    event_id: api.eventId(), type, user_id: state.userId, item_id: item.item_id,
    recommendation_id: state.answer.recommendation_id,
  };
  if (type === "rating") event.value = value;
  // Sent twice at most: the id lets Freshet recognise the second as the first.
  return api.send(event).catch(async (error) => {
    if (!(error instanceof api.Unreachable)) throw error;
    await pause(RETRY_MS);
    return api.send(event);
  });
}

/** The page knows what was just done without asking; the profile corrects it a moment later. */
function note(item, type, value) {
  const rest = state.history.filter((entry) => entry.item_id !== item.item_id);
  state.history = [{ item_id: item.item_id, title: item.title, type, value }, ...rest];
  state.verbs.set(item.item_id, type);
  state.signals += 1;
}

async function follow(answer, said, startedAt) {
  const changed = differs(answer.items);
  const { came, moved } = drawList(answer, false);
  drawAround();
  await painted();
  const ms = performance.now() - startedAt;
  setBadge(ms, changed ? "from click to new list" : "and the list stands");
  byId("badge").dataset.measured = Number(byId("badge").dataset.measured) + 1;
  announce(changed ? `${said} New list in ${Math.round(ms)} milliseconds: ${came} new, ${moved} moved.` : `${said} The list stands.`);
}

function listenToCards() {
  byId("cards").addEventListener("click", (event) => {
    const button = event.target.closest("button[data-type]");
    // The second half of a double click would land on whichever card has moved in.
    if (!button || event.detail > 1) return;
    const value = button.dataset.value ? Number(button.dataset.value) : null;
    act(button.closest(".cell"), button.dataset.type, value, Math.min(event.timeStamp, performance.now()));
  });
}

async function refreshInfo() {
  state.info = await api.info();
  speakFor(state.info.demo);
}

/** Until there is something to recommend, look whether somebody has put it in. */
async function watchEmpty() {
  for (;;) {
    await pause(EMPTY_POLL_MS);
    if (byId("empty").hidden || document.hidden || !reachable()) continue;
    try {
      await refreshInfo();
      if (state.info.items > 0) await load(state.userId);
    } catch (error) { failed(error); }
  }
}

function fromAddress() {
  if (!location.hash.startsWith(ADDRESS)) return "";
  try { return decodeURIComponent(location.hash.slice(ADDRESS.length)); } catch { return ""; }
}

async function start(userId) {
  state.position = null; // a server that came back may be another one
  await refreshInfo();
  await Promise.all([shoppers.refreshChooser(() => state.userId || userId), load(userId)]);
}

function main() {
  drawEmpty(location.origin);
  listenToCopy();
  listenToCards();
  const last = shoppers.listenToChooser(choose);
  const first = fromAddress() || last || shoppers.newcomer();
  state.userId = "";
  onReturn(() => start(state.userId || first));
  window.addEventListener("hashchange", () => { if (fromAddress()) choose(fromAddress()); });
  start(first).catch(failed).finally(() => {
    watchActivity(() => state.userId, failed, reachable);
    watchEmpty();
    watchQuality(reachable);
    watchHealth(reachable);
    setInterval(() => { if (reachable() && !document.hidden) shoppers.refreshChooser(() => state.userId).catch(failed); }, 15000);
  });
}

main();
