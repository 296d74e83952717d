// A class among many, by its name: what is typed narrows the list, the arrows choose in it, Enter takes.
import { element, plain } from "./dom.js";

const MOST = 200;

export function findClass(viewer) {
  const { labelling, root, stage } = viewer;
  const old = root.querySelector(".wk-find");
  if (old) {
    old.remove();
    return;
  }
  const panel = element("div", "wk-panel wk-find", { role: "dialog", "aria-label": "find a class" });
  const list = element("div", "wk-choices", { role: "listbox", id: `wk-choices-${Math.random().toString(36).slice(2)}`, "aria-label": "classes" });
  const input = element("input", "wk-sought", {
    ...{ type: "text", role: "combobox", placeholder: "type to find a class", "aria-label": "class", autocomplete: "off" },
    ...{ "aria-expanded": "true", "aria-controls": list.id, "aria-autocomplete": "list" },
  });
  let found = [];
  let at = 0;
  const close = () => (panel.remove(), root.focus({ preventScroll: true }));
  const take = (name) => {
    close();
    labelling.relabel(labelling.classes.indexOf(name));
  };
  const option = (name, place) => {
    const number = labelling.classes.indexOf(name);
    const made = element("div", "wk-choice", { role: "option", id: `${list.id}-${place}`, "aria-selected": String(place === at) });
    const swatch = element("i", "");
    swatch.style.background = labelling.colour(name);
    made.append(swatch, element("span", "", {}, plain(name)), element("span", "wk-key", {}, number < 9 ? String(number + 1) : ""));
    made.addEventListener("pointerdown", (event) => (event.preventDefault(), take(name)));
    return made;
  };
  const show = () => {
    list.replaceChildren(...found.map(option));
    if (!found.length) list.append(element("div", "wk-unit", { role: "note" }, "no class of that name"));
    if (found.length) input.setAttribute("aria-activedescendant", `${list.id}-${at}`);
    else input.removeAttribute("aria-activedescendant");
    list.children[at]?.scrollIntoView({ block: "nearest" });
  };
  const seek = () => {
    found = matching(labelling.classes, input.value).slice(0, MOST);
    at = input.value ? 0 : Math.max(0, found.indexOf(labelling.label));
    show();
  };
  const keys = {
    ArrowDown: () => ((at = Math.min(at + 1, found.length - 1)), show()),
    ArrowUp: () => ((at = Math.max(at - 1, 0)), show()),
    Enter: () => found[at] !== undefined && take(found[at]),
    Escape: close,
  };
  input.addEventListener("input", seek);
  input.addEventListener("keydown", (event) => keys[event.key] && (keys[event.key](), event.preventDefault()));
  panel.append(input, list);
  stage.append(panel);
  seek();
  queueMicrotask(() => input.focus({ preventScroll: true })); // after a button that gave the focus back
}

// Names that hold the text, first those that begin with it.
export function matching(names, text) {
  const sought = text.trim().toLowerCase();
  const place = (name) => name.toLowerCase().indexOf(sought);
  const held = names.filter((name) => place(name) >= 0);
  return [...held.filter((name) => place(name) === 0), ...held.filter((name) => place(name) > 0)];
}
