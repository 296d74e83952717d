// The live gallery: errors as tiles that open the viewer below and are marked; a mark is shown when Python has kept it.
import { Kernel } from "./kernel.js";
import { element } from "./dom.js";
import { Tile, shape } from "./tile.js";

const NARROWEST = 222; // pixels of a tile in which its buttons stand side by side
const WIDE = 290; // and in which each of them is a single line
const PATIENCE_MS = 3000;

function render({ model, el }) {
  const root = element("section", "wk-gallery", { "data-lm-suppress-shortcuts": "true", "aria-label": "Gallery of errors" });
  const bar = element("div", "wk-gallery-bar");
  const grid = element("div", "wk-grid", { role: "list", "aria-label": "errors" });
  const foot = element("div", "wk-gallery-foot");
  const status = element("span", "wk-gallery-status", { role: "status", "aria-live": "polite" });
  const close = element("button", "wk-button", { type: "button", title: "close the viewer (Esc)" }, "close viewer");
  const hint = element("span", "wk-hint", {}, "Enter opens · 1 2 3 mark, 0 clears · arrows move · PgUp PgDn turn pages");
  const lost = element("span", "wk-hint");
  foot.append(status, close, lost, hint);
  root.append(bar, grid, foot);
  el.append(root);
  const meta = () => model.get("meta");
  const kernel = new Kernel(model, { told: () => {}, lost: () => say("Python has ended: run the cell again") });
  let tiles = [];
  let columns = 1;
  let focusFirst = false;

  const say = (text) => {
    status.textContent = text;
  };
  const ask = (content, done, refused = () => {}) => {
    const late = setTimeout(() => say("Python does not answer: it is busy, or was stopped; then run the cell again"), PATIENCE_MS);
    kernel.send(content, (answer) => {
      clearTimeout(late);
      root.dataset.answers = Number(root.dataset.answers || 0) + 1;
      if (answer.error) {
        refused();
        say(answer.error);
      } else done();
    });
  };
  const open = (tile) => {
    tile.button.focus({ preventScroll: true });
    say(`opening error ${tile.place} …`);
    ask({ kind: "open", place: tile.place }, () => {
      say(`error ${tile.place} is open below`);
      showViewer(root);
    });
  };
  const shut = () => {
    if (model.get("opened") !== null) ask({ kind: "open", place: null }, () => say("viewer closed"));
  };
  const mark = (tile, name) => {
    const done = () => say(name ? `error ${tile.place} marked: ${name}` : `error ${tile.place} is not marked any more`);
    ask({ kind: "mark", place: tile.place, mark: name }, done);
  };
  const turn = (page, byKey) => {
    if (page < 0 || page >= meta().pages) say(page < 0 ? "this is the first page" : "this is the last page");
    else {
      focusFirst = byKey;
      ask({ kind: "page", page }, () => say(`page ${page + 1} of ${meta().pages}`), () => (focusFirst = false));
    }
  };

  const showTiles = () => {
    for (const tile of tiles) tile.stop();
    tiles = model.get("tiles").map((one) => new Tile(one, meta().marks, { open, mark }));
    grid.replaceChildren(...tiles.map((tile) => tile.element));
    if (!tiles.length) grid.append(element("p", "wk-none", {}, "No errors: there is nothing to show."));
    resize();
    showMarks();
    showOpened();
    if (focusFirst && tiles.length) tiles[0].button.focus();
    focusFirst = false;
    root.dataset.page = meta().page;
  };
  const showMarks = () => {
    const marks = model.get("marks");
    for (const [number, tile] of tiles.entries()) tile.show(marks[number] ?? null);
    showBar();
  };
  const showOpened = () => {
    const opened = model.get("opened");
    for (const tile of tiles) tile.element.toggleAttribute("data-open", tile.place === opened);
    close.hidden = opened === null;
  };
  const button = (text, title, page) => {
    const made = element("button", "wk-button", { type: "button", title }, text);
    made.disabled = page < 0 || page >= meta().pages;
    made.addEventListener("click", () => turn(page, false));
    return made;
  };
  const showBar = () => {
    const { summary, page, pages, kept, marks } = meta();
    const counts = model.get("counts");
    const marked = element("span", "wk-counts", { "aria-label": "marked so far" });
    for (const [number, { name, colour }] of marks.entries()) {
      const chip = element("span", "wk-count");
      chip.append(shape(number, colour), document.createTextNode(`${counts[number]} ${name}${counts[number] === 1 ? "" : "s"}`));
      marked.append(chip);
    }
    const pager = element("span", "wk-pager");
    if (pages > 1) pager.append(button("‹", "previous page (PgUp)", page - 1), element("span", "", {}, `page ${page + 1} of ${pages}`), button("›", "next page (PgDn)", page + 1));
    bar.replaceChildren(element("strong", "", {}, summary), marked, pager);
    lost.textContent = kept ? "" : 'marks are lost with this gallery: give keep="marks.json"';
  };

  const resize = () => {
    const width = root.clientWidth;
    if (!width) return; // not on the page yet
    const wanted = width < 2 * WIDE ? NARROWEST : WIDE;
    columns = [6, 4, 3, 2, 1].find((count) => width / count >= wanted) || 1;
    grid.toggleAttribute("data-narrow", width / columns < WIDE);
    grid.style.gridTemplateColumns = `repeat(${columns}, minmax(0, 1fr))`;
    for (const tile of tiles) tile.draw();
    root.dataset.ready = "true";
  };
  const recolour = () => tiles.forEach((tile) => tile.recolour());

  const step = (from, by) => tiles[Math.min(Math.max(from + by, 0), tiles.length - 1)]?.button.focus();
  const press = (event) => {
    if (event.ctrlKey || event.metaKey || event.altKey) return;
    event.stopPropagation();
    const at = tiles.findIndex((tile) => tile.element.contains(event.target));
    const moves = { ArrowLeft: -1, ArrowRight: 1, ArrowUp: -columns, ArrowDown: columns, Home: -tiles.length, End: tiles.length };
    const names = meta().marks.map((one) => one.name);
    if (event.key === "PageDown" || event.key === "PageUp") turn(meta().page + (event.key === "PageDown" ? 1 : -1), true);
    else if (event.key === "Escape") shut();
    else if (at < 0) return;
    else if (event.key in moves) step(at, moves[event.key]);
    else if (["0", "Backspace", "Delete"].includes(event.key)) mark(tiles[at], null);
    else if (names[Number(event.key) - 1]) mark(tiles[at], names[Number(event.key) - 1]);
    else return;
    event.preventDefault();
  };
  root.addEventListener("keydown", press);
  close.addEventListener("click", shut);

  // Whatever changes with a page comes in one message: tiles are drawn when all of it is here.
  let waiting = 0;
  const soon = (show) => () => {
    if (show === showTiles) waiting = waiting || requestAnimationFrame(() => ((waiting = 0), showTiles()));
    else if (!waiting) show();
  };
  const changes = [
    ["change:tiles", soon(showTiles)],
    ["change:marks", soon(showMarks)],
    ["change:counts", soon(showBar)],
    ["change:meta", soon(showBar)],
    ["change:opened", soon(showOpened)],
  ];
  for (const [name, react] of changes) model.on(name, react);
  const resized = new ResizeObserver(resize);
  resized.observe(root);
  const themed = new MutationObserver(() => [0, 200, 1000].forEach((wait) => setTimeout(recolour, wait)));
  themed.observe(document.body, { attributes: true, attributeFilter: ["data-jp-theme-light", "class"] });
  const style = matchMedia("(prefers-color-scheme: dark)");
  style.addEventListener("change", recolour);
  showTiles();
  kernel.send({ kind: "hello" }, () => {}); // with a first message the lab makes a thread that answers while a cell runs
  return () => {
    for (const [name, react] of changes) model.off(name, react);
    resized.disconnect();
    themed.disconnect();
    style.removeEventListener("change", recolour);
    kernel.stop();
    for (const tile of tiles) tile.stop();
  };
}

// The viewer is made after Python has answered; it is brought into sight once, and the focus stays on the tile.
function showViewer(root, tries = 40) {
  const viewer = root.closest(".widget-vbox, .jupyter-widgets")?.parentElement?.querySelector(".wk-viewer");
  if (viewer?.dataset.ready === "true") viewer.scrollIntoView({ block: "nearest" });
  else if (tries) setTimeout(() => showViewer(root, tries - 1), 100);
}

export default { render };
