// Making elements. Every string lands in a text node or an attribute, never in markup.

const SVG = "http://www.w3.org/2000/svg";

export function el(tag, attributes = {}, ...children) {
  const node = document.createElement(tag);
  for (const [name, value] of Object.entries(attributes)) {
    if (value === true) node.setAttribute(name, "");
    else if (value !== false && value != null) node.setAttribute(name, value);
  }
  node.append(...children);
  return node;
}

export function svg(tag, attributes = {}, ...children) {
  const node = document.createElementNS(SVG, tag);
  for (const [name, value] of Object.entries(attributes)) node.setAttribute(name, value);
  node.append(...children);
  return node;
}

export const byId = (id) => document.getElementById(id);

const reduced = window.matchMedia("(prefers-reduced-motion: reduce)");

/** Animate unless the reader asked for stillness; resolves when it is over, either way. */
export function animate(node, frames, options) {
  if (reduced.matches || !node.animate) return Promise.resolve();
  return node.animate(frames, options).finished.catch(() => undefined);
}

/** Resolves once the change just made can be seen; a hidden tab paints nothing and waits 100 ms. */
export function painted() {
  const shown = new Promise((resolve) => {
    requestAnimationFrame(() => {
      const channel = new MessageChannel();
      channel.port1.onmessage = () => resolve();
      channel.port2.postMessage(null);
    });
  });
  return Promise.race([shown, pause(100)]);
}

export const pause = (ms) => new Promise((resolve) => setTimeout(resolve, ms));

export const announce = (text) => { byId("announcer").textContent = text; };
