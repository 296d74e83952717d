// One plot a stream, drawn by uPlot from what Python thinned; between two answers the last one is moved.
import uPlot from "uplot";
import { colours, element } from "./dom.js";
import { gripOf, heightOf } from "./resize.js";
import { LEFT, RIGHT, STEPS, clock, digitsFor } from "./time.js";

const AXIS = 30;
const FOUND = "#a86500";

export class Panes {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("div", "wk-panes");
    this.plots = [];
    this.locked = new Map();
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

  build() {
    const width = this.viewer.root.clientWidth;
    if (!width) return;
    this.clear();
    this.locked.clear(); // its buttons are new
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
    if (pane.findings.length) head.append(element("span", "wk-found", { title: pane.findings.join("\n") }, pane.findings.join(", ")));
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
        { ...line, size: LEFT, space: 26, gap: 4, values: (_, ticks) => ticks.map((tick) => String(Number(tick.toPrecision(6))).replace("-", "−")) },
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

  // Red, green, blue and full cover of each step as one word, in the byte order of this machine.
  shadesOfPower() {
    const { scale } = this.viewer.meta();
    if (this.powerScale !== scale) {
      this.powerScale = scale;
      this.powerWords = new Uint32Array(new Uint8ClampedArray(scale.flatMap((shade) => [...shade, 255])).buffer);
    }
    return this.powerWords;
  }

  picture(levels, [rows, columns, start, stop]) {
    const canvas = document.createElement("canvas");
    canvas.width = columns;
    canvas.height = rows;
    const pixels = new ImageData(columns, rows);
    const shades = this.shadesOfPower();
    const words = new Uint32Array(pixels.data.buffer);
    for (let row = 0; row < rows; row += 1)
      for (let column = 0, from = row * columns, to = (rows - 1 - row) * columns; column < columns; column += 1)
        words[to + column] = shades[levels[from + column]];
    canvas.getContext("2d").putImageData(pixels, 0, 0);
    return { canvas, start, stop };
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

  ask() {
    const { axis, kernel } = this.viewer;
    if (!this.plots.length) return;
    // A little more than one bin a pixel: none is left without a stroke.
    kernel.window({ start: axis.view[0], stop: axis.view[1], bins: Math.round(axis.width * 1.3) }, (message, buffers) => this.take(message, buffers));
  }

  take(message, buffers) {
    let at = 0;
    for (const [number, part] of message.panes.entries()) {
      const one = this.plots[number];
      if (part.image) {
        const view = buffers[at];
        at += 1;
        if (!one) continue;
        one.image = this.picture(new Uint8Array(view.buffer, view.byteOffset, view.byteLength), part.image);
        one.plot.setData([[...this.viewer.axis.span], [null, null]], false);
        one.plot.setScale("x", { min: this.viewer.axis.view[0], max: this.viewer.axis.view[1] });
        continue;
      }
      const time = Float64Array.from(new Float32Array(aligned(buffers[at], 4)), (since) => message.start + since);
      const values = part.channels.map((_, channel) => nullable(new Float32Array(aligned(buffers[at + 1 + channel], 4))));
      at += 1 + part.channels.length;
      if (!one) continue;
      one.gaps = part.gaps;
      one.plot.setData([time, ...values], false);
      one.plot.setScale("x", { min: this.viewer.axis.view[0], max: this.viewer.axis.view[1] });
    }
    this.viewer.root.dataset.windows = this.viewer.kernel.windows;
    this.viewer.root.dataset.ready = "true";
  }
}

function aligned(view, size) {
  const { buffer, byteOffset, byteLength } = view;
  return buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % size));
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

// uPlot lifts its pen at null; a NaN would draw to nowhere.
function nullable(values) {
  const out = new Array(values.length);
  for (let k = 0; k < values.length; k += 1) out[k] = Number.isNaN(values[k]) ? null : values[k];
  return out;
}
