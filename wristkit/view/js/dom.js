// What every part of the viewer makes its elements and colours with. Text from data goes in as text, never as HTML.
export function element(tag, name, attributes = {}, text = "") {
  const made = document.createElement(tag);
  made.className = name;
  for (const [key, value] of Object.entries(attributes)) made.setAttribute(key, value);
  if (text) made.textContent = text;
  return made;
}

export function colours(root) {
  const style = getComputedStyle(root);
  const of = (name) => style.getPropertyValue(name).trim();
  return { ink: of("--wk-ink"), muted: of("--wk-muted"), grid: of("--wk-grid"), page: of("--wk-page"), gap: of("--wk-gap") };
}

// White or dark, whichever can be read on a colour such as "#0072B2".
export function inkOn(colour) {
  const [red, green, blue] = [1, 3, 5].map((at) => parseInt(colour.slice(at, at + 2), 16));
  return 0.299 * red + 0.587 * green + 0.114 * blue > 125 ? "#222222" : "#ffffff";
}

export function sharpCanvas(canvas, width, height) {
  const scale = window.devicePixelRatio || 1;
  if (canvas.width !== Math.round(width * scale) || canvas.height !== Math.round(height * scale)) {
    canvas.width = Math.round(width * scale);
    canvas.height = Math.round(height * scale);
    canvas.style.width = `${width}px`;
    canvas.style.height = `${height}px`;
  }
  const pen = canvas.getContext("2d");
  pen.setTransform(scale, 0, 0, scale, 0, 0);
  pen.clearRect(0, 0, width, height);
  return pen;
}

// Text from data on one line: control and direction characters written out, long ones cut.
export function plain(text, most = 40) {
  const escaped = [...String(text).slice(0, most + 1)]
    .map((char) => (/\p{C}/u.test(char) ? `\\u${char.codePointAt(0).toString(16).padStart(4, "0")}` : char))
    .join("");
  return escaped.length <= most ? escaped : `${escaped.slice(0, most - 1)}…`;
}

export function fitted(pen, text, room) {
  if (pen.measureText(text).width <= room) return text;
  const letters = Math.floor((text.length * room) / pen.measureText(text).width) - 1;
  return letters >= 3 ? `${text.slice(0, letters)}…` : "";
}
