// What Python thinned, held a turn of the wheel ahead: the window at twice the detail that a screen shows, for what is
// zoomed into, and twice the window, for what is zoomed out of. So a turn is drawn in the next frame, in full, and the
// answer that follows it prepares the next one.
const AHEAD = 1.95; // a turn of a mouse wheel and a press of + zoom by less
const SPARE = 1.01; // bins a pixel in what a turn shows: none is left without one by rounding
const COLUMNS = 500; // of a picture of power, in a window
const NOTHING = 0xffff;

export class Held {
  constructor(viewer) {
    this.viewer = viewer;
    this.near = this.far = null;
    this.round = 0;
  }

  // The answer that shows the window best: in full if there is one, else the one that shows most of it.
  best() {
    const both = [this.near, this.far].filter(Boolean);
    const most = Math.max(...both.map((one) => this.seen(one)));
    return both.find((one) => this.isFull(one)) || both.find((one) => this.seen(one) === most);
  }

  // Seconds of the window that an answer shows.
  seen({ start, stop }) {
    const [first, last] = this.viewer.axis.view;
    return Math.max(0, Math.min(stop, last) - Math.max(start, first));
  }

  covers({ start, stop }) {
    const [first, last] = this.viewer.axis.view;
    const slip = 1e-6 * (last - first);
    return start <= first + slip && stop >= last - slip;
  }

  // At least a bin for each pixel of the window.
  isFull(answer) {
    return this.covers(answer) && (answer.stop - answer.start) / answer.bins <= 1.0001 * this.viewer.axis.perPixel;
  }

  // The window may have moved on before its answer comes: what shows it best by then may be another.
  ask(drawn) {
    const round = (this.round += 1);
    this.viewer.kernel.window(this.request(...this.viewer.axis.view, AHEAD), (message, buffers) => {
      this.near = answerOf(message, buffers, this.shades);
      drawn(this.best());
      if (round === this.round) this.askFar(round);
    });
  }

  // What a turn at the pointer would show: asked for while nothing moves, beside what is asked for when something does.
  askFar(round) {
    const { axis, pointed } = this.viewer;
    const isSeen = pointed >= axis.view[0] && pointed <= axis.view[1];
    const [start, stop] = axis.zoomed(AHEAD, isSeen ? pointed : (axis.view[0] + axis.view[1]) / 2);
    if (this.near.start <= start && this.near.stop >= stop) return;
    this.viewer.kernel.send({ kind: "window", ...this.request(start, stop, 1) }, (message, buffers) => {
      if (round === this.round) this.far = answerOf(message, buffers, this.shades);
    });
  }

  request(start, stop, finer) {
    return { start, stop, bins: Math.ceil(this.viewer.axis.width * SPARE * finer), columns: COLUMNS * finer };
  }

  // Red, green, blue and full cover of each step of power as one word, in the byte order of this machine.
  get shades() {
    const { scale } = this.viewer.meta();
    if (this.scale !== scale) {
      this.scale = scale;
      this.words = new Uint32Array(new Uint8ClampedArray(scale.flatMap((shade) => [...shade, 255])).buffer);
    }
    return this.words;
  }
}

function answerOf({ start, stop, bins, panes }, buffers, shades) {
  let at = 0;
  const next = (Kind) => new Kind(aligned(buffers[at++], Kind.BYTES_PER_ELEMENT));
  const parts = panes.map(({ gaps, image, grid, even, exact, lines }) => {
    if (image) return { gaps: [], image: picture(next(Uint8Array), image, shades) };
    const edges = unpacked(next(Uint16Array), gaps).map((since) => start + since);
    const part = { gaps: edges.flatMap((edge, at) => (at % 2 ? [] : [[edge, edges[at + 1]]])) };
    if (grid) part.time = centres(start, grid, even ? null : next(Uint8Array));
    else part.time = (exact ? Array.from(next(Float32Array)) : unpacked(next(Uint16Array), lines[0])).map((since) => start + since);
    part.values = lines.slice(grid || exact ? 0 : 1).map((line) => unpacked(next(Uint16Array), line));
    return part;
  });
  return { start, stop, bins, parts };
}

function aligned(view, size) {
  const { buffer, byteOffset, byteLength } = view;
  return buffer.slice(byteOffset, byteOffset + byteLength - (byteLength % size));
}

// The lowest and the highest value of a bin share its centre, and where the line breaks after it, that does too.
function centres(start, [first, width, count], counts) {
  const time = [];
  for (let bin = 0; bin < count; bin += 1)
    for (let point = counts ? counts[bin] : 2; point > 0; point -= 1) time.push(start + first + bin * width);
  return time;
}

// uPlot lifts its pen at null.
function unpacked(steps, [low, step]) {
  const values = new Array(steps.length);
  for (let k = 0; k < steps.length; k += 1) values[k] = steps[k] === NOTHING ? null : low + step * steps[k];
  return values;
}

function picture(levels, [rows, columns, start, stop], shades) {
  const canvas = document.createElement("canvas");
  canvas.width = columns;
  canvas.height = rows;
  const pixels = new ImageData(columns, rows);
  const words = new Uint32Array(pixels.data.buffer);
  for (let row = 0; row < rows; row += 1)
    for (let column = 0, from = row * columns, to = (rows - 1 - row) * columns; column < columns; column += 1)
      words[to + column] = shades[levels[from + column]];
  canvas.getContext("2d").putImageData(pixels, 0, 0);
  return { canvas, start, stop };
}
