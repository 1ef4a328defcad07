// The small line icons on the buttons, 20 × 20, drawn in the colour of the text.

import { svg } from "./dom.js";

const paths = {
  view: "M1.8 10S4.8 4.5 10 4.5 18.2 10 18.2 10 15.2 15.5 10 15.5 1.8 10 1.8 10ZM10 12.4a2.4 2.4 0 1 0 0-4.8 2.4 2.4 0 0 0 0 4.8Z",
  like: "M10 16.8S2.6 12.6 2.6 7.6A3.9 3.9 0 0 1 10 5.9a3.9 3.9 0 0 1 7.4 1.7c0 5-7.4 9.2-7.4 9.2Z",
  dislike: "M10 17.4a7.4 7.4 0 1 0 0-14.8 7.4 7.4 0 0 0 0 14.8ZM4.9 15.1 15.1 4.9",
  purchase: "M4.2 6.8h11.6l.9 10.4H3.3ZM7 9V5.6a3 3 0 0 1 6 0V9",
  rating: "M10 2.6l2.3 4.8 5.2.7-3.8 3.6.9 5.2L10 14.4l-4.6 2.5.9-5.2-3.8-3.6 5.2-.7Z",
};

export function icon(name) {
  return svg("svg", { viewBox: "0 0 20 20", class: "icon", "aria-hidden": "true", focusable: "false" },
    svg("path", { d: paths[name] }));
}
