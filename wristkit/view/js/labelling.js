// Labels as they are seen and edited: shown changed at once, sent to Python, and corrected by what it tells.
import { plain } from "./dom.js";
import { Rows } from "./rows.js";

const MOST_TINTS = 150;
const PATIENCE_MS = 4000;

export class Labelling {
  constructor(viewer) {
    this.viewer = viewer;
    this.cursors = [];
    this.known = new Rows();
    this.judged = [];
    this.notes = { classes: [], colours: [], tiers: [], refusal: null, looked: {} };
    this.selected = null; // the key of a label
    this.chosen = null; // the place of an event
    this.meet();
  }

  // What Python tells of labels: all of them, or what changed since a state that should be the one known here.
  take(message) {
    if (message.base !== null && this.known.step < 0) return; // the whole was asked for and is on its way
    const isNew = this.known.take(message);
    if (isNew === null) this.ask();
    if (!isNew) return;
    for (const [event, verdict, state] of message.judged) this.judged[event] = { verdict, state };
    Object.assign(this.notes, message.notes);
    this.meet();
    if (message.notes.refusal) this.viewer.say(message.notes.refusal);
  }

  ask() {
    this.viewer.kernel.send({ kind: "labels", whole: true }, (answer) => (this.take(answer), this.viewer.redraw()));
  }

  // What others changed is told to all views before this is answered; a view that then lags behind has missed some.
  follow() {
    this.viewer.kernel.send({ kind: "labels", whole: false }, ({ step }) => step !== this.known.step && this.ask());
  }

  meet() {
    const { tiers } = this.notes;
    this.tier = tiers.includes(this.tier) ? this.tier : tiers[0] || "truth";
    this.label = this.classes.includes(this.label) ? this.label : this.classes[0]; // not before they are known
    const unknown = { verdict: "", state: "open" };
    this.events = this.viewer.model.get("events").map(([start, stop, label], event) => ({ event, start, stop, label, ...(this.judged[event] || unknown) }));
    if (!this.row(this.selected)) this.selected = null;
    if (!this.events[this.chosen]) this.chosen = null;
    this.viewer.root.dataset.labels = this.rows.length;
    this.viewer.root.dataset.step = this.known.step;
  }

  get rows() {
    return this.known.ordered;
  }

  get classes() {
    return this.notes.classes;
  }

  row(key) {
    return this.known.byKey.get(key);
  }

  // What Enter shows, and what is played: the label or the event that was chosen last.
  get current() {
    return this.row(this.selected) || this.events[this.chosen] || null;
  }

  // Of Okabe and Ito: told apart by the colour-blind, too; whatever they mean stands beside them in words.
  colour(label) {
    return this.notes.colours[this.classes.indexOf(label)] ?? "#777777";
  }

  // What tints the panes: stretches of each class in the active tier, each once, and the label that is chosen; of so
  // many that they would be mere stripes only the latter.
  tints() {
    const seen = this.known.within(...this.viewer.axis.view);
    const own = seen.filter((row) => row.tier === this.tier && row.key !== this.selected);
    const joined = [];
    const last = new Map();
    for (const { start, stop, label } of own.length <= MOST_TINTS ? own : []) {
      const before = last.get(label);
      if (before && start <= before.stop) before.stop = Math.max(before.stop, stop);
      else joined.push(last.set(label, { start, stop, label, strength: 0.15 }).get(label));
    }
    const { current } = this;
    return current ? [...joined, { ...current, strength: 0.32 }] : joined;
  }

  select(key) {
    this.selected = key;
    this.chosen = null;
    const row = this.row(key);
    if (row) {
      const alone = row.remark === "disputed" ? ", not so by another rater" : "";
      this.viewer.say(`${plain(row.label)}, ${plain(row.tier)}, ${plain(row.rater)}, ${row.start.toFixed(3)} s to ${row.stop.toFixed(3)} s${alone}`);
      this.label = row.label;
    }
    this.viewer.redraw();
  }

  letGo() {
    this.cursors = [];
    this.select(null);
  }

  choose(event) {
    this.selected = null;
    this.chosen = event;
    const { start, stop, label, verdict, state } = this.events[event];
    const keys = state === "accepted" ? "" : state === "open" ? "; a accepts, x rejects" : "; a accepts";
    this.viewer.say(`${plain(label)} ${verdict}, ${state}, ${start.toFixed(3)} s to ${stop.toFixed(3)} s${keys}`);
    this.viewer.redraw();
  }

  // Python tells all views what an edit changed, then answers who asked; what it refuses comes with all as it stands.
  // Returns whether it could be sent.
  edit(operation, fields, said) {
    const started = performance.now();
    const { selected, chosen } = this;
    const late = setTimeout(() => this.viewer.say("the last edit is not on disk yet: the kernel is busy, or has ended"), PATIENCE_MS);
    const sent = this.viewer.kernel.send({ kind: "edit", operation, shown: this.viewer.meta().shown, ...fields }, (answer) => {
      clearTimeout(late);
      this.lastMs = performance.now() - started;
      if (answer.rows) this.take(answer);
      // Whoever went on to another label in the meantime is not thrown back: the next key is meant for that one.
      const isThere = this.selected === selected && this.chosen === chosen;
      if (isThere && !answer.error && answer.keys && answer.keys.length) this.select(answer.keys[0]);
      this.viewer.say(answer.error || said || "");
      this.viewer.root.dataset.edits = Number(this.viewer.root.dataset.edits || 0) + 1;
      this.viewer.redraw();
    });
    if (sent === null) clearTimeout(late);
    return sent !== null;
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
    if (!this.edit("change", { key, fields, seen }, said)) Object.assign(row, seen);
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

  accept() {
    if (this.chosen !== null) this.edit("accept", { event: this.chosen, tier: this.tier }, `accepted as a label of ${plain(this.tier)}`);
    else this.viewer.say("to accept a suggestion, choose an event (] or e)");
  }

  reject() {
    if (this.chosen !== null) this.edit("reject", { event: this.chosen }, "rejected; it is not offered again");
    else this.viewer.say("to reject a suggestion, choose an event (] or e)");
  }

  snap() {
    const row = this.row(this.selected);
    if (row) this.edit("snap", { key: row.key, perPixel: this.viewer.axis.perPixel }, "snapped to the nearest peak");
    else this.viewer.say("to snap, select a label; to reject, choose an event");
  }

  split() {
    const row = this.row(this.selected);
    const at = this.cursors[0] ?? this.viewer.pointed;
    if (row && at > row.start && at < row.stop) this.edit("split", { key: row.key, at }, "label split");
    else this.viewer.say("to split, select a label and put the cursor (c) inside it");
  }

  merge() {
    const row = this.row(this.selected);
    const next = row && this.rows.find((one) => one.start > row.start && one.tier === row.tier && one.rater === row.rater && one.label === row.label);
    if (next) this.edit("merge", { keys: [row.key, next.key] }, "merged with the next of its class");
    else this.viewer.say("to merge, select a label that has a later one of its class in its row");
  }

  copy() {
    const row = this.row(this.selected);
    const { tiers } = this.notes;
    const tier = tiers[(tiers.indexOf(row && row.tier) + 1) % tiers.length];
    if (row && tier !== row.tier) this.edit("copy", { keys: [row.key], tier }, `copied to ${plain(tier)}`);
    else this.viewer.say("to copy, select a label; there must be another tier to copy it to");
  }

  // What lies between two cursors, else what is in view, was looked at for labels of the tier, or is said not to have been.
  looked(isSo) {
    const isMarked = this.cursors.length === 2;
    const [start, stop] = isMarked ? [...this.cursors].sort((one, other) => one - other) : this.viewer.axis.view;
    const where = isMarked ? "what lies between the cursors" : "what is in view";
    this.edit(isSo ? "look" : "forget", { start, stop, tier: this.tier }, `${where} ${isSo ? "was looked at" : "counts as not looked at"} for ${plain(this.tier)}`);
  }

  useTier(name) {
    this.tier = name;
    this.viewer.say(`new labels go to the tier ${plain(name)}`);
    this.viewer.redraw();
  }

  nextTier() {
    const { tiers } = this.notes;
    if (tiers.length > 1) this.useTier(tiers[(tiers.indexOf(this.tier) + 1) % tiers.length]);
    else this.viewer.say("there is one tier; wk.view(..., tiers=[...]) names others");
  }

  cursor(second) {
    this.cursors = this.cursors.length >= 2 ? [second] : [...this.cursors, second];
    if (this.cursors.length === 2) this.viewer.kernel.send({ kind: "measure", start: Math.min(...this.cursors), stop: Math.max(...this.cursors) }, (answer) => this.viewer.say(answer.text));
    else this.viewer.say(`cursor at ${second.toFixed(4)} s; a second one measures`);
    this.viewer.redraw();
  }
}
