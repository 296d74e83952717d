// Labels and events as named bars above the panes.
import { colours, element, fitted, inkOn, plain, sharpCanvas } from "./dom.js";
import { GLYPH, drawGlyph } from "./glyphs.js";
import { REJECTED, laneName } from "./rows.js";
import { LEFT, RIGHT } from "./time.js";

const LANE = 22;
const HIGH = LANE - 5; // of a bar
const SLIP = 5; // pixels beside a bar that still hit it
const EDGE = 6;
const LEAST = 3; // a bar is never thinner
const LEAST_EVENT = 6; // or it could not be told from a full one that it is hollow
const LOOKED = "#009E73";
const READABLE = 24; // pixels below which no name is tried
const SIGNED = GLYPH + 5; // pixels of a bar that has room for a sign
const ALONE = [3, 2]; // dashes around what nothing matched
const UNSEEN = [1, 2]; // and where nobody looked
const DASHES = { missed: ALONE, disputed: ALONE, "false alarm": ALONE, "not looked at": UNSEEN };

export class Lanes {
  constructor(viewer) {
    this.viewer = viewer;
    this.element = element("canvas", "wk-lanes", { role: "img", "aria-label": "rows of labels and events" });
    this.bars = [];
  }

  // One row a tier and rater, in the order of tiers and of names, then one of events. A tier without labels has one, too,
  // where it was looked at, or new labels go to it.
  rows() {
    const { labelling } = this.viewer;
    const place = ({ tier }) => labelling.notes.tiers.indexOf(tier);
    const lanes = [...labelling.known.lanes.values()];
    const bare = new Set([labelling.tier, ...Object.keys(labelling.notes.looked)]);
    for (const tier of [REJECTED, ...lanes.map((lane) => lane.tier)]) bare.delete(tier);
    lanes.push(...[...bare].map((tier) => ({ tier, rater: "" })));
    lanes.sort((one, other) => place(one) - place(other) || (one.rater < other.rater ? -1 : 1));
    return labelling.events.length ? [...lanes, { tier: "events", rater: "" }] : lanes;
  }

  draw() {
    const { axis, root, labelling } = this.viewer;
    this.shades = colours(root);
    const lanes = this.rows();
    this.pen = sharpCanvas(this.element, LEFT + axis.width + RIGHT, lanes.length * LANE + 4);
    this.pen.font = "11px system-ui, sans-serif";
    this.pen.textBaseline = "middle";
    lanes.forEach((lane, number) => this.head(lane, number));
    this.bars = [];
    this.pen.textAlign = "left";
    this.pen.save();
    this.pen.beginPath();
    this.pen.rect(LEFT, 0, axis.width, lanes.length * LANE + 4);
    this.pen.clip();
    const numbers = new Map(lanes.map(({ tier, rater }, number) => [laneName(tier, rater), number]));
    const chosen = labelling.row(labelling.selected);
    const piles = new Map(); // the newest mark of each row, which takes in what would fall on it
    for (const row of labelling.known.within(...axis.view)) if (row !== chosen) this.label(row, numbers.get(laneName(row.tier, row.rater)), piles);
    if (chosen && chosen.stop >= axis.view[0] && chosen.start <= axis.view[1]) this.label(chosen, numbers.get(laneName(chosen.tier, chosen.rater)), new Map());
    for (const event of labelling.events) this.event(event, lanes.length - 1);
    this.pen.restore();
  }

  // Tier and rater on one line where there is room, else on two.
  head({ tier, rater }, number) {
    const { pen, shades } = this;
    const top = 2 + number * LANE;
    pen.fillStyle = shades.grid;
    pen.fillRect(LEFT, top + LANE - 1, this.viewer.axis.width, 1);
    this.looked(tier, top);
    pen.fillStyle = shades.muted;
    pen.textAlign = "right";
    const line = rater ? `${plain(tier)} · ${plain(rater)}` : plain(tier);
    if (!rater || pen.measureText(line).width <= LEFT - 10) {
      pen.fillText(fitted(pen, line, LEFT - 10), LEFT - 7, top + LANE / 2 - 1);
      return;
    }
    pen.font = "9.5px system-ui, sans-serif";
    pen.fillText(fitted(pen, plain(tier), LEFT - 10), LEFT - 7, top + 6);
    pen.fillStyle = shades.ink;
    pen.fillText(fitted(pen, plain(rater), LEFT - 10), LEFT - 7, top + 16);
    pen.font = "11px system-ui, sans-serif";
  }

  // What was looked at is underlined: there, silence says that nothing happened.
  looked(tier, top) {
    const { axis, labelling } = this.viewer;
    this.pen.fillStyle = LOOKED;
    for (const [start, stop] of labelling.notes.looked[tier] ?? []) {
      const [left, right] = [Math.max(0, axis.x(start)), Math.min(axis.width, axis.x(stop))];
      if (right > 0 && left < axis.width) this.pen.fillRect(LEFT + left, top + LANE - 3, Math.max(1, right - left), 2);
    }
  }

  place({ start, stop }, least) {
    const { axis } = this.viewer;
    const [left, right] = [LEFT + axis.x(start), LEFT + axis.x(stop)];
    return right - left < least ? [(left + right - least) / 2, least] : [left, right - left];
  }

  label(row, lane, piles) {
    const { pen, shades } = this;
    const { labelling } = this.viewer;
    const [x, wide] = this.place(row, LEAST);
    const pile = piles.get(lane);
    if (pile && wide === LEAST && x - pile.x < 1) {
      pile.keys.push(row.key);
      return;
    }
    const top = 2 + lane * LANE + 2;
    const chosen = row.key === labelling.selected;
    const note = row.remark === "disputed" ? `only ${plain(row.rater, 12)}` : row.remark;
    pen.globalAlpha = chosen ? 1 : 0.82;
    pen.fillStyle = labelling.colour(row.label);
    pen.fillRect(x, top, wide, HIGH);
    pen.globalAlpha = 1;
    const ink = inkOn(labelling.colour(row.label));
    if (note) this.edge(row.remark, x, top, wide, shades.ink);
    if (chosen) this.frame(x, top, wide);
    const room = note ? this.sign(row.remark, x, wide, top, ink) : 0;
    this.name([...(note ? [`${plain(row.label)} (${note})`] : []), plain(row.label)], x, wide, top, ink, room);
    const bar = { key: row.key, keys: [row.key], x, wide, top };
    this.bars.push(bar);
    if (wide === LEAST) piles.set(lane, bar);
  }

  // Accepted is a full bar, open a hollow one, rejected a line. The edge and a sign tell a hit from a false alarm and
  // from what nobody looked at; in words where there is room.
  event(event, lane) {
    const { pen, shades } = this;
    const { labelling, axis } = this.viewer;
    if (event.stop < axis.view[0] || event.start > axis.view[1]) return;
    const [x, wide] = this.place(event, LEAST_EVENT);
    const top = 2 + lane * LANE + 2;
    const { state, verdict } = event;
    const colour = labelling.colour(event.label);
    pen.fillStyle = colour;
    pen.globalAlpha = state === "accepted" ? 0.82 : state === "open" ? 0.22 : 0.12;
    pen.fillRect(x, top, wide, HIGH);
    pen.globalAlpha = 1;
    if (state === "rejected") {
      pen.fillStyle = shades.ink;
      pen.fillRect(x, top + HIGH - 3, wide, 2);
    }
    const isOpen = state === "open";
    if (isOpen || verdict !== "hit") this.edge(verdict, x, top, wide, isOpen ? colour : shades.ink, isOpen ? 2 : 1);
    if (event.event === labelling.chosen) this.frame(x, top, wide);
    const ink = state === "accepted" ? inkOn(colour) : shades.ink;
    const room = verdict ? this.sign(verdict, x, wide, top, ink) : 0;
    const name = plain(event.label);
    const told = state === "accepted" ? [`${name} (${verdict})`] : [`${name} (${state}, ${verdict})`, `${name} (${state})`];
    this.name([...told, name], x, wide, top, ink, room);
    this.bars.push({ event: event.event, keys: [], x, wide, top });
  }

  // On what is too narrow for dashes to be seen, a cap instead.
  edge(what, x, top, wide, ink, line = 1) {
    const { pen } = this;
    if (DASHES[what] === ALONE && wide < 8) {
      pen.fillStyle = this.shades.ink;
      pen.fillRect(x, top - 1, wide, 3);
    }
    Object.assign(pen, { strokeStyle: ink, lineWidth: line });
    if (wide >= 8) pen.setLineDash(DASHES[what] || []);
    pen.strokeRect(x + line / 2, top + line / 2, wide - line, HIGH - line);
    pen.setLineDash([]);
    pen.lineWidth = 1;
  }

  // Returns how much room the sign took, at the left end of what is seen of a bar.
  sign(what, x, wide, top, ink) {
    const from = Math.max(x, LEFT);
    if (Math.min(x + wide, LEFT + this.viewer.axis.width) - from < SIGNED) return 0;
    drawGlyph(this.pen, what, from + 3, top + (HIGH - GLYPH) / 2, ink);
    return GLYPH + 1;
  }

  frame(x, top, wide) {
    this.pen.strokeStyle = this.shades.ink;
    this.pen.lineWidth = 2;
    this.pen.strokeRect(x - 1, top - 1, wide + 2, HIGH + 2);
    this.pen.lineWidth = 1;
  }

  // The longest of some texts that has room beside a sign, or as much of the last as has.
  name(texts, x, wide, top, ink, sign) {
    const from = Math.max(x, LEFT) + sign;
    const room = Math.min(x + wide, LEFT + this.viewer.axis.width) - from - 8;
    if (room < READABLE) return;
    this.pen.fillStyle = ink;
    const text = texts.find((one) => this.pen.measureText(one).width <= room) ?? fitted(this.pen, texts[texts.length - 1], room);
    this.pen.fillText(text, from + 4, top + HIGH / 2 + 0.5);
  }

  // The nearest bar under a point, and which part of it; the one selected first, as its handles are on show.
  find(x, y) {
    const { labelling } = this.viewer;
    const beside = (bar) => Math.max(bar.x - x, x - bar.x - bar.wide, 0);
    const near = this.bars.filter((bar) => y >= bar.top - 2 && y <= bar.top + HIGH + 2 && beside(bar) <= SLIP);
    const rank = (bar) => (bar.key !== undefined && bar.key === labelling.selected && bar.wide > LEAST ? -1e9 : 0) + 1e4 * beside(bar) + bar.wide;
    const found = near.reduce((best, bar) => (!best || rank(bar) < rank(best) ? bar : best), null);
    if (!found) return null;
    if (found.event !== undefined) return { event: found.event, part: "body" };
    // Labels that lie on one pixel are met one after the other.
    const at = found.keys.indexOf(labelling.selected);
    const key = found.keys[(at + 1) % found.keys.length];
    const edge = Math.min(EDGE, Math.max(2, found.wide / 3));
    const isNarrow = found.wide <= LEAST;
    const part = isNarrow ? "body" : x <= found.x + edge ? "start" : x >= found.x + found.wide - edge ? "stop" : "body";
    return { key, part, count: found.keys.length };
  }
}
