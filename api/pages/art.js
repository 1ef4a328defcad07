// A picture for every item, drawn from its id: the same id gives the same picture, for ever.
// The first category chooses the colours, so that a category is recognised at a glance.

import { svg } from "./dom.js";
import { motifs } from "./motifs.js";

export const WIDTH = 320;
export const HEIGHT = 200;

/** FNV-1a with a last avalanche: neighbouring ids ("41", "42") must not look alike. */
export function hash(text) {
  let h = 0x811c9dc5;
  for (const unit of text) h = Math.imul(h ^ unit.codePointAt(0), 0x01000193);
  h = Math.imul(h ^ (h >>> 16), 0x85ebca6b);
  h = Math.imul(h ^ (h >>> 13), 0xc2b2ae35);
  return (h ^ (h >>> 16)) >>> 0;
}

/** mulberry32: 32 bits of state are plenty for a picture. */
export function random(seed) {
  let state = seed;
  const next = () => {
    state = (state + 0x6d2b79f5) | 0;
    let t = Math.imul(state ^ (state >>> 15), 1 | state);
    t = (t + Math.imul(t ^ (t >>> 7), 61 | t)) ^ t;
    return ((t ^ (t >>> 14)) >>> 0) / 4294967296;
  };
  return {
    next,
    between: (low, high) => low + next() * (high - low),
    whole: (low, high) => Math.floor(low + next() * (high - low + 1)),
    pick: (list) => list[Math.floor(next() * list.length)],
  };
}

const oklch = (light, chroma, hue) =>
  `oklch(${light} ${chroma} ${(((hue % 360) + 360) % 360).toFixed(0)})`;

// Cool grounds get a warm accent (apricot), warm ones a cool (river mist): hues straight across the
// circle look like a chart, not like a picture.
const isCool = (h) => h > 100 && h < 330;
/** Which way a neighbouring hue lies: yellow darkened is olive, so warm hues turn towards red. */
const away = (h) => (h > 45 && h < 100 ? -1 : 1);
const across = (light, h) => (isCool(h) ? oklch(light, 0.125, 58) : oklch(light + 0.03, 0.068, 215));

// Lightness and chroma were chosen by eye and are fixed; only the hue turns.
const moods = [
  (h) => ({ // morning: pale ground
    ground: oklch(0.905, 0.045, h), soft: oklch(0.825, 0.075, h - 6), mid: oklch(0.665, 0.108, h + away(h) * 12),
    deep: oklch(0.4, 0.075, h - 12), accent: across(0.69, h), pale: oklch(0.972, 0.016, h + 30),
  }),
  (h) => ({ // noon: saturated ground
    ground: oklch(0.64, 0.098, h), soft: oklch(0.735, 0.09, h + away(h) * 10), mid: oklch(0.52, 0.094, h - 10),
    deep: oklch(0.335, 0.068, h - 18), accent: oklch(0.865, 0.105, 84), pale: oklch(0.95, 0.028, 85),
  }),
  (h) => ({ // night: dark ground
    ground: oklch(0.325, isCool(h) ? 0.052 : 0.082, h), soft: oklch(0.43, isCool(h) ? 0.066 : 0.105, h + away(h) * 6),
    mid: oklch(0.575, isCool(h) ? 0.092 : 0.125, h + away(h) * 16), deep: oklch(0.225, 0.042, h - 10), accent: across(0.775, h), pale: oklch(0.915, 0.035, 82),
  }),
];

// Twelve hues far enough apart to be told from each other, none of them mustard or swamp.
const hues = [20, 38, 56, 72, 135, 160, 185, 210, 240, 268, 312, 350];

/** The salt is the first that keeps the eighteen film genres apart and gives noir its night. */
const SALT = 17303;

export function palette(category) {
  const h = hash(`${SALT}/${category}`);
  return moods[(h >>> 8) % moods.length](hues[h % hues.length]);
}

export function drawArt(itemId, category) {
  const seed = hash(itemId);
  const dice = random(seed);
  const colours = palette(category || itemId);
  const draw = dice.pick(motifs);
  return svg(
    "svg",
    { viewBox: `0 0 ${WIDTH} ${HEIGHT}`, preserveAspectRatio: "xMidYMid slice", "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: WIDTH, height: HEIGHT, fill: colours.ground }),
    ...draw(dice, colours),
  );
}

export function drawAvatar(userId) {
  const dice = random(hash(`shopper/${userId}`));
  const colours = moods[dice.whole(0, 1)](dice.pick(hues));
  const turn = dice.whole(0, 3) * 90;
  return svg(
    "svg",
    { viewBox: "0 0 40 40", "aria-hidden": "true", focusable: "false" },
    svg("rect", { width: 40, height: 40, fill: colours.ground }),
    svg("g", { transform: `rotate(${turn} 20 20)` },
      svg("circle", { cx: 20, cy: dice.between(26, 40), r: dice.between(13, 18), fill: colours.deep }),
      svg("circle", { cx: dice.between(12, 28), cy: 14, r: dice.between(5, 8), fill: colours.accent })),
  );
}
