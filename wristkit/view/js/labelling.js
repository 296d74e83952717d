// Labels as they are seen and edited: shown changed at once, sent to Python, and corrected by what it answers.
import { COLOURS, plain } from "./dom.js";

export class Labelling {
  constructor(viewer) {
    this.viewer = viewer;
    this.cursors = [];
    this.load(viewer.model.get("labels"));
  }

  load(rows) {
    this.rows = rows.map(([key, start, stop, label, tier, rater]) => ({ key, start, stop, label, tier, rater }));
    const meta = this.viewer.meta();
    this.classes = [...new Set([...meta.classes, ...this.rows.map((row) => row.label)])];
    this.tiers = [...new Set([...meta.tiers, ...this.rows.map((row) => row.tier)])];
    this.tier = this.tiers.includes(this.tier) ? this.tier : this.tiers[0];
    this.label = this.label || this.classes[0] || "event";
    if (!this.row(this.selected)) this.selected = null;
    this.viewer.root.dataset.labels = this.rows.length;
  }

  get events() {
    return this.viewer.model.get("events").map(([start, stop, label, verdict]) => ({ start, stop, label, verdict }));
  }

  row(key) {
    return this.rows.find((row) => row.key === key);
  }

  colour(label) {
    const at = this.classes.indexOf(label);
    return at < 0 ? "#777777" : COLOURS[at % COLOURS.length];
  }

  visible(most) {
    const [start, stop] = this.viewer.axis.view;
    const seen = this.rows.filter((row) => row.start <= stop && row.stop >= start);
    return seen.length <= most ? seen : seen.filter((row) => row.key === this.selected);
  }

  select(key) {
    this.selected = key;
    const row = this.row(key);
    if (row) {
      this.viewer.say(`${plain(row.label)}, ${plain(row.tier)}, ${row.start.toFixed(3)} s to ${row.stop.toFixed(3)} s`);
      this.label = row.label;
    }
    this.viewer.redraw();
  }

  // Python is asked; what it refuses is told, and the rows that it then sends stand.
  edit(operation, fields, said) {
    const started = performance.now();
    this.viewer.kernel.send({ kind: "edit", operation, ...fields }, (answer) => {
      this.lastMs = performance.now() - started;
      this.viewer.say(answer.error || said || answer.text || "");
      if (answer.rows) this.load(answer.rows);
      if (!answer.error && answer.keys && answer.keys.length) this.select(answer.keys[0]);
      this.viewer.root.dataset.edits = Number(this.viewer.root.dataset.edits || 0) + 1;
      this.viewer.redraw();
    });
  }

  add(start, stop) {
    const [first, last] = start <= stop ? [start, stop] : [stop, start];
    this.edit("add", { start: first, stop: last, label: this.label, tier: this.tier }, `${plain(this.label)} added`);
  }

  change(key, fields, said) {
    const row = this.row(key);
    if (!row) return;
    const seen = Object.fromEntries(Object.keys(fields).map((name) => [name, row[name]]));
    Object.assign(row, fields);
    this.edit("change", { key, fields, seen }, said);
  }

  relabel(number) {
    const label = this.classes[number];
    if (label === undefined) return;
    this.label = label;
    if (this.row(this.selected)) this.change(this.selected, { label }, `relabelled ${plain(label)}`);
    else this.viewer.say(`new labels are ${plain(label)}`);
    this.viewer.redraw();
  }

  remove() {
    if (this.row(this.selected)) this.edit("remove", { keys: [this.selected] }, "label removed");
  }

  split() {
    const row = this.row(this.selected);
    const at = this.cursors[0] ?? this.viewer.pointed;
    if (row && at > row.start && at < row.stop) this.edit("split", { key: row.key, at }, "label split");
    else this.viewer.say("to split, select a label and put the cursor (c) inside it");
  }

  merge() {
    const row = this.row(this.selected);
    const next = row && this.ordered(this.rows.filter((one) => one.tier === row.tier && one.rater === row.rater && one.label === row.label)).find((one) => one.start > row.start);
    if (next) this.edit("merge", { keys: [row.key, next.key] }, "merged with the next of its class");
    else this.viewer.say("to merge, select a label that has a later one of its class in its row");
  }

  copy() {
    const row = this.row(this.selected);
    const tier = this.tiers[(this.tiers.indexOf(row && row.tier) + 1) % this.tiers.length];
    if (row && tier !== row.tier) this.edit("copy", { keys: [row.key], tier }, `copied to ${plain(tier)}`);
    else this.viewer.say("to copy, select a label; there must be another tier to copy it to");
  }

  snap() {
    const row = this.row(this.selected);
    if (row) this.edit("snap", { key: row.key, perPixel: this.viewer.axis.perPixel }, "snapped to the nearest peak");
    else this.viewer.say("to snap, select a label");
  }

  looked() {
    const [start, stop] = this.viewer.axis.view;
    this.edit("look", { start, stop, tier: this.tier }, `what is in view was looked at for ${plain(this.tier)}`);
  }

  ordered(rows) {
    return [...rows].sort((one, other) => one.start - other.start || one.stop - other.stop);
  }

  // Steps from what is selected or in the middle of the view to the next or the previous of some rows.
  step(rows, forward, name) {
    const [start, stop] = this.viewer.axis.view;
    const chosen = this.row(this.selected);
    const whole = this.viewer.axis.span[1] - this.viewer.axis.span[0] - (stop - start) < 1e-9;
    const seen = chosen && chosen.start <= stop && chosen.stop >= start;
    const from = this.at ?? (seen ? chosen.start : whole ? (forward ? -Infinity : Infinity) : (start + stop) / 2);
    const ordered = this.ordered(rows);
    const found = forward ? ordered.find((row) => row.start > from + 1e-9) : ordered.reverse().find((row) => row.start < from - 1e-9);
    if (!found) {
      this.viewer.say(`no ${name} ${forward ? "after" : "before"} this`);
      return;
    }
    if (whole) {
      const room = Math.max(10, 4 * (found.stop - found.start));
      const middle = (found.start + found.stop) / 2;
      this.viewer.axis.show(middle - room / 2, middle + room / 2);
    } else this.viewer.axis.centre(found.start, found.stop);
    this.at = found.start;
    if (found.key !== undefined) this.select(found.key);
    else this.viewer.say(`${plain(found.label)} ${found.verdict || ""} at ${found.start.toFixed(3)} s`);
  }

  disagreements() {
    const missed = new Set(this.viewer.meta().missed);
    return [...this.rows.filter((row) => missed.has(row.key)), ...this.events.filter((event) => event.verdict === "false alarm")];
  }

  cursor(second) {
    this.cursors = this.cursors.length >= 2 ? [second] : [...this.cursors, second];
    if (this.cursors.length === 2) this.viewer.kernel.send({ kind: "measure", start: Math.min(...this.cursors), stop: Math.max(...this.cursors) }, (answer) => this.viewer.say(answer.text));
    else this.viewer.say(`cursor at ${second.toFixed(4)} s; a second one measures`);
    this.viewer.redraw();
  }
}
