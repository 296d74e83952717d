// The mouse: wheel zooms about the pointer, a drag pans, with Shift it draws a label, with Alt it chooses what to see.
import { element } from "./dom.js";
import { toSelection } from "./jumps.js";
import { LEFT } from "./time.js";

export function pointersOf(viewer) {
  const { hit, axis, labelling, lanes, minimap, root } = viewer;
  const band = element("div", "wk-band");
  hit.append(band);
  let drag = null;

  const place = (event) => {
    const box = hit.getBoundingClientRect();
    return [event.clientX - box.left, event.clientY - box.top];
  };
  const second = (x) => axis.at(Math.min(Math.max(x - LEFT, 0), axis.width));
  const showBand = (from, to, kind) => {
    band.className = `wk-band wk-${kind}`;
    band.style.left = `${LEFT + axis.x(Math.min(from, to))}px`;
    band.style.width = `${Math.max(1, axis.x(Math.max(from, to)) - axis.x(Math.min(from, to)))}px`;
    band.style.display = "block";
  };

  const down = (event) => {
    if (event.button !== 0) return;
    root.focus({ preventScroll: true });
    const [x, y] = place(event);
    const found = lanes.find(x, y);
    const at = second(x);
    if (event.shiftKey) drag = { kind: "draw", from: at, x };
    else if (event.altKey) drag = { kind: "zoom", from: at, x };
    else if (found && found.event !== undefined) {
      labelling.choose(found.event);
      drag = { kind: "body", x };
    } else if (found) {
      labelling.select(found.key);
      if (found.count > 1) viewer.say(`${viewer.status.textContent}; ${found.count} labels lie here, press again for the next`);
      drag = { kind: found.part, key: found.key, x, was: { ...labelling.row(found.key) } };
    } else drag = { kind: "pan", x, view: [...axis.view] };
    hit.setPointerCapture(event.pointerId);
    event.preventDefault();
  };

  const move = (event) => {
    const [x, y] = place(event);
    viewer.pointed = second(x);
    if (!drag) {
      const found = lanes.find(x, y);
      hit.style.cursor = found ? (found.part === "body" ? "pointer" : "ew-resize") : "default";
      return;
    }
    drag.moved = drag.moved || Math.abs(x - drag.x) > 3;
    if (drag.kind === "draw" || drag.kind === "zoom") showBand(drag.from, second(x), drag.kind);
    else if (drag.kind === "pan") {
      const seconds = (drag.x - x) * ((drag.view[1] - drag.view[0]) / axis.width);
      axis.show(drag.view[0] + seconds, drag.view[1] + seconds);
    } else if (drag.moved && (drag.kind === "start" || drag.kind === "stop")) {
      const row = labelling.row(drag.key);
      if (row && drag.kind === "start") row.start = Math.min(second(x), drag.was.stop);
      if (row && drag.kind === "stop") row.stop = Math.max(second(x), drag.was.start);
      viewer.redraw();
    }
  };

  const up = (event) => {
    if (!drag) return;
    const [x] = place(event);
    const done = drag;
    drag = null;
    band.style.display = "none";
    if (done.kind === "draw") labelling.add(done.from, done.moved ? second(x) : done.from);
    else if (done.kind === "zoom" && done.moved) axis.show(Math.min(done.from, second(x)), Math.max(done.from, second(x)));
    else if (done.kind === "pan" && !done.moved) labelling.select(null);
    else if (done.moved && (done.kind === "start" || done.kind === "stop")) {
      const row = labelling.row(done.key);
      if (!row) return;
      const to = row[done.kind];
      row[done.kind] = done.was[done.kind];
      labelling.change(done.key, { [done.kind]: to }, `${done.kind === "start" ? "starts" : "stops"} at ${to.toFixed(3)} s`);
    }
  };

  const drop = () => {
    drag = null;
    band.style.display = "none";
    viewer.redraw();
  };

  const cancel = () => {
    const row = drag && drag.moved && labelling.row(drag.key);
    if (row && (drag.kind === "start" || drag.kind === "stop")) row[drag.kind] = drag.was[drag.kind];
    drop();
  };

  const wheel = (event) => {
    event.preventDefault();
    event.stopPropagation();
    const [x] = place(event);
    const pixels = event.deltaY * (event.deltaMode === 1 ? 16 : 1);
    if (Math.abs(event.deltaX) > Math.abs(event.deltaY)) axis.pan(event.deltaX * axis.perPixel);
    else axis.zoom(Math.exp(Math.max(-300, Math.min(300, pixels)) * 0.0022), second(x));
  };

  const double = (event) => {
    const found = lanes.find(...place(event));
    if (found) toSelection(viewer);
  };

  const jump = (event) => {
    if (!event.buttons) return;
    const box = minimap.element.getBoundingClientRect();
    const [x, y] = [event.clientX - box.left, event.clientY - box.top];
    const row = event.type === "pointerdown" && minimap.find(x, y);
    root.focus({ preventScroll: true });
    event.preventDefault();
    if (row) {
      axis.centre(row.start, row.stop);
      labelling.select(row.key);
      return;
    }
    const middle = minimap.at(x);
    const wide = axis.view[1] - axis.view[0];
    axis.show(middle - wide / 2, middle + wide / 2);
  };

  const listeners = [
    [hit, "pointerdown", down],
    [hit, "pointermove", move],
    [hit, "pointerup", up],
    [hit, "pointercancel", cancel],
    [hit, "wheel", wheel, { passive: false }],
    [hit, "dblclick", double],
    [minimap.element, "pointerdown", jump],
    [minimap.element, "pointermove", jump],
  ];
  for (const [target, name, react, options] of listeners) target.addEventListener(name, react, options);
  viewer.cancelDrag = cancel;
  viewer.dropDrag = drop; // what was dragged is gone
  return () => {
    for (const [target, name, react] of listeners) target.removeEventListener(name, react);
  };
}
