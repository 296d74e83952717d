// Steps from what is chosen, or from the middle of the view, to the next or the previous of its kind.
import { inTime } from "./rows.js";

const ROOM_S = 10; // what is shown around a find where one comes from the whole recording

export function step({ axis, labelling, say }, rows, forward, name) {
  const [start, stop] = axis.view;
  const isWhole = axis.span[1] - axis.span[0] - (stop - start) < 1e-9;
  const current = labelling.current;
  const seen = current && current.start <= stop && current.stop >= start;
  const at = seen ? rows.indexOf(current) : -1;
  const from = seen ? current.start : isWhole ? (forward ? -Infinity : Infinity) : (start + stop) / 2;
  const later = rows.find((row) => row.start > from + 1e-9);
  const earlier = rows.findLast((row) => row.start < from - 1e-9);
  const found = at >= 0 ? rows[forward ? at + 1 : at - 1] : forward ? later : earlier;
  if (!found) {
    say(`no ${name} ${forward ? "after" : "before"} this`);
    return;
  }
  if (isWhole) around(axis, found, Math.max(ROOM_S, 4 * (found.stop - found.start)));
  else axis.centre(found.start, found.stop);
  if (found.key !== undefined) labelling.select(found.key);
  else labelling.choose(found.event);
}

export function labels({ labelling }) {
  return labelling.rows;
}

export function events({ labelling }) {
  return [...labelling.events].sort(inTime);
}

export function suggestions(viewer) {
  return events(viewer).filter((event) => event.state === "open" || event.event === viewer.labelling.chosen);
}

// Labels that no event met, events that no label met and nobody rejected, and what another rater does not share.
export function disagreements({ labelling }) {
  const rows = labelling.rows.filter((row) => row.remark === "missed" || (row.remark && row.tier === labelling.tier));
  const alarms = labelling.events.filter((event) => event.verdict === "false alarm" && event.state !== "rejected");
  return [...rows, ...alarms].sort(inTime);
}

// A label of a tenth of a second among hours comes to fill a part of the view that can be worked on.
export function toSelection({ axis, labelling, say }) {
  const current = labelling.current;
  if (current) around(axis, current, Math.max(1, 3 * (current.stop - current.start)));
  else say("to zoom to a label or an event, select it first");
}

function around(axis, { start, stop }, room) {
  const middle = (start + stop) / 2;
  axis.show(middle - room / 2, middle + room / 2);
}
