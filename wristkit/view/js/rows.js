// The labels that are known here: by key, in the order of time, and those of a window without looking at all of them.
export const REJECTED = "rejected"; // tier of events that were refused: they are no labels to be seen

export class Rows {
  constructor() {
    this.step = -1;
    this.byKey = new Map();
    this.arrange();
  }

  // Returns whether what is told is news; null where something before it is missing, so that all has to be asked for.
  take({ base, step, rows, gone }) {
    if (base === null) this.byKey.clear();
    else if (step <= this.step) return false;
    else if (base !== this.step) return null;
    for (const key of gone) this.byKey.delete(key);
    for (const [key, start, stop, label, tier, rater, remark] of rows) this.byKey.set(key, { key, start, stop, label, tier, rater, remark });
    this.step = step;
    this.arrange();
    return true;
  }

  arrange() {
    this.ordered = [...this.byKey.values()].filter((row) => row.tier !== REJECTED).sort(inTime);
    let reach = -Infinity; // how far the labels up to each one last
    this.reach = this.ordered.map((row) => (reach = Math.max(reach, row.stop)));
    this.lanes = new Map();
    for (const { tier, rater } of this.ordered) this.lanes.set(laneName(tier, rater), { tier, rater });
    this.version = (this.version || 0) + 1;
  }

  within(start, stop) {
    const first = lowest(this.reach.length, (k) => this.reach[k] >= start);
    const last = lowest(this.ordered.length, (k) => this.ordered[k].start > stop);
    return this.ordered.slice(first, last).filter((row) => row.stop >= start);
  }
}

export function inTime(one, other) {
  return one.start - other.start || one.stop - other.stop;
}

export function laneName(tier, rater) {
  return `${tier}\n${rater}`;
}

function lowest(count, isTrue) {
  let [low, high] = [0, count];
  while (low < high) {
    const middle = (low + high) >> 1;
    if (isTrue(middle)) high = middle;
    else low = middle + 1;
  }
  return low;
}
