"""What kind of errors events make: split, joined, too long, too short.

After Ward, Lukowicz and Gellersen, "Performance metrics for activity recognition", ACM TIST 2(1):6, 2011. Recall and
precision count one event for one; there a true event that is found in two pieces is a hit and a false alarm. Here it is
what it is, one that was fragmented. Deviations from the paper: one class is looked at at a time, and all else is
nothing; an event that overlaps none but was matched within the tolerance stands as overlapping its match; points
overlap what they lie in and cover no time; what was predicted where nobody looked is left out.
"""

from collections.abc import Mapping

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.judge import Seen
from wristkit.events import near
from wristkit.recording import FloatArray
from wristkit.recording.spans import intersect, union

TRUE_COUNTS = ("correct", "deleted", "fragmented", "merged", "fragmented_and_merged")
FOUND_COUNTS = ("inserted", "fragmenting", "merging", "fragmenting_and_merging")
SECONDS = (
    *("hit_s", "deletion_s", "fragmentation_s", "underfill_start_s", "underfill_stop_s"),
    *("insertion_s", "merge_s", "overfill_start_s", "overfill_stop_s"),
)
WARD_COLUMNS = ("truths", *TRUE_COUNTS, "found", *FOUND_COUNTS, *SECONDS)


def ward_table(matches: pd.DataFrame, seen: Mapping[str, Seen], classes: list[str]) -> pd.DataFrame:
    """Return counts of true and found events by kind of error and the seconds of each, a row a class."""
    total = {label: dict.fromkeys(WARD_COLUMNS, 0.0) for label in classes}
    for (name, label), rows in matches.groupby(["recording", "label"]):
        for column, more in _of_one(rows, seen[str(name)].counted).items():
            total[str(label)][column] += more
    table = pd.DataFrame(total.values(), index=pd.Index(total, name="label"), columns=list(WARD_COLUMNS), dtype=float)
    return table.astype({column: int for column in WARD_COLUMNS if not column.endswith("_s")})


def _of_one(rows: pd.DataFrame, counted: FloatArray) -> dict[str, float]:
    """Return the counts and seconds of one class in one recording."""
    hits = rows[rows["kind"] == "hit"]
    found = _times(pd.concat([hits, rows[rows["kind"] == "false alarm"]]), "start_s", "stop_s")
    truth = _times(pd.concat([hits, rows[rows["kind"] == "miss"]]), "true_start_s", "true_stop_s")
    one, other = near(found, truth, 0.0)
    shared_s = np.minimum(found[one, 1], truth[other, 1]) - np.maximum(found[one, 0], truth[other, 0])
    points = (found[one, 0] == found[one, 1]) | (truth[other, 0] == truth[other, 1])
    kept = (shared_s > 0) | points  # what only touches does not overlap
    one, other = one[kept], other[kept]
    own = np.arange(len(hits))  # a hit and what it hit stand in the same place of both
    apart = own[~np.isin(own, one) & ~np.isin(own, other)]
    counts = _counts(np.append(one, apart), np.append(other, apart), len(found), len(truth))
    return {**counts, **_seconds(found, truth, counted)}


def _counts(one: npt.NDArray[np.intp], other: npt.NDArray[np.intp], found: int, truths: int) -> dict[str, float]:
    """Return how many events are of each kind, by which overlap which."""
    of_found, of_truth = np.bincount(one, minlength=found), np.bincount(other, minlength=truths)
    merged, fragmenting = np.zeros(truths, dtype=bool), np.zeros(found, dtype=bool)
    merged[other[of_found[one] > 1]] = True
    fragmenting[one[of_truth[other] > 1]] = True
    fragmented, merging = of_truth > 1, of_found > 1
    return {
        "truths": truths,
        "correct": int(((of_truth == 1) & ~merged).sum()),
        "deleted": int((of_truth == 0).sum()),
        "fragmented": int((fragmented & ~merged).sum()),
        "merged": int((merged & ~fragmented).sum()),
        "fragmented_and_merged": int((fragmented & merged).sum()),
        "found": found,
        "inserted": int((of_found == 0).sum()),
        "fragmenting": int((fragmenting & ~merging).sum()),
        "merging": int((merging & ~fragmenting).sum()),
        "fragmenting_and_merging": int((fragmenting & merging).sum()),
    }


def _seconds(found: FloatArray, truth: FloatArray, counted: FloatArray) -> dict[str, float]:
    """Return how long each kind of error lasts: each stretch is told by what lies right before and after it."""
    true = union(truth)
    said = intersect(union(found), union(np.concatenate([counted, true])))
    edges = np.unique(np.concatenate([true.ravel(), said.ravel()]))
    middles_s = (edges[:-1] + edges[1:]) / 2
    is_true, is_said = (np.searchsorted(spans.ravel(), middles_s, side="right") % 2 == 1 for spans in (true, said))
    hit = is_true & is_said
    before, after = np.append(False, hit)[: len(hit)], np.append(hit, False)[1:]
    names = np.full(len(hit), "", dtype=object)
    for wrong, alone, within, start, stop in (
        (is_true & ~is_said, "deletion_s", "fragmentation_s", "underfill_start_s", "underfill_stop_s"),
        (is_said & ~is_true, "insertion_s", "merge_s", "overfill_start_s", "overfill_stop_s"),
    ):
        names[wrong & ~before & ~after] = alone
        names[wrong & before & after] = within
        names[wrong & ~before & after] = start
        names[wrong & before & ~after] = stop
    names[hit] = "hit_s"
    widths_s = np.diff(edges)
    return {column: float(widths_s[names == column].sum()) for column in SECONDS}


def _times(rows: pd.DataFrame, start: str, stop: str) -> FloatArray:
    return rows[[start, stop]].to_numpy(dtype=np.float64)
