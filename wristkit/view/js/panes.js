// One plot a stream, drawn by uPlot from what Python thinned: what is held of it now, and what comes a moment later.
import uPlot from "uplot";
import { colours, element } from "./dom.js";
import { Held } from "./held.js";
import { gripOf, heightOf } from "./resize.js";
import { LEFT, RIGHT, STEPS, clock, digitsFor } from "./time.js";

const AXIS = 30;
const MOST_LETTERS = 9; // beside a pane
const FOUND = "#a86500";

export class Panes {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("div", "wk-panes");
    this.plots = [];
    this.locked = new Map();
    this.pictures = 0;
  }

  clear() {
    for (const one of this.plots) one.plot.destroy();
    this.plots = [];
    this.element.replaceChildren();
  }

  resize() {
    const width = this.viewer.root.clientWidth;
    if (!width) return;
    this.viewer.axis.width = Math.max(50, width - LEFT - RIGHT);
    if (!this.plots.length) this.build();
    else for (const [number, one] of this.plots.entries()) one.plot.setSize({ width, height: this.height(number) });
    this.ask();
  }

  height(number) {
    const { panes } = this.viewer.meta();
    return heightOf(this.viewer.model, panes[number]) + (number === panes.length - 1 ? AXIS : 0);
  }

  // Out of sight nothing can be built: what was there goes, and the next resize builds.
  build() {
    this.clear();
    this.locked.clear(); // its buttons are new
    this.held = new Held(this.viewer); // of another recording
    this.drawn = null;
    const width = this.viewer.root.clientWidth;
    if (!width) return;
    this.shades = colours(this.viewer.root);
    const { panes } = this.viewer.meta();
    this.plots = panes.map((pane, number) => this.pane(pane, number, width));
    this.ask();
  }

  pane(pane, number, width) {
    const box = element("section", "wk-pane", { "aria-label": `${pane.name}, ${pane.unit}` });
    const head = element("header", "wk-head");
    const unit = pane.unit === "1" ? "" : pane.unit;
    head.append(element("span", "wk-name", {}, pane.name), element("span", "wk-unit", {}, [unit, pane.rate].filter(Boolean).join(", ")));
    const shown = pane.channels.map((name, channel) => {
      const button = element("button", "wk-channel", { type: "button", "aria-pressed": "true", title: `show or hide ${name}` });
      const swatch = element("i", "");
      swatch.style.background = pane.colours[channel];
      button.append(swatch, document.createTextNode(name));
      button.addEventListener("click", () => this.toggle(number, channel, button));
      return button;
    });
    if (pane.findings.length) head.append(this.found(pane));
    const lock = element("button", "wk-lock", { type: "button", "aria-pressed": "false", title: "keep this height" }, "lock y");
    lock.addEventListener("click", () => this.lock(number, lock));
    head.append(...shown, ...(pane.image ? [] : [lock]));
    const body = element("div", "wk-body");
    box.append(head, body, gripOf(this.viewer.model, pane, (height) => this.setHeight(number, height)));
    this.element.append(box);
    const plot = new uPlot(this.options(pane, number, width), pane.image ? [[], []] : [[], ...pane.channels.map(() => [])], body);
    return { pane, plot, box, gaps: [] };
  }

  options(pane, number, width) {
    const { axis } = this.viewer;
    const last = number === this.viewer.meta().panes.length - 1;
    const muted = () => this.shades.muted; // asked for at each drawing: a theme comes with its colours a while later
    const grid = () => this.shades.grid;
    const line = { stroke: muted, grid: { stroke: grid, width: 1, show: !pane.image }, ticks: { stroke: grid, width: 1, size: 4 }, font: "11px system-ui, sans-serif" };
    const seconds = (_, ticks) => ticks.map((tick) => clock(tick, digitsFor(ticks.length > 1 ? ticks[1] - ticks[0] : 1)));
    return {
      width,
      height: this.height(number),
      padding: [6, RIGHT, last ? 0 : 6, 0],
      legend: { show: false },
      cursor: { show: false },
      select: { show: false },
      scales: {
        x: { time: false, range: () => [...axis.view] },
        y: { range: (_, low, high) => this.range(number, low, high) },
      },
      axes: [
        { ...line, incrs: STEPS, space: () => this.room(), size: last ? AXIS : 0, values: last ? seconds : () => [], ticks: { ...line.ticks, show: last } },
        { ...line, size: LEFT, space: 26, gap: 4, values: (_, ticks, _axis, _space, step) => ticks.map((tick) => figure(tick, step)) },
      ],
      series: pane.image ? [{}, { show: true, stroke: "transparent" }] : [{}, ...pane.channels.map((name, channel) => ({ label: name, stroke: pane.colours[channel], width: 1, points: { show: false } }))],
      hooks: { drawClear: [(plot) => this.shade(plot, number)], draw: [(plot) => this.mark(plot, pane)] },
    };
  }

  // Pixels that the longest time on the axis takes, so that none runs into the next.
  room() {
    const { axis } = this.viewer;
    return 18 + 6.5 * clock(axis.view[1], digitsFor(70 * axis.perPixel)).length;
  }

  range(number, low, high) {
    const kept = this.locked.get(number);
    if (kept) return kept;
    const { fixed } = this.viewer.meta().panes[number];
    if (fixed) return fixed;
    if (low == null || high == null || !Number.isFinite(low + high)) return [0, 1];
    const room = high > low ? 0.06 * (high - low) : Math.max(1e-6, 0.05 * Math.abs(high));
    return [low - room, high + room];
  }

  setHeight(number, height) {
    const { panes } = this.viewer.meta();
    this.plots[number].plot.setSize({ width: this.viewer.root.clientWidth, height: height + (number === panes.length - 1 ? AXIS : 0) });
  }

  lock(number, button) {
    if (this.locked.has(number)) this.locked.delete(number);
    else {
      const { min, max } = this.plots[number].plot.scales.y;
      this.locked.set(number, [min, max]);
    }
    button.setAttribute("aria-pressed", String(this.locked.has(number)));
    this.plots[number].plot.redraw();
  }

  toggle(number, channel, button) {
    const { plot } = this.plots[number];
    const show = !plot.series[channel + 1].show;
    plot.setSeries(channel + 1, { show });
    button.setAttribute("aria-pressed", String(show));
  }

  // All findings of a stream: by the pointer, or in the line below the panes once it has the focus.
  found({ name, findings }) {
    const told = `found in ${name}: ${findings.join(", ")}`;
    const made = element("span", "wk-found", { title: findings.join("\n"), tabindex: 0, role: "note", "aria-label": told }, findings.join(", "));
    for (const event of ["focus", "click"]) made.addEventListener(event, () => this.viewer.say(told));
    return made;
  }

  // Gaps are hatched under the lines, labels a tint over the whole height, findings a bar along the top.
  shade(plot, number) {
    const one = this.plots[number];
    const { ctx, bbox } = plot;
    const { axis, labelling } = this.viewer;
    const scale = bbox.width / axis.width;
    const band = (start, stop, least, high = bbox.height) => {
      const left = Math.max(0, axis.x(start) * scale);
      const right = Math.min(bbox.width, Math.max(axis.x(stop) * scale, left + least));
      if (right > left) ctx.fillRect(bbox.left + left, bbox.top, right - left, high);
    };
    ctx.save();
    if (one && one.image) this.paint(ctx, bbox, one.image);
    if (one && one.gaps.length) ctx.fillStyle = hatched(ctx, this.shades.muted);
    for (const [start, stop] of one ? one.gaps : []) band(start, stop, 1);
    for (const { start, stop, label, strength } of labelling.tints()) {
      ctx.globalAlpha = strength;
      ctx.fillStyle = labelling.colour(label);
      band(start, stop, 1.5 * scale);
    }
    ctx.globalAlpha = 1;
    ctx.fillStyle = FOUND;
    for (const [start, stop] of one ? one.pane.found : []) band(start, stop, 2 * scale, 3 * scale);
    ctx.restore();
  }

  // An answer stays where its seconds are until the next one comes.
  paint(ctx, bbox, { canvas, start, stop }) {
    const { axis } = this.viewer;
    const scale = bbox.width / axis.width;
    ctx.save();
    ctx.beginPath();
    ctx.rect(bbox.left, bbox.top, bbox.width, bbox.height);
    ctx.clip();
    ctx.imageSmoothingEnabled = false;
    ctx.drawImage(canvas, bbox.left + axis.x(start) * scale, bbox.top, (axis.x(stop) - axis.x(start)) * scale, bbox.height);
    ctx.restore();
  }

  mark(plot, pane) {
    const { ctx, bbox } = plot;
    ctx.save();
    ctx.setLineDash([5, 4]);
    ctx.strokeStyle = this.shades.muted;
    for (const level of pane.levels) {
      const y = plot.valToPos(level, "y", true);
      ctx.beginPath();
      ctx.moveTo(bbox.left, y);
      ctx.lineTo(bbox.left + bbox.width, y);
      ctx.stroke();
    }
    ctx.setLineDash([]);
    ctx.strokeStyle = this.shades.ink;
    for (const second of this.viewer.labelling.cursors) {
      const x = bbox.left + (this.viewer.axis.x(second) / this.viewer.axis.width) * bbox.width;
      if (x < bbox.left || x > bbox.left + bbox.width) continue;
      ctx.beginPath();
      ctx.moveTo(x, bbox.top);
      ctx.lineTo(x, bbox.top + bbox.height);
      ctx.stroke();
    }
    ctx.restore();
  }

  move() {
    this.shades = colours(this.viewer.root);
    for (const { plot } of this.plots) plot.setScale("x", { min: this.viewer.axis.view[0], max: this.viewer.axis.view[1] });
  }

  // What is held is drawn at once; what is wanted around the new window is asked for.
  ask() {
    if (!this.plots.length) return;
    this.use(this.held.best());
    this.held.ask((answer) => this.use(answer));
  }

  // New data are on their way to the screen; it is counted when the whole window has them in full.
  use(answer) {
    if (!answer || !this.plots.length) return;
    if (answer !== this.drawn) this.put(answer);
    if (!this.held.isFull(answer)) return;
    this.pictures += 1;
    this.viewer.root.dataset.pictures = this.pictures;
    this.viewer.root.dataset.ready = "true";
  }

  put(answer) {
    this.drawn = answer;
    for (const [number, part] of answer.parts.entries()) {
      const one = this.plots[number];
      if (!one) continue;
      one.image = part.image;
      one.gaps = part.gaps;
      one.plot.setData(part.image ? [[...this.viewer.axis.span], [null, null]] : [part.time, ...part.values], false);
      one.plot.setScale("x", { min: this.viewer.axis.view[0], max: this.viewer.axis.view[1] });
    }
  }
}

// A tick with as many digits as tell it from the next, however far from zero both are.
function figure(tick, step) {
  const digits = Math.min(100, Math.max(0, 1 - Math.floor(Math.log10(step))));
  const text = String(Number(tick.toFixed(digits))).replace("-", "−");
  return text.length > MOST_LETTERS && !text.includes("e") ? `…${text.slice(1 - MOST_LETTERS)}` : text;
}

function hatched(ctx, ink) {
  const tile = document.createElement("canvas");
  tile.width = tile.height = 8;
  const pen = tile.getContext("2d");
  pen.strokeStyle = ink;
  pen.globalAlpha = 0.45;
  for (const from of [-8, 0, 8]) {
    pen.moveTo(from, 8);
    pen.lineTo(from + 8, 0);
  }
  pen.stroke();
  return ctx.createPattern(tile, "repeat");
}
