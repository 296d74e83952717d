// The lower edge of a pane, by which its height is drawn or, with the focus on it, changed by the arrow keys.
import { element } from "./dom.js";

const LOWEST = 48;
const HIGHEST = 600;
const STEP = 12;

export function heightOf(model, pane) {
  return model.get("heights")[pane.name] ?? pane.height;
}

// `show` is called with each height under way, and the model keeps the last one by the pane's name.
export function gripOf(model, pane, show) {
  const grip = element("div", "wk-grip", {
    role: "separator",
    tabindex: 0,
    title: "drag, or use the arrow keys, to change the height; a double click gives the first one back",
    "aria-orientation": "horizontal",
    "aria-label": `height of ${pane.name}`,
    "aria-valuemin": LOWEST,
    "aria-valuemax": HIGHEST,
    "aria-valuenow": heightOf(model, pane),
  });
  let height = heightOf(model, pane);
  let from = null;
  const to = (wanted) => {
    height = Math.round(Math.min(HIGHEST, Math.max(LOWEST, wanted)));
    grip.setAttribute("aria-valuenow", height);
    show(height);
  };
  const keep = () => {
    model.set("heights", { ...model.get("heights"), [pane.name]: height });
    model.save_changes();
  };
  grip.addEventListener("pointerdown", (event) => {
    from = { y: event.clientY, height: heightOf(model, pane) };
    grip.setPointerCapture(event.pointerId);
    event.preventDefault();
    grip.focus({ preventScroll: true });
  });
  grip.addEventListener("pointermove", (event) => from && to(from.height + event.clientY - from.y));
  grip.addEventListener("pointerup", () => {
    if (from && height !== from.height) keep();
    from = null;
  });
  grip.addEventListener("pointercancel", () => {
    if (from) to(from.height);
    from = null;
  });
  grip.addEventListener("dblclick", () => (to(pane.height), keep()));
  grip.addEventListener("keydown", (event) => {
    const by = { ArrowUp: -STEP, ArrowDown: STEP, PageUp: -4 * STEP, PageDown: 4 * STEP }[event.key];
    if (!by) return;
    to(heightOf(model, pane) + by);
    keep();
    event.stopPropagation();
    event.preventDefault();
  });
  return grip;
}
