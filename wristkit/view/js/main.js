// The live viewer: one time axis, panes, rows of labels, and every edit sent to Python, which keeps it on disk.
import { Axis } from "./time.js";
import { Kernel } from "./kernel.js";
import { keysOf } from "./keys.js";
import { Lanes, Minimap } from "./lanes.js";
import { Panes } from "./panes.js";
import { pointersOf } from "./pointers.js";
import { Labelling } from "./labelling.js";
import { element } from "./dom.js";
import { toolbarOf } from "./toolbar.js";

function render({ model, el }) {
  const root = element("div", "wk-viewer", { tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true" });
  const meta = () => model.get("meta");
  root.setAttribute("aria-label", `Signal viewer of ${meta().name}. Press ? for its keys.`);
  el.append(root);

  const axis = new Axis(meta().span, model.get("view"));
  const kernel = new Kernel(model);
  const viewer = { root, model, meta, axis, kernel };
  viewer.say = (text) => {
    viewer.status.textContent = text;
  };
  viewer.labelling = new Labelling(viewer);
  const toolbar = toolbarOf(viewer);
  const stage = element("div", "wk-stage");
  viewer.lanes = new Lanes(viewer);
  viewer.panes = new Panes(viewer);
  viewer.minimap = new Minimap(viewer);
  viewer.hit = element("div", "wk-hit", { "aria-hidden": "true" });
  viewer.status = element("div", "wk-status", { role: "status", "aria-live": "polite" });
  stage.append(viewer.lanes.element, viewer.panes.element, viewer.hit);
  root.append(toolbar.element, stage, viewer.minimap.element, viewer.status);

  const draw = () => {
    viewer.lanes.draw();
    viewer.panes.move();
    viewer.minimap.draw();
    toolbar.refresh();
  };
  viewer.redraw = () => {
    if (!viewer.waiting) viewer.waiting = requestAnimationFrame(() => ((viewer.waiting = 0), draw()));
  };
  axis.onmove = () => {
    viewer.redraw();
    viewer.panes.ask();
    clearTimeout(viewer.told);
    viewer.told = setTimeout(() => (model.set("view", [...axis.view]), model.save_changes()), 120);
  };
  // Other labels leave the panes as they are; another recording makes all anew.
  let built = JSON.stringify([meta().panes, meta().span]);
  const changed = () => {
    const now = JSON.stringify([meta().panes, meta().span]);
    if (now !== built) {
      built = now;
      axis.reset(meta().span);
      axis.view = [...model.get("view")];
      viewer.panes.build();
    }
    viewer.labelling.load(model.get("labels"));
    viewer.redraw();
  };
  const changes = [
    ["change:view", () => axis.follow(model.get("view"))],
    ["change:labels", () => (viewer.labelling.load(model.get("labels")), viewer.redraw())],
    ["change:events", viewer.redraw],
    ["change:meta", () => changed()],
  ];
  for (const [name, react] of changes) model.on(name, react);

  const stopKeys = keysOf(viewer);
  const stopPointers = pointersOf(viewer);
  // render() is given an element that is not on the page yet: it has no width and no colours until it is observed.
  if (!meta().kept) viewer.say("Edits are lost with this viewer: give labels=wk.LabelStore(path) to keep them.");
  const resized = new ResizeObserver(() => {
    if (root.clientWidth > 0) {
      viewer.panes.resize();
      viewer.redraw();
    }
  });
  resized.observe(root);
  const themed = new MutationObserver(() => [0, 200, 1000].forEach((wait) => setTimeout(viewer.redraw, wait)));
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const style = matchMedia("(prefers-color-scheme: dark)");
  style.addEventListener("change", viewer.redraw);
  root.wristkit = viewer; // for tests: what is on the screen, as numbers
  return () => {
    for (const [name, react] of changes) model.off(name, react);
    resized.disconnect();
    themed.disconnect();
    style.removeEventListener("change", viewer.redraw);
    stopKeys();
    stopPointers();
    kernel.stop();
    viewer.panes.clear();
  };
}

export default { render };
