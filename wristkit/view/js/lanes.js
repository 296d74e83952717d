// Labels and events as named bars above the panes, and the whole recording below them.
import { colours, element, fitted, plain, sharpCanvas } from "./dom.js";
import { LEFT, RIGHT, clock, digitsFor } from "./time.js";

const LANE = 22;
const SLIP = 5; // pixels beside a bar that still hit it
const EDGE = 6;
const LEAST = 3; // a bar is never thinner
const MAP = 46;

export class Lanes {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("canvas", "wk-lanes", { role: "img", "aria-label": "rows of labels and events" });
    this.bars = [];
  }

  // One row a tier and rater, then one of events; what overlaps in a row shares its height.
  rows() {
    const { labelling, model } = this.viewer;
    const names = [];
    for (const row of labelling.rows) {
      const name = `${row.tier} · ${row.rater}`;
      if (!names.includes(name)) names.push(name);
    }
    if (!names.length) names.push(`${labelling.tier} · `);
    return model.get("events").length ? [...names, "events"] : names;
  }

  draw() {
    const { axis, root, labelling } = this.viewer;
    const shades = colours(root);
    const names = this.rows();
    const height = names.length * LANE + 4;
    const pen = sharpCanvas(this.element, LEFT + axis.width + RIGHT, height);
    pen.font = "11px system-ui, sans-serif";
    pen.textBaseline = "middle";
    this.bars = [];
    for (const [lane, name] of names.entries()) {
      const top = 2 + lane * LANE;
      pen.fillStyle = shades.grid;
      pen.fillRect(LEFT, top + LANE - 1, axis.width, 1);
      pen.fillStyle = shades.muted;
      pen.textAlign = "right";
      pen.fillText(fitted(pen, plain(name.replace(/ · $/, "")), LEFT - 8), LEFT - 6, top + LANE / 2);
    }
    pen.textAlign = "left";
    pen.save();
    pen.beginPath();
    pen.rect(LEFT, 0, axis.width, height);
    pen.clip();
    const selected = labelling.selected;
    const missed = new Set(this.viewer.meta().missed);
    for (const row of labelling.rows) if (row.key !== selected) this.bar(pen, shades, row, names.indexOf(`${row.tier} · ${row.rater}`), missed.has(row.key) ? "missed" : "");
    const chosen = labelling.row(selected);
    if (chosen) this.bar(pen, shades, chosen, names.indexOf(`${chosen.tier} · ${chosen.rater}`), "");
    for (const event of labelling.events) this.bar(pen, shades, event, names.length - 1, event.verdict);
    pen.restore();
  }

  bar(pen, shades, row, lane, verdict) {
    const { axis, labelling } = this.viewer;
    const left = LEFT + axis.x(row.start);
    const right = LEFT + axis.x(row.stop);
    if (right < LEFT - LEAST || left > LEFT + axis.width + LEAST) return;
    const wide = Math.max(LEAST, right - left);
    const x = right - left < LEAST ? (left + right - LEAST) / 2 : left;
    const top = 2 + lane * LANE + 2;
    const colour = labelling.colour(row.label);
    pen.globalAlpha = row.key === labelling.selected ? 1 : 0.82;
    pen.fillStyle = colour;
    pen.fillRect(x, top, wide, LANE - 5);
    pen.globalAlpha = 1;
    if (verdict === "missed" || verdict === "false alarm") {
      pen.strokeStyle = shades.ink;
      pen.setLineDash([3, 2]);
      pen.strokeRect(x + 0.5, top + 0.5, wide - 1, LANE - 6);
      pen.setLineDash([]);
    }
    if (row.key !== undefined && row.key === labelling.selected) {
      pen.strokeStyle = shades.ink;
      pen.lineWidth = 2;
      pen.strokeRect(x - 1, top - 1, wide + 2, LANE - 3);
      pen.lineWidth = 1;
    }
    const from = Math.max(x, LEFT);
    const name = plain(row.label);
    const text = fitted(pen, verdict ? `${name} (${verdict})` : name, x + wide - from - 8);
    if (text) {
      pen.fillStyle = "white";
      pen.fillText(text, from + 4, top + LANE / 2 - 2);
    }
    if (row.key !== undefined) this.bars.push({ key: row.key, x, wide, top });
  }

  // The nearest bar under a point, and which part of it; the one selected first, as its handles are on show.
  find(x, y) {
    const near = this.bars.filter((bar) => y >= bar.top - 2 && y <= bar.top + LANE && x >= bar.x - SLIP && x <= bar.x + bar.wide + SLIP);
    const rank = (bar) => (bar.key === this.viewer.labelling.selected ? -1e6 : 0) + bar.wide;
    const found = near.sort((one, other) => rank(one) - rank(other))[0];
    if (!found) return null;
    const edge = Math.min(EDGE, Math.max(2, found.wide / 3));
    const part = x <= found.x + edge && found.wide > LEAST ? "start" : x >= found.x + found.wide - edge && found.wide > LEAST ? "stop" : "body";
    return { key: found.key, part };
  }
}

export class Minimap {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("canvas", "wk-map", { role: "img", "aria-label": "the whole recording; press to go there" });
  }

  draw() {
    const { axis, root, labelling } = this.viewer;
    const shades = colours(root);
    const { overview } = this.viewer.meta();
    const pen = sharpCanvas(this.element, LEFT + axis.width + RIGHT, MAP);
    const [start, stop] = axis.span;
    const x = (seconds) => LEFT + ((seconds - start) / (stop - start)) * axis.width;
    const high = MAP - 18;
    pen.fillStyle = shades.muted;
    pen.globalAlpha = 0.45;
    for (const [k, level] of overview.entries()) {
      const left = LEFT + (k / overview.length) * axis.width;
      pen.fillRect(left, 2 + (high - 8) * (1 - level), Math.max(1, axis.width / overview.length), (high - 8) * level);
    }
    pen.globalAlpha = 1;
    for (const row of labelling.rows) {
      pen.fillStyle = labelling.colour(row.label);
      pen.fillRect(x(row.start) - 0.5, high - 5, Math.max(2, x(row.stop) - x(row.start)), 6);
    }
    const [left, right] = [x(axis.view[0]), x(axis.view[1])];
    pen.fillStyle = shades.ink;
    pen.globalAlpha = 0.1;
    pen.fillRect(left, 1, Math.max(3, right - left), high + 1);
    pen.globalAlpha = 1;
    pen.strokeStyle = shades.ink;
    pen.strokeRect(left + 0.5, 1.5, Math.max(3, right - left), high);
    pen.fillStyle = shades.muted;
    pen.font = "10px system-ui, sans-serif";
    pen.textBaseline = "bottom";
    for (const [align, at] of [["left", 0], ["center", 0.5], ["right", 1]]) {
      pen.textAlign = align;
      pen.fillText(clock(start + at * (stop - start), digitsFor((stop - start) / 100)), LEFT + at * axis.width, MAP - 1);
    }
  }

  at(x) {
    const { axis } = this.viewer;
    return axis.span[0] + ((x - LEFT) / axis.width) * (axis.span[1] - axis.span[0]);
  }
}
