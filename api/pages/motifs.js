// The drawings themselves: each takes dice and colours and returns SVG nodes for 320 × 200.
// They stay inside a safe middle, because a phone shows the square in the centre only.

import { svg } from "./dom.js";

const f = (number) => number.toFixed(1);
const disc = (cx, cy, r, fill, more = {}) => svg("circle", { cx: f(cx), cy: f(cy), r: f(r), fill, ...more });
const shape = (d, fill, more = {}) => svg("path", { d, fill, ...more });
const line = (d, stroke, width, more = {}) =>
  svg("path", { d, stroke, "stroke-width": f(width), fill: "none", "stroke-linecap": "round", ...more });

/** A smooth curve through points (Catmull-Rom as cubic Béziers). */
function through(points) {
  let d = `M${f(points[0][0])} ${f(points[0][1])}`;
  for (let i = 0; i < points.length - 1; i += 1) {
    const [a, b, c, e] = [points[i - 1] ?? points[i], points[i], points[i + 1], points[i + 2] ?? points[i + 1]];
    d += `C${f(b[0] + (c[0] - a[0]) / 6)} ${f(b[1] + (c[1] - a[1]) / 6)} `
      + `${f(c[0] - (e[0] - b[0]) / 6)} ${f(c[1] - (e[1] - b[1]) / 6)} ${f(c[0])} ${f(c[1])}`;
  }
  return d;
}

function ridge(dice, height, swing, rough = 0.25) {
  const points = [];
  const phase = dice.between(0, 6.3);
  const pace = dice.between(0.011, 0.022);
  for (let x = -20; x <= 340; x += 40) {
    points.push([x, height + Math.sin(x * pace + phase) * swing + dice.between(-rough, rough) * swing]);
  }
  return points;
}

function hills(dice, c) {
  const sun = disc(dice.between(95, 225), dice.between(48, 88), dice.between(22, 40), c.accent);
  const layers = [c.soft, c.mid, c.deep].map((fill, i) =>
    shape(`${through(ridge(dice, 100 + i * 34, 24 - i * 5))}V220H-20Z`, fill));
  return [sun, ...layers];
}

function river(dice, c) {
  const bands = [c.soft, c.pale, c.mid, c.deep, c.accent];
  const course = ridge(dice, 100, dice.between(22, 34), 0);
  const widths = [136, 98, 70, 38, 7];
  const tilt = dice.between(-18, 18);
  return [svg("g", { transform: `rotate(${f(tilt)} 160 100)` }, ...bands.map((stroke, i) =>
    line(through(course.map(([x, y]) => [x, y + (i % 2 ? 5 : -4) * i])), stroke, widths[i])))];
}

function tiles(dice, c) {
  const size = 40;
  const nodes = [];
  const fills = [c.soft, c.mid, c.deep, c.accent, c.pale];
  for (let x = 0; x < 320; x += size) {
    for (let y = 0; y < 200; y += size) {
      const roll = dice.next();
      const fill = dice.pick(fills);
      const turn = dice.whole(0, 3) * 90;
      const spin = { transform: `rotate(${turn} ${x + size / 2} ${y + size / 2})` };
      if (roll < 0.62) nodes.push(shape(`M${x} ${y}h${size}a${size} ${size} 0 0 1 -${size} ${size}z`, fill, spin));
      else if (roll < 0.74) nodes.push(disc(x + size / 2, y + size / 2, size / 2, fill));
      else if (roll < 0.86) nodes.push(shape(`M${x} ${y}h${size}v${size / 2}a${size / 2} ${size / 2} 0 0 1 -${size} 0z`, fill, spin));
    }
  }
  return nodes;
}

function arches(dice, c) {
  const x = dice.between(110, 210);
  const base = dice.between(178, 214);
  const rings = [c.deep, c.mid, c.soft, c.pale, c.accent];
  const widest = dice.between(128, 150);
  const sky = disc(x + dice.pick([-1, 1]) * dice.between(96, 124), dice.between(34, 58), dice.between(10, 17), c.accent);
  return [sky, ...rings.map((fill, i) => disc(x, base, widest - i * widest * 0.19, fill))];
}

function paper(dice, c) {
  const fills = [c.soft, c.mid, c.deep, c.accent];
  const start = dice.between(0, 6.3);
  return [...fills.map((fill, i) => {
    const angle = start + i * dice.between(1.3, 1.9);
    return disc(160 + Math.cos(angle) * dice.between(38, 78), 100 + Math.sin(angle) * dice.between(22, 44),
      [72, 58, 46, 26][i] * dice.between(0.85, 1.15), fill, { opacity: 0.92 });
  }), line(`M${f(dice.between(30, 90))} ${f(dice.between(150, 178))}H${f(dice.between(230, 290))}`, c.pale, 2)];
}

function contours(dice, c) {
  const [x, y] = [dice.between(120, 200), dice.between(80, 120)];
  const wobble = Array.from({ length: 5 }, () => [dice.between(0.04, 0.16), dice.between(0, 6.3)]);
  const nodes = [];
  for (let ring = 9; ring >= 1; ring -= 1) {
    const points = [];
    for (let step = 0; step <= 48; step += 1) {
      const t = (step / 48) * 2 * Math.PI;
      const noise = wobble.reduce((sum, [size, phase], k) => sum + size * Math.sin(t * (k + 1) + phase + ring * 0.12), 1);
      points.push([x + Math.cos(t) * ring * 23 * noise, y + Math.sin(t) * ring * 17 * noise]);
    }
    const fill = ring === 1 ? c.accent : ring % 3 === 0 ? c.soft : ring % 3 === 1 ? c.mid : c.ground;
    nodes.push(shape(`${through(points)}Z`, fill, { stroke: c.deep, "stroke-width": 1.1, "stroke-opacity": 0.55 }));
  }
  return nodes;
}

function leaf(x, y, length, angle, fill) {
  const w = length * 0.3;
  return shape(`M0 0C${f(length * 0.3)} ${f(-w)} ${f(length * 0.8)} ${f(-w)} ${f(length)} 0`
    + `C${f(length * 0.8)} ${f(w)} ${f(length * 0.3)} ${f(w)} 0 0Z`, fill,
    { transform: `translate(${f(x)} ${f(y)}) rotate(${f(angle)})` });
}

function stems(dice, c) {
  const nodes = [disc(dice.between(100, 220), dice.between(60, 100), dice.between(44, 62), c.soft)];
  const count = dice.whole(3, 5);
  for (let s = 0; s < count; s += 1) {
    const x = 160 + (s - (count - 1) / 2) * dice.between(40, 54);
    const top = dice.between(28, 84);
    const fill = dice.pick([c.deep, c.mid, c.deep]);
    nodes.push(line(`M${f(x)} 210V${f(top)}`, fill, 2.4));
    for (let y = top + 14; y < 190; y += 24) {
      const length = 18 + (y - top) * 0.13;
      nodes.push(leaf(x, y, length, -38, fill), leaf(x, y, length, -142, fill));
    }
    nodes.push(dice.next() < 0.6 ? disc(x, top - 4, dice.between(7, 11), c.accent) : leaf(x, top + 6, 24, -90, fill));
  }
  return nodes;
}

function columns(dice, c) {
  const nodes = [disc(dice.between(90, 230), dice.between(50, 74), dice.between(26, 38), c.pale)];
  const width = dice.pick([26, 32, 40]);
  for (let x = -4; x < 320; x += width) {
    const height = dice.between(36, 142);
    const fill = dice.pick([c.soft, c.mid, c.deep, c.deep, c.mid, c.accent]);
    const round = dice.pick([0, 0, width / 2]);
    nodes.push(svg("rect", { x, y: f(200 - height), width: width + 0.4, height: f(height + 30), rx: round, fill }));
  }
  return nodes;
}

function rays(dice, c) {
  const [x, y] = [dice.between(120, 200), dice.between(112, 150)];
  const count = dice.pick([14, 18, 24]);
  const nodes = [];
  for (let i = 0; i < count; i += 1) {
    const [a, b] = [(i / count) * 2 * Math.PI, ((i + 0.5) / count) * 2 * Math.PI];
    nodes.push(shape(`M${f(x)} ${f(y)}L${f(x + 400 * Math.cos(a))} ${f(y + 400 * Math.sin(a))}`
      + `L${f(x + 400 * Math.cos(b))} ${f(y + 400 * Math.sin(b))}Z`, c.soft));
  }
  nodes.push(disc(x, y, 58, c.mid), disc(x, y, 42, c.accent), disc(x, y, 24, c.pale));
  nodes.push(shape(`${through(ridge(dice, 168, 10))}V220H-20Z`, c.deep));
  return nodes;
}

function phases(dice, c) {
  const radius = dice.between(25, 31);
  const drift = dice.between(-16, 16);
  const orbit = line(`M-10 ${f(100 - drift * 1.6)}L330 ${f(100 + drift * 1.6)}`, c.soft, 1.6);
  const moons = [-1.5, -0.5, 0.5, 1.5].flatMap((step, i) => {
    const [x, y] = [160 + step * 68, 100 + step * drift * 0.64];
    const bulge = radius * (1 - i * 0.62);
    const lit = `M${f(x)} ${f(y - radius)}A${f(radius)} ${f(radius)} 0 0 1 ${f(x)} ${f(y + radius)}`
      + `A${f(Math.abs(bulge))} ${f(radius)} 0 0 ${bulge > 0 ? 0 : 1} ${f(x)} ${f(y - radius)}Z`;
    return [disc(x, y, radius, i % 2 ? c.mid : c.deep), shape(lit, i === 2 ? c.accent : c.pale)];
  });
  return [orbit, ...moons];
}

export const motifs = [hills, river, tiles, arches, paper, contours, stems, columns, rays, phases];
