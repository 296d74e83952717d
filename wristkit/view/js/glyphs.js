// Small signs of what labels and events say of one another: told apart without colour, on bars and beside counts.
export const GLYPH = 11; // pixels each way
const PATHS = {
  hit: "M2 6 4.5 8.5 9 2.5",
  "false alarm": "M2.5 2.5 8.5 8.5M8.5 2.5 2.5 8.5",
  missed: "M9 5.5A3.5 3.5 0 1 1 2 5.5A3.5 3.5 0 1 1 9 5.5",
  disputed: "M2 4H9M2 7H9M7.5 1.5 3.5 9.5",
  "not looked at": "M3.4 3.8A2.1 2.1 0 1 1 6.4 5.6Q5.5 6.1 5.5 7M5.5 8.9V9.1",
};

export function drawGlyph(pen, name, x, y, ink) {
  pen.save();
  pen.translate(x, y);
  Object.assign(pen, { strokeStyle: ink, lineWidth: 1.6, lineCap: "round", lineJoin: "round" });
  pen.stroke(new Path2D(PATHS[name]));
  pen.restore();
}

export function glyph(name) {
  const svg = part("svg", { class: "wk-glyph", width: GLYPH, height: GLYPH, viewBox: `0 0 ${GLYPH} ${GLYPH}`, "aria-hidden": "true" });
  svg.append(part("path", { d: PATHS[name], fill: "none", stroke: "currentColor", "stroke-width": 1.6, "stroke-linecap": "round", "stroke-linejoin": "round" }));
  return svg;
}

function part(tag, attributes) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", tag);
  for (const [name, value] of Object.entries(attributes)) made.setAttribute(name, value);
  return made;
}
