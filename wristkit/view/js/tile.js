// One error of the gallery: what it is, the signal around it, and a button for each mark.
import uPlot from "uplot";
import { colours, element } from "./dom.js";

const HEIGHT = 132;
// Marks are told apart by shape, by colour and in words.
const SHAPES = ["M6 1 L11.5 11 L0.5 11 Z", "M1.5 1.5 H10.5 V10.5 H1.5 Z", "M6 0.8 A5.2 5.2 0 1 0 6.01 0.8 Z"];

export function shape(number, colour) {
  const made = document.createElementNS("http://www.w3.org/2000/svg", "svg");
  const path = document.createElementNS("http://www.w3.org/2000/svg", "path");
  for (const [key, value] of Object.entries({ class: "wk-shape", viewBox: "0 0 12 12", "aria-hidden": "true" })) made.setAttribute(key, value);
  for (const [key, value] of Object.entries({ d: SHAPES[number % SHAPES.length], fill: colour })) path.setAttribute(key, value);
  made.append(path);
  return made;
}

export class Tile {
  constructor(error, marks, { open, mark }) {
    this.error = error;
    this.place = error.place;
    this.marks = marks;
    this.element = element("div", "wk-tile", { role: "listitem" });
    this.button = element("button", "wk-open", { type: "button", "aria-keyshortcuts": "1 2 3 0" });
    this.button.addEventListener("click", () => open(this));
    const head = element("span", "wk-what");
    const swatch = element("i", "wk-kind");
    swatch.style.background = error.colour;
    head.append(swatch, element("span", "wk-text", {}, error.what), element("span", "wk-place", {}, `#${error.place}`));
    this.body = element("span", "wk-plot", { "aria-hidden": "true" });
    this.button.append(head, element("span", "wk-where", {}, error.where), this.body, this.legend());
    this.buttons = marks.map(({ name, colour }, number) => this.markButton(name, colour, number, mark));
    const row = element("div", "wk-marks", { role: "group", "aria-label": `mark of error ${error.place}` });
    row.append(...this.buttons);
    this.element.append(this.button, row);
  }

  legend() {
    const made = element("span", "wk-legend");
    made.append(element("span", "", {}, this.error.stream));
    for (const [number, name] of this.error.channels.entries()) {
      const channel = element("span", "wk-channel-name");
      const swatch = element("i", "");
      swatch.style.background = this.error.colours[number];
      channel.append(swatch, document.createTextNode(name));
      made.append(channel);
    }
    return made;
  }

  markButton(name, colour, number, mark) {
    const title = `${name} (${number + 1}); again, or 0, to clear`;
    const made = element("button", "wk-mark", { type: "button", tabindex: "-1", title }); // by keyboard a mark is one key
    made.style.setProperty("--wk-own", colour);
    made.append(shape(number, colour), document.createTextNode(name));
    made.addEventListener("click", () => {
      this.button.focus({ preventScroll: true });
      mark(this, this.marked === name ? null : name);
    });
    return made;
  }

  show(marked) {
    this.marked = marked;
    const number = this.marks.findIndex((one) => one.name === marked);
    for (const [one, button] of this.buttons.entries()) button.setAttribute("aria-pressed", String(one === number));
    this.element.style.setProperty("--wk-own", number < 0 ? "transparent" : this.marks[number].colour);
    this.element.toggleAttribute("data-marked", number >= 0);
    const { what, where } = this.error;
    this.button.setAttribute("aria-label", `Error ${this.place}: ${what}; ${where}; ${marked ? `marked ${marked}` : "not marked"}`);
  }

  draw() {
    const width = Math.floor(this.body.clientWidth);
    if (!width) return;
    if (this.plot) this.plot.setSize({ width, height: HEIGHT });
    else {
      this.shades = colours(this.element);
      this.plot = new uPlot(this.options(width), this.data(), this.body);
    }
  }

  recolour() {
    this.shades = colours(this.element);
    if (this.plot) this.plot.redraw();
  }

  stop() {
    if (this.plot) this.plot.destroy();
  }

  data() {
    const { time, values } = this.error;
    const finite = (one) => (Number.isFinite(one) ? one : null); // uPlot lifts its pen at null
    return [Array.from(new Float64Array(whole(time))), ...values.map((one) => Array.from(new Float32Array(whole(one)), finite))];
  }

  options(width) {
    const { span, channels, colours: strokes, values } = this.error;
    const grid = () => this.shades.grid; // asked for at each drawing: a theme comes with its colours a while later
    const line = { stroke: () => this.shades.muted, grid: { stroke: grid, width: 1 }, ticks: { stroke: grid, width: 1, size: 3 }, font: "10px system-ui, sans-serif" };
    const texts = (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(9))).replace("-", "−"));
    return {
      width,
      height: HEIGHT,
      padding: [8, 10, 0, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false },
      scales: { x: { time: false, range: () => [...span] }, y: { range: (_, low, high) => room(low, high) } },
      axes: [
        { ...line, space: 55, size: 20, gap: 2, values: (_, ticks) => texts(_, ticks).map((text) => `${text} s`) },
        { ...line, space: 24, size: 40, gap: 3, values: texts },
      ],
      series: [{}, ...values.map((_, number) => ({ label: channels[number] || "", stroke: strokes[number], width: 1, points: { show: false } }))],
      hooks: { drawClear: [(plot) => this.shade(plot)] },
    };
  }

  // The error is a tint with two edges behind the lines, gaps are grey.
  shade({ ctx, bbox, valToPos }) {
    const { gaps, error, colour } = this.error;
    const x = (second) => Math.min(Math.max(valToPos(second, "x", true), bbox.left), bbox.left + bbox.width);
    const band = ([start, stop], least) => [x(start), bbox.top, Math.max(least, x(stop) - x(start)), bbox.height];
    const pixel = window.devicePixelRatio || 1;
    ctx.save();
    ctx.fillStyle = this.shades.gap;
    for (const gap of gaps) ctx.fillRect(...band(gap, pixel));
    ctx.fillStyle = ctx.strokeStyle = colour;
    ctx.lineWidth = pixel;
    ctx.globalAlpha = 0.18;
    ctx.fillRect(...band(error, 2 * pixel));
    ctx.globalAlpha = 1;
    ctx.strokeRect(...band(error, 2 * pixel));
    ctx.restore();
  }
}

function room(low, high) {
  if (low == null || high == null) return [0, 1];
  const more = high > low ? 0.06 * (high - low) : Math.max(1e-6, 0.05 * Math.abs(high));
  return [low - more, high + more];
}

// A view of bytes that came within a message starts anywhere in it.
function whole(view) {
  return view.buffer.slice(view.byteOffset, view.byteOffset + view.byteLength);
}
