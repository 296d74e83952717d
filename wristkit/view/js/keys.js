// Everything by keyboard. While the viewer has the focus, no key reaches the notebook below it.
import { element } from "./dom.js";
import { findClass } from "./find.js";
import { disagreements, events, labels, step, suggestions, toSelection } from "./jumps.js";
import { parsed } from "./time.js";

export const HELP = [
  ["← →", "earlier, later"],
  ["+ −", "zoom in, out (or ↑ ↓, or the wheel)"],
  ["0", "the whole recording"],
  ["g", "go to a time"],
  ["n  p", "next, previous label"],
  ["e  E", "next, previous event"],
  ["]  [", "next, previous open suggestion"],
  ["a  x", "accept, reject the chosen suggestion"],
  ["d  D", "next, previous disagreement"],
  ["Enter", "zoom to the selected label or event"],
  ["Space", "play or pause the sound of the selection, or of what is in view"],
  ["1 … 9", "class of the selected label and of new ones"],
  ["f", "find a class by its name"],
  ["l", "new label in the middle, or between two cursors"],
  ["Shift + drag", "draw a label"],
  ["Alt + drag", "zoom to a stretch"],
  [",  .  <  >", "move the start, the stop by a pixel"],
  ["s  m  t", "split, merge with the next, copy to the other tier"],
  ["x", "snap the selected label to the nearest peak"],
  ["T", "next tier, for new labels"],
  ["v  V", "mark what is in view, or between two cursors, as looked at (underlined), as not"],
  ["c", "cursor; two of them measure"],
  ["Delete", "remove the selected label"],
  ["Tab, then ↑ ↓", "on the lower edge of a pane: its height (or drag it)"],
  ["Ctrl+Z  Ctrl+Y", "undo, redo"],
  ["Esc", "let go; close this list"],
];

export function keysOf(viewer) {
  const { root, axis, labelling } = viewer;

  const nudge = (edge, pixels) => {
    const row = labelling.row(labelling.selected);
    if (!row) return;
    const to = row[edge] + pixels * axis.perPixel;
    if (edge === "start" ? to <= row.stop : to >= row.start) labelling.change(row.key, { [edge]: to }, `${edge} ${to.toFixed(4)} s`);
  };
  const fresh = () => {
    const [start, stop] = axis.view;
    const [first, last] = labelling.cursors.length === 2 ? labelling.cursors : [(start + stop) / 2 - (stop - start) / 20, (start + stop) / 2 + (stop - start) / 20];
    labelling.add(first, last);
  };
  const pointed = () => (viewer.pointed >= axis.view[0] && viewer.pointed <= axis.view[1] ? viewer.pointed : null);
  const seconds = () => axis.view[1] - axis.view[0];
  const middle = () => (axis.view[0] + axis.view[1]) / 2;
  const keys = {
    ArrowLeft: () => axis.pan(-0.2 * seconds()),
    ArrowRight: () => axis.pan(0.2 * seconds()),
    ArrowUp: () => axis.zoom(0.6, middle()),
    ArrowDown: () => axis.zoom(1 / 0.6, middle()),
    "+": () => axis.zoom(0.6, middle()),
    "=": () => axis.zoom(0.6, middle()),
    "-": () => axis.zoom(1 / 0.6, middle()),
    0: () => axis.whole(),
    Home: () => axis.whole(),
    n: () => step(viewer, labels(viewer), true, "label"),
    p: () => step(viewer, labels(viewer), false, "label"),
    e: () => step(viewer, events(viewer), true, "event"),
    E: () => step(viewer, events(viewer), false, "event"),
    "]": () => step(viewer, suggestions(viewer), true, "open suggestion"),
    "[": () => step(viewer, suggestions(viewer), false, "open suggestion"),
    d: () => step(viewer, disagreements(viewer), true, "disagreement"),
    D: () => step(viewer, disagreements(viewer), false, "disagreement"),
    a: () => labelling.accept(),
    Enter: () => toSelection(viewer),
    " ": () => viewer.player.toggle(),
    l: fresh,
    s: () => labelling.split(),
    m: () => labelling.merge(),
    t: () => labelling.copy(),
    x: () => (labelling.chosen === null ? labelling.snap() : labelling.reject()), // what is chosen is either of them
    f: () => findClass(viewer),
    T: () => labelling.nextTier(),
    v: () => labelling.looked(true),
    V: () => labelling.looked(false),
    c: () => labelling.cursor(pointed() ?? middle()),
    ",": () => nudge("start", -1),
    ".": () => nudge("start", 1),
    "<": () => nudge("stop", -1),
    ">": () => nudge("stop", 1),
    Delete: () => labelling.remove(),
    Backspace: () => labelling.remove(),
    g: () => goTo(viewer),
    "?": () => help(viewer),
    Escape: () => letGo(),
  };
  const letGo = () => {
    viewer.cancelDrag();
    labelling.letGo();
    for (const panel of root.querySelectorAll(".wk-panel")) panel.remove();
  };

  const press = (event) => {
    event.stopPropagation();
    if (event.target.tagName === "INPUT" || event.target.tagName === "SELECT") return;
    if (event.target.tagName === "BUTTON" && (event.key === "Enter" || event.key === " ")) return;
    // On many keyboards brackets and more are typed with AltGr, which says Ctrl and Alt, too.
    const isTyped = event.getModifierState("AltGraph") || (event.altKey && "[]".includes(event.key));
    const command = !isTyped && (event.ctrlKey || event.metaKey);
    if (command && event.key.toLowerCase() === "z") labelling.edit(event.shiftKey ? "redo" : "undo", {});
    else if (command && event.key.toLowerCase() === "y") labelling.edit("redo", {});
    else if (command || (event.altKey && !isTyped)) return;
    else if (/^[1-9]$/.test(event.key)) labelling.relabel(Number(event.key) - 1);
    else if (keys[event.key]) keys[event.key]();
    else return;
    event.preventDefault();
  };
  root.addEventListener("keydown", press);
  return () => root.removeEventListener("keydown", press);
}

export function goTo(viewer) {
  const input = viewer.root.querySelector(".wk-time");
  input.focus();
  input.select();
}

export function takeTime(viewer, text) {
  const second = parsed(text);
  const [first, last] = viewer.axis.span;
  if (second === null) viewer.say("a time is seconds, minutes:seconds or hours:minutes:seconds");
  else if (second < first || second > last) viewer.say(`the recording is from ${first.toFixed(1)} s to ${last.toFixed(1)} s`);
  else {
    const wide = viewer.axis.view[1] - viewer.axis.view[0];
    const room = wide > 0.99 * (last - first) ? Math.min(wide, 10) : wide;
    viewer.axis.show(second - room / 2, second + room / 2);
    viewer.root.focus({ preventScroll: true });
  }
}

export function help(viewer) {
  const old = viewer.root.querySelector(".wk-help");
  if (old) {
    old.remove();
    return;
  }
  const list = element("div", "wk-panel wk-help", { role: "note", "aria-label": "keys" }); // a list takes the notebook's own style
  for (const [key, what] of HELP) list.append(element("span", "wk-key", {}, key), element("span", "", {}, what));
  viewer.stage.append(list);
}
