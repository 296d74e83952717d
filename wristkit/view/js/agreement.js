// How far the raters of a tier agree, as a table that Python wrote.
import { element, plain } from "./dom.js";

export function agreement(viewer) {
  const old = viewer.root.querySelector(".wk-agreement");
  if (old) {
    old.remove();
    return;
  }
  const { tier } = viewer.labelling;
  viewer.kernel.send({ kind: "agreement", tier }, ({ header, rows, note }) => {
    viewer.root.querySelector(".wk-agreement")?.remove(); // asked for twice before the first came
    const panel = element("div", "wk-panel wk-agreement", { role: "note", "aria-label": `agreement about ${plain(tier)}` });
    const title = element("div", "wk-name", {}, `Raters of tier ${plain(tier)}`);
    const table = element("table", "wk-table");
    table.append(line("th", header), ...rows.map((row) => line("td", row)));
    const close = element("button", "wk-button", { type: "button" }, "close");
    close.addEventListener("click", () => (panel.remove(), viewer.root.focus({ preventScroll: true })));
    panel.append(title, ...(rows.length ? [table] : []), element("div", "wk-unit", {}, note), close);
    viewer.stage.append(panel);
  });
}

function line(tag, cells) {
  const made = element("tr", "");
  made.append(...cells.map((cell) => element(tag, "", {}, cell)));
  return made;
}
