// Buttons for what the keys do, the class of new labels, and where one is.
import { element, plain } from "./dom.js";
import { help, takeTime } from "./keys.js";
import { clock, digitsFor } from "./time.js";

export function toolbarOf(viewer) {
  const { axis, labelling } = viewer;
  const bar = element("div", "wk-toolbar", { role: "toolbar", "aria-label": "viewer" });
  const button = (text, title, act) => {
    const made = element("button", "wk-button", { type: "button", title }, text);
    made.addEventListener("click", () => (act(), viewer.root.focus({ preventScroll: true })));
    return made;
  };
  const group = (...parts) => {
    const made = element("span", "wk-group");
    made.append(...parts);
    bar.append(made);
    return made;
  };

  const chooser = element("select", "wk-chooser", { "aria-label": "recording" });
  chooser.addEventListener("change", () => {
    viewer.kernel.send({ kind: "choose", index: Number(chooser.value) }, () => {});
    viewer.root.focus({ preventScroll: true });
  });
  const recordings = group(chooser);
  const classes = group();
  group(
    button("‹ label", "previous label (p)", () => labelling.step(labelling.rows, false, "label")),
    button("label ›", "next label (n)", () => labelling.step(labelling.rows, true, "label")),
  );
  const events = group(
    button("‹ event", "previous event (E)", () => labelling.step(labelling.events, false, "event")),
    button("event ›", "next event (e)", () => labelling.step(labelling.events, true, "event")),
    button("differ ›", "next disagreement (d)", () => labelling.step(labelling.disagreements(), true, "disagreement")),
  );
  group(
    button("undo", "take the last edit back (Ctrl+Z)", () => labelling.edit("undo", {})),
    button("redo", "make it again (Ctrl+Y)", () => labelling.edit("redo", {})),
  );
  const time = element("input", "wk-time", { type: "text", "aria-label": "go to a time, as 1:02:03.5 or seconds (g)", size: "11" });
  time.addEventListener("keydown", (event) => {
    if (event.key === "Enter") takeTime(viewer, time.value);
    if (event.key === "Escape") viewer.root.focus({ preventScroll: true });
  });
  const wide = element("span", "wk-wide");
  group(time, wide, button("whole", "the whole recording (0)", () => axis.whole()), button("?", "all keys (?)", () => help(viewer)));

  let shown = "";
  const refresh = () => {
    const { recordings: names, shown: chosen } = viewer.meta();
    recordings.style.display = names.length > 1 ? "" : "none";
    if (chooser.options.length !== names.length) chooser.replaceChildren(...names.map((name, number) => new Option(name, number)));
    chooser.value = chosen;
    events.style.display = viewer.model.get("events").length ? "" : "none";
    if (document.activeElement !== time) time.value = clock(axis.view[0], digitsFor(axis.perPixel * 20));
    wide.textContent = `+ ${clock(axis.view[1] - axis.view[0], digitsFor(axis.perPixel * 20))}`;
    const now = JSON.stringify([labelling.classes, labelling.label]);
    if (now === shown) return;
    shown = now;
    classes.replaceChildren(
      ...labelling.classes.slice(0, 9).map((name, number) => {
        const made = button("", `${plain(name)} (${number + 1})`, () => labelling.relabel(number));
        made.classList.add("wk-class");
        made.setAttribute("aria-pressed", String(name === labelling.label));
        const swatch = element("i", "");
        swatch.style.background = labelling.colour(name);
        made.append(swatch, document.createTextNode(`${number + 1} ${plain(name, 18)}`));
        return made;
      }),
    );
  };
  return { element: bar, refresh };
}
