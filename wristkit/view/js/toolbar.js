// Buttons for what the keys do, the class of new labels, and where one is.
import { agreement } from "./agreement.js";
import { element, plain } from "./dom.js";
import { findClass } from "./find.js";
import { glyph } from "./glyphs.js";
import { disagreements, events, labels, step, suggestions } from "./jumps.js";
import { help, takeTime } from "./keys.js";
import { clock, digitsFor } from "./time.js";

export function toolbarOf(viewer) {
  const { axis, labelling, root } = viewer;
  const bar = element("div", "wk-toolbar", { role: "toolbar", "aria-label": "viewer" });
  const act = (what) => () => (what(), root.focus({ preventScroll: true }));
  const button = (text, title, what) => {
    const made = element("button", "wk-button", { type: "button", title, "aria-label": title }, text);
    made.addEventListener("click", act(what));
    return made;
  };
  const named = (text, title, what) => {
    const made = button(text, title, what);
    made.removeAttribute("aria-label"); // it is its text
    return made;
  };
  const choice = (title, what) => {
    const made = element("select", "wk-chooser", { "aria-label": title, title });
    let isTyped = false; // who goes through the choices by arrow keys is to stay among them
    made.addEventListener("keydown", () => (isTyped = true));
    made.addEventListener("pointerdown", () => (isTyped = false));
    made.addEventListener("change", () => (isTyped ? what(made.value) : act(() => what(made.value))()));
    return made;
  };
  const group = (...parts) => {
    const made = element("span", "wk-group");
    made.append(...parts);
    bar.append(made);
    return made;
  };
  // "‹ label ›": to the previous and the next of some rows.
  const pair = (text, rows, name, keys) => {
    const made = element("span", "wk-pair");
    const to = (forward) => () => step(viewer, rows(viewer), forward, name);
    made.append(button("‹", `previous ${name} (${keys[0]})`, to(false)), element("span", "", {}, text), button("›", `next ${name} (${keys[1]})`, to(true)));
    return made;
  };

  const chooser = choice("recording", (index) => viewer.kernel.send({ kind: "choose", index: Number(index) }, () => {}));
  const tier = choice("tier of new labels (T)", (name) => labelling.useTier(name));
  const shut = element("span", "wk-shut", { role: "note" }, "labels cannot be edited");
  const choices = group(chooser, tier, shut);
  const classes = group();
  const event = pair("event", events, "event", "Ee");
  const differ = pair("differ", disagreements, "disagreement", "Dd");
  const raters = named("raters", "how far the raters of this tier agree", () => agreement(viewer));
  group(pair("label", labels, "label", "pn"), event, differ, raters);
  const counts = element("span", "wk-counts", { role: "status" });
  const decide = element("span", "wk-pair");
  decide.append(
    named("accept", "accept the chosen suggestion as a label (a)", () => labelling.accept()),
    named("reject", "reject the chosen suggestion; it is not offered again (x)", () => labelling.reject()),
  );
  const score = element("span", "wk-score");
  const verdicts = new Map(
    [["hit", "hits"], ["missed", "missed"], ["false alarm", "false alarms"], ["not looked at", "not looked at"]].map(([name, words]) => {
      const [part, text] = [element("span", "wk-verdict"), element("span", "")];
      part.append(glyph(name), text);
      score.append(part);
      return [name, (count) => (write(text, `${count} ${words}`), show(part, count || name !== "not looked at"))];
    }),
  );
  const offers = group(score, counts, pair("open", suggestions, "open suggestion", "[]"), decide);
  const look = element("span", "wk-pair");
  look.append(
    named("looked at", "mark what is in view, or between two cursors, as looked at: there, silence says that nothing happened (v)", () => labelling.looked(true)),
    named("not", "mark what is in view, or between two cursors, as not looked at (V)", () => labelling.looked(false)),
  );
  look.lastChild.setAttribute("aria-label", "not looked at");
  group(
    look,
    named("undo", "take the last edit back (Ctrl+Z)", () => labelling.edit("undo", {})),
    named("redo", "make it again (Ctrl+Y)", () => labelling.edit("redo", {})),
  );
  const play = named("play", "play or pause the sound of the selection or of what is in view (Space)", () => viewer.player.toggle());
  const time = element("input", "wk-time", { type: "text", "aria-label": "go to a time, as 1:02:03.5 or seconds (g)", size: "11" });
  time.addEventListener("keydown", ({ key }) => {
    if (key === "Enter") takeTime(viewer, time.value);
    if (key === "Escape") root.focus({ preventScroll: true });
  });
  const wide = element("span", "wk-wide");
  group(play, time, wide, named("whole", "the whole recording (0)", () => axis.whole()), button("?", "all keys (?)", () => help(viewer)));

  const classButton = (name, number) => {
    const key = number < 9 ? number + 1 : "f";
    const made = named("", `${plain(name)} (${key})`, () => labelling.relabel(number));
    made.classList.add("wk-class");
    made.setAttribute("aria-pressed", String(name === labelling.label));
    const swatch = element("i", "");
    swatch.style.background = labelling.colour(name);
    made.append(swatch, document.createTextNode(number < 9 ? `${key} ${plain(name, 18)}` : plain(name, 18)));
    return made;
  };
  // Those with a key, then the one in use where it has none, and the way to all others.
  const classButtons = () => {
    const keyed = labelling.classes.slice(0, 9).map(classButton);
    const at = labelling.classes.indexOf(labelling.label);
    const count = labelling.classes.length;
    return [...keyed, ...(at > 8 ? [classButton(labelling.label, at)] : []), ...(count > 9 ? [named(`all ${count}…`, "find a class by its name (f)", () => findClass(viewer))] : [])];
  };
  let shown = "";
  const refreshLabels = () => {
    const { events: all, notes } = labelling;
    const isRated = [...labelling.known.lanes.values()].filter((lane) => lane.tier === labelling.tier).length > 1;
    show(event, all.length);
    show(offers, all.length);
    show(differ, all.length || isRated);
    show(raters, isRated);
    show(tier, notes.tiers.length > 1);
    show(shut, notes.refusal);
    shut.title = notes.refusal || "";
    fill(tier, notes.tiers.map((name) => [plain(name, 24), name]), labelling.tier);
    const count = (state) => all.filter((one) => one.state === state).length;
    const judged = (verdict) => all.filter((one) => one.verdict === verdict).length;
    const missed = labelling.rows.filter((row) => row.remark === "missed").length;
    for (const [name, tell] of verdicts) tell(name === "missed" ? missed : judged(name));
    write(counts, `suggestions: ${count("open")} open, ${count("accepted")} accepted, ${count("rejected")} rejected`);
    const now = JSON.stringify([labelling.classes, notes.colours, labelling.label]);
    if (now !== shown) classes.replaceChildren(...classButtons());
    shown = now;
  };
  const refresh = () => {
    const { recordings: names, shown: chosen, sound } = viewer.meta();
    show(chooser, names.length > 1);
    fill(chooser, names.map((name, number) => [name, String(number)]), String(chosen));
    refreshLabels();
    show(choices, names.length > 1 || labelling.notes.tiers.length > 1 || labelling.notes.refusal);
    show(play, sound);
    write(play, viewer.player.playing ? "pause" : "play");
    if (document.activeElement !== time) time.value = clock(axis.view[0], digitsFor(axis.perPixel * 20));
    write(wide, `+ ${clock(axis.view[1] - axis.view[0], digitsFor(axis.perPixel * 20))}`);
  };
  return { element: bar, refresh };
}

function show(part, is) {
  part.style.display = is ? "" : "none";
}

function write(part, text) {
  if (part.textContent !== text) part.textContent = text; // a screen reader tells each writing
}

function fill(select, options, value) {
  const now = JSON.stringify(options);
  if (select.dataset.options !== now) select.replaceChildren(...options.map(([text, own]) => new Option(text, own)));
  select.dataset.options = now;
  select.value = value;
}
