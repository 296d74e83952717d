// The whole recording below the panes, with every label in it, however short.
import { colours, element, sharpCanvas } from "./dom.js";
import { LEFT, RIGHT, clock, digitsFor } from "./time.js";

const MAP = 46;
const HIGH = MAP - 18; // above the times
const MARK = 6;
const LEAST = 2;
const SLIP = 5; // pixels beside a mark that still hit it

export class Minimap {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("canvas", "wk-map", { role: "img", "aria-label": "the whole recording with its labels; press to go there" });
    this.still = document.createElement("canvas"); // all but the window, which alone moves
  }

  x(second) {
    const { axis } = this.viewer;
    return LEFT + ((second - axis.span[0]) / (axis.span[1] - axis.span[0])) * axis.width;
  }

  at(x) {
    const { axis } = this.viewer;
    return axis.span[0] + ((x - LEFT) / axis.width) * (axis.span[1] - axis.span[0]);
  }

  draw() {
    const { axis, root, labelling } = this.viewer;
    const shades = colours(root);
    const pen = sharpCanvas(this.element, LEFT + axis.width + RIGHT, MAP);
    const state = [this.element.width, axis.span, labelling.known.version, shades.ink, shades.muted, window.devicePixelRatio].join();
    if (state !== this.state || this.meta !== this.viewer.meta()) {
      this.state = state;
      this.meta = this.viewer.meta();
      this.drawStill(shades);
    }
    pen.save();
    pen.setTransform(1, 0, 0, 1, 0, 0);
    pen.drawImage(this.still, 0, 0);
    pen.restore();
    const [left, right] = axis.view.map((second) => this.x(second));
    pen.fillStyle = shades.ink;
    pen.globalAlpha = 0.1;
    pen.fillRect(left, 1, Math.max(3, right - left), HIGH + 1);
    pen.globalAlpha = 1;
    pen.strokeStyle = shades.ink;
    pen.strokeRect(left + 0.5, 1.5, Math.max(3, right - left), HIGH);
    const row = labelling.current;
    if (row) this.mark(pen, row, shades.ink, 1);
  }

  drawStill(shades) {
    const { axis, labelling } = this.viewer;
    const { overview } = this.meta;
    const pen = sharpCanvas(this.still, LEFT + axis.width + RIGHT, MAP);
    pen.fillStyle = shades.muted;
    pen.globalAlpha = 0.45;
    for (const [k, level] of overview.entries()) {
      const left = LEFT + (k / overview.length) * axis.width;
      pen.fillRect(left, 2 + (HIGH - 8) * (1 - level), Math.max(1, axis.width / overview.length), (HIGH - 8) * level);
    }
    pen.globalAlpha = 1;
    const last = new Map(); // where each class was drawn last: what falls on it is there already
    for (const row of labelling.rows) {
      const pixel = Math.round(this.x(row.stop));
      if (last.get(row.label) === pixel) continue;
      last.set(row.label, pixel);
      this.mark(pen, row, labelling.colour(row.label), 0);
    }
    const [start, stop] = axis.span;
    pen.fillStyle = shades.muted;
    pen.font = "10px system-ui, sans-serif";
    pen.textBaseline = "bottom";
    for (const [align, at] of [["left", 0], ["center", 0.5], ["right", 1]]) {
      pen.textAlign = align;
      pen.fillText(clock(start + at * (stop - start), digitsFor((stop - start) / 100)), LEFT + at * axis.width, MAP - 1);
    }
  }

  mark(pen, row, colour, more) {
    const [left, right] = [this.x(row.start), this.x(row.stop)];
    const wide = Math.max(LEAST + more, right - left);
    pen.fillStyle = colour;
    pen.fillRect((left + right - wide) / 2, HIGH - 5 - more, wide, MARK + 2 * more);
  }

  // The label whose mark is nearest to a point among the marks; of some on one pixel the next at each press.
  find(x, y) {
    const { labelling } = this.viewer;
    if (y < HIGH - 5 - SLIP || y > HIGH + SLIP) return null;
    const beside = (row) => Math.max(this.x(row.start) - x, x - this.x(row.stop), 0);
    const near = labelling.known.within(this.at(x - SLIP), this.at(x + SLIP)).map((row) => [beside(row), row]);
    const least = Math.min(...near.map(([pixels]) => pixels));
    const nearest = near.filter(([pixels]) => pixels <= least + 0.5).map(([, row]) => row);
    if (!nearest.length) return null;
    nearest.sort((one, other) => one.stop - one.start - (other.stop - other.start));
    return nearest[(nearest.findIndex((row) => row.key === labelling.selected) + 1) % nearest.length];
  }
}
