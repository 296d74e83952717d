// The one time axis: what is seen, in seconds, and how it moves.
export const LEFT = 66; // pixels beside all panes for what stands on their axes
export const RIGHT = 24;
// Steps between ticks that are whole on a clock.
export const STEPS = [
  ...[1e-4, 1e-3, 1e-2, 0.1].flatMap((one) => [one, 2 * one, 5 * one]),
  ...[1, 2, 5, 10, 15, 30, 60, 120, 300, 600, 900, 1800, 3600, 7200, 10800, 21600, 43200, 86400, 172800, 604800],
];
const NARROWEST_S = 1e-3;

export class Axis {
  constructor(span, view) {
    this.reset(span);
    if (view && view[1] > view[0]) this.view = [...view];
    this.width = 1;
    this.onmove = () => {};
  }

  reset(span) {
    this.span = span[1] > span[0] ? [...span] : [span[0], span[0] + 1];
    this.view = [...this.span];
  }

  // A model echoes what was sent to it: only what differs is a move of somebody else's.
  follow(view) {
    if (Math.abs(view[0] - this.view[0]) > 1e-9 || Math.abs(view[1] - this.view[1]) > 1e-9) this.show(view[0], view[1]);
  }

  show(start, stop) {
    this.view = this.fitted(start, stop);
    this.onmove();
  }

  // The window that can be shown: no wider than the span, and within it.
  fitted(start, stop) {
    const whole = this.span[1] - this.span[0];
    const wide = Math.min(Math.max(stop - start, NARROWEST_S), whole);
    const first = Math.min(Math.max((start + stop - wide) / 2, this.span[0]), this.span[1] - wide);
    return [first, first + wide];
  }

  whole() {
    this.show(...this.span);
  }

  zoom(factor, about) {
    this.show(...this.zoomed(factor, about));
  }

  zoomed(factor, about) {
    const [start, stop] = this.view;
    return this.fitted(about - (about - start) * factor, about + (stop - about) * factor);
  }

  pan(seconds) {
    this.show(this.view[0] + seconds, this.view[1] + seconds);
  }

  centre(start, stop) {
    const wide = this.view[1] - this.view[0];
    const room = stop - start > wide * 0.8 ? (stop - start) * 1.25 : wide;
    this.show((start + stop - room) / 2, (start + stop + room) / 2);
  }

  x(seconds) {
    return ((seconds - this.view[0]) / (this.view[1] - this.view[0])) * this.width;
  }

  at(x) {
    return this.view[0] + (x / this.width) * (this.view[1] - this.view[0]);
  }

  get perPixel() {
    return (this.view[1] - this.view[0]) / this.width;
  }
}

export function clock(seconds, digits = 0) {
  const whole = Number(Math.abs(seconds).toFixed(digits)); // or 59.96 would be 0:60.0
  const sign = seconds < 0 && whole > 0 ? "−" : "";
  const [hours, minutes] = [Math.floor(whole / 3600), Math.floor(whole / 60) % 60];
  const rest = (whole % 60).toFixed(digits).padStart(digits ? 3 + digits : 2, "0");
  return hours ? `${sign}${hours}:${String(minutes).padStart(2, "0")}:${rest}` : `${sign}${minutes}:${rest}`;
}

export function digitsFor(step) {
  return Math.max(0, Math.min(6, Math.ceil(-Math.log10(step))));
}

// "1:02:03.5", "62:03.5" and "3723.5" are one time.
export function parsed(text) {
  const [, sign, rest] = /^\s*([-−]?)\s*(.*)$/.exec(text);
  const parts = rest.trim().split(":").map(Number);
  return parts.length > 3 || parts.some((part) => !Number.isFinite(part) || part < 0) || !rest.trim()
    ? null
    : (sign ? -1 : 1) * parts.reduce((total, part) => total * 60 + part, 0);
}
