// The live viewer: one time axis, panes, rows of labels, and every edit sent to Python, which keeps it on disk.
import { Axis } from "./time.js";
import { Kernel } from "./kernel.js";
import { keysOf } from "./keys.js";
import { Lanes } from "./lanes.js";
import { Minimap } from "./minimap.js";
import { Panes } from "./panes.js";
import { pointersOf } from "./pointers.js";
import { Labelling } from "./labelling.js";
import { presence } from "./presence.js";
import { Player } from "./sound.js";
import { element } from "./dom.js";
import { toolbarOf } from "./toolbar.js";

function render({ model, el }) {
  const root = element("div", "wk-viewer", { tabindex: 0, role: "application", "data-lm-suppress-shortcuts": "true" });
  const meta = () => model.get("meta");
  root.setAttribute("aria-label", `Signal viewer of ${meta().name}. Press ? for its keys.`);
  el.append(root);

  const axis = new Axis(meta().span, model.get("view"));
  const viewer = { root, model, meta, axis };
  viewer.kernel = new Kernel(model, {
    told: (message) => (viewer.labelling.take(message), viewer.redraw()),
    say: (text) => viewer.say(text),
    lost: () => viewer.say("The kernel of this viewer has ended: run its cell again."),
  });
  viewer.say = (text) => {
    viewer.status.textContent = text;
  };
  viewer.labelling = new Labelling(viewer);
  viewer.player = new Player(viewer);
  const toolbar = toolbarOf(viewer);
  const stage = (viewer.stage = element("div", "wk-stage"));
  viewer.lanes = new Lanes(viewer);
  viewer.panes = new Panes(viewer);
  viewer.minimap = new Minimap(viewer);
  viewer.hit = element("div", "wk-hit", { "aria-hidden": "true" });
  viewer.status = element("div", "wk-status", { role: "status", "aria-live": "polite" });
  viewer.hit.append(viewer.player.head);
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
  const named = () => JSON.stringify([meta().shown, meta().panes, meta().span]);
  let built = named();
  const changed = () => {
    const now = named();
    if (now !== built) {
      built = now;
      axis.reset(meta().span);
      axis.view = [...model.get("view")];
      viewer.dropDrag();
      viewer.panes.build();
      viewer.labelling.letGo(); // what was chosen is in another recording
    }
    viewer.player.stop();
    viewer.labelling.meet();
    viewer.redraw();
  };
  const changes = [
    ["change:view", () => axis.follow(model.get("view"))],
    ["change:events", () => (viewer.labelling.meet(), viewer.redraw())],
    ["change:meta", () => changed()],
    ["change:heights", () => viewer.panes.resize()],
  ];
  for (const [name, react] of changes) model.on(name, react);

  const stopKeys = keysOf(viewer);
  const stopPointers = pointersOf(viewer);
  viewer.labelling.ask();
  const stopFollowing = following(viewer);
  const leave = presence(viewer);
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
    clearTimeout(viewer.told);
    cancelAnimationFrame(viewer.waiting);
    resized.disconnect();
    themed.disconnect();
    style.removeEventListener("change", viewer.redraw);
    stopKeys();
    stopPointers();
    stopFollowing();
    leave();
    viewer.player.close();
    viewer.kernel.stop();
    viewer.panes.clear();
  };
}

// Others may edit the same labels on disk: Python looks whether they did for as long as it hears that somebody is here.
function following({ root, labelling }) {
  let inSight = false;
  const isSeen = () => inSight && document.visibilityState === "visible";
  const follow = () => isSeen() && labelling.follow();
  const sight = new IntersectionObserver((entries) => {
    inSight = entries[entries.length - 1].isIntersecting;
    follow();
  });
  sight.observe(root);
  document.addEventListener("visibilitychange", follow);
  const timer = setInterval(follow, 45_000);
  return () => {
    clearInterval(timer);
    sight.disconnect();
    document.removeEventListener("visibilitychange", follow);
  };
}

export default { render };
