// How the page speaks of events: films are watched, goods are viewed.

const past = {
  view: "viewed", click: "opened", like: "liked", add_to_cart: "put into the cart",
  purchase: "bought", rating: "rated", comment: "commented on", dislike: "disliked",
};

let demo = "none";

export function speakFor(kind) { demo = kind; }

/** "watched", "liked", … : what somebody did to an item. */
export function didWhat(type) {
  if (demo === "films" && (type === "view" || type === "click")) return "watched";
  return past[type] ?? type.replaceAll("_", " ");
}

/** The same inside "because you …": there a rating only proves that the film was watched. */
export function becauseDid(type) {
  return didWhat(demo === "films" && type === "rating" ? "view" : type);
}

/** A bare number is an id that means nothing to a reader: "Viewer 405" does a little. */
export function nameOf(userId) {
  return /^\d+$/.test(userId) ? `${demo === "films" ? "Viewer" : "Shopper"} ${userId}` : userId;
}

export const stars = (value) => "★".repeat(value) + "☆".repeat(Math.max(0, 5 - value));

export const capital = (text) => text.charAt(0).toUpperCase() + text.slice(1);

export function stamp(type, value) {
  return type === "rating" ? `Rated ${value} of 5` : capital(didWhat(type));
}

const reasons = [
  [/explor/, "Something different, to learn your taste"],
  [/divers/, "For a change from the rest"],
  [/trend|popular/, "Popular right now"],
  [/new|fresh/, "New in the catalogue"],
  [/static/, "From the standing list"],
];

/** For an item that names no history item as its cause. */
export function plainReason(reason) {
  const known = reasons.find(([pattern]) => pattern.test(reason ?? ""));
  return known ? known[1] : "Close to your taste";
}

export function lede(answer, signals, bare) {
  if (bare) return "Freshet is running and waits for its first items.";
  if (answer.degraded) return "Freshet is catching up: this list may not know your latest clicks yet.";
  if (answer.served_by === "trending" && signals === 0) {
    return "You are new here, so this is what is popular right now. Choose one thing, and the list becomes yours.";
  }
  if (answer.served_by === "static") return "A standing list, until Freshet has seen enough to choose.";
  if (signals === 0) return "A list of your own. Act on anything, and it follows.";
  return `Drawn from ${signals === 1 ? "your first signal" : `${signals.toLocaleString("en")} signals of yours`}. Act on anything, and the list follows.`;
}

/** Seconds since the epoch, or RFC 3339, to a Date. */
export function toDate(timestamp) {
  return new Date(typeof timestamp === "number" ? timestamp * 1000 : timestamp);
}

// A number and its unit stay on one line.
export function ago(date, now = Date.now()) {
  const seconds = Math.max(0, Math.round((now - date.getTime()) / 1000));
  if (!Number.isFinite(seconds)) return "";
  if (seconds < 2) return "now";
  if (seconds < 60) return `${seconds}\u00a0s`;
  if (seconds < 3600) return `${Math.floor(seconds / 60)}\u00a0min`;
  if (seconds < 86400) return `${Math.floor(seconds / 3600)}\u00a0h`;
  return `${Math.floor(seconds / 86400)}\u00a0d`;
}

const first = ["amber", "quiet", "silver", "early", "northern", "slow", "bright", "little", "late", "wild"];
const second = ["heron", "otter", "willow", "kingfisher", "plover", "reed", "trout", "alder", "swift", "dipper"];

export function freshName() {
  const pick = (list) => list[Math.floor(Math.random() * list.length)];
  return `${pick(first)}-${pick(second)}-${100 + Math.floor(Math.random() * 900)}`;
}
