"""How far raters agree: which labels they share, over how much time, and how far apart their edges lie."""

from collections.abc import Iterator, Mapping
from itertools import combinations

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.evaluate.given import check_tolerance
from wristkit.events import match
from wristkit.recording import FloatArray, check_labels
from wristkit.recording.given import told
from wristkit.recording.spans import intersect, union
from wristkit.store.marks import checked_text

AGREEMENT_COLUMNS = (
    *("one", "other", "label", "matched", "only_one", "only_other", "kappa", "seconds", "over"),
    *("start_median_s", "start_p90_s", "stop_median_s", "stop_p90_s"),
)
LOOKED_AT, LABELLED = "looked at by both", "labels of either"


def agreement(
    labels: pd.DataFrame,
    *,
    tier: str = "truth",
    labelled: Mapping[str, FloatArray] | None = None,
    tolerance_s: float = 0.0,
) -> pd.DataFrame:
    """Return how far each two raters agree, a row for each class and, with an empty label, one for all together.

    Parameters
    ----------
    labels
        Label table of one recording.
    tier
        The tier in which they are compared.
    labelled
        Rater to the (k, 2) seconds that this rater looked at. ``kappa`` is then taken over what both looked at; left
        out, over the time that labels of either of the two cover, which leaves out all silence that they agree about
        and so makes it low. ``over`` says which, ``seconds`` how long that is.
    tolerance_s
        Labels of one class belong together, one to one, where they overlap or lie at most this far apart.

    Returns
    -------
    DataFrame
        ``one, other`` name the raters; ``matched, only_one, only_other`` count labels; ``kappa`` is Cohen's, by time,
        of this class against all else, or of all classes; NaN where chance alone would agree in full. The errors of
        start and stop are median and 90th percentile of the distance between the edges of matched labels.
    """
    check_tolerance(tolerance_s)
    own = _of_tier(labels, checked_text("tier", tier))
    raters = sorted(set(own["rater"]))
    if len(raters) < 2:
        raise ValueError(
            f"labels of tier {tier!r} are of the raters {raters}, expected two or more; there are labels of the tiers "
            f"{sorted(set(map(str, labels['tier'])))}: name one that two people have labelled"
        )
    if labelled is not None and not isinstance(labelled, Mapping):
        raise TypeError(f"labelled is {told(labelled)}, expected spans by rater; give labelled={{'me': [(0.0, 60.0)]}}")
    if labelled is not None and (unknown := [rater for rater in raters if rater not in labelled]):
        raise ValueError(f"labelled says nothing of the raters {unknown}; give the spans they looked at, or leave it")

    spans = {name: _checked_spans(name, one) for name, one in (labelled or {}).items()}

    def looked_at(one: str, other: str) -> FloatArray | None:
        return None if labelled is None else intersect(union(spans[one]), union(spans[other]))

    rows = [
        (one, other, *row)
        for one, other in combinations(raters, 2)
        for row in _of_pair(own[own["rater"] == one], own[own["rater"] == other], looked_at(one, other), tolerance_s)
    ]
    return pd.DataFrame(rows, columns=list(AGREEMENT_COLUMNS))


def disputed(labels: pd.DataFrame, *, tier: str = "truth", tolerance_s: float = 0.0) -> list[int]:
    """Return the places in the table of the labels that at least one other rater of their tier does not share."""
    check_tolerance(tolerance_s)
    table = check_labels(labels)
    spans, names, raters = _spans(table), table["label"].to_numpy(), table["rater"].to_numpy()
    own = table["tier"].to_numpy() == tier
    alone: set[int] = set()
    for pair in combinations(sorted(set(raters[own])), 2):
        for name in sorted(set(names[own])):
            here, there = (np.flatnonzero(own & (raters == rater) & (names == name)) for rater in pair)
            pairs = match(spans[here], spans[there], tolerance_s=tolerance_s)
            alone |= {*np.delete(here, pairs[:, 0]).tolist(), *np.delete(there, pairs[:, 1]).tolist()}
    return sorted(alone)


def kappa(one: pd.DataFrame, other: pd.DataFrame, spans: FloatArray) -> float:
    """Return Cohen's kappa of two label tables over the seconds of disjoint, ordered spans; NaN where chance is all.

    At each moment a rater says the set of classes of the labels around it; two sets agree when they are equal.
    """
    edges = np.unique(np.concatenate([spans.ravel(), _spans(one).ravel(), _spans(other).ravel()]))
    middles_s, widths_s = (edges[:-1] + edges[1:]) / 2, np.diff(edges)
    place = np.searchsorted(spans.ravel(), middles_s, side="right")
    inside = place % 2 == 1
    if not inside.any():
        return float("nan")
    share = widths_s[inside] / widths_s[inside].sum()
    names = sorted({*one["label"], *other["label"]})
    said = [_said(table, names, middles_s[inside]) for table in (one, other)]
    kinds, codes = np.unique(np.concatenate(said), axis=0, return_inverse=True)
    mine, theirs = codes.reshape(2, -1)
    agreed = float(share[mine == theirs].sum())
    chance = float(
        np.bincount(mine, weights=share, minlength=len(kinds)) @ np.bincount(theirs, share, minlength=len(kinds))
    )
    return _beyond_chance(agreed, chance)


def _kappa_of_one(one: FloatArray, other: FloatArray, spans: FloatArray, seconds: float) -> float:
    """Return the same of the labels (n, 2) of one class, however many of others there are."""
    if not seconds:
        return float("nan")
    mine, theirs = (intersect(union(labels), spans) for labels in (one, other))
    said, also_said, both = (float(np.sum(part[:, 1] - part[:, 0])) for part in (mine, theirs, intersect(mine, theirs)))
    share, other_share = said / seconds, also_said / seconds
    chance = share * other_share + (1 - share) * (1 - other_share)
    return _beyond_chance(1 - (said + also_said - 2 * both) / seconds, chance)


def _beyond_chance(agreed: float, chance: float) -> float:
    return float("nan") if chance >= 1 - 1e-12 else (agreed - chance) / (1 - chance)


def _checked_spans(rater: str, spans: npt.ArrayLike) -> FloatArray:
    """Return what a rater looked at as (k, 2), or raise what is wrong with it."""
    try:
        known = np.asarray(spans, dtype=np.float64)
    except (TypeError, ValueError) as fault:
        raise ValueError(f"labelled of {rater!r} is {spans!r}, expected (k, 2) seconds, such as [(0, 60)]") from fault
    known = np.empty((0, 2)) if not known.size else known
    if known.ndim != 2 or known.shape[1] != 2:
        raise ValueError(f"labelled of {rater!r} is of shape {known.shape}, expected (k, 2) seconds, such as [(0, 60)]")
    wrong = ~np.isfinite(known).all(axis=1) | (known[:, 1] < known[:, 0])
    if wrong.any():
        start_s, stop_s = known[wrong][0].tolist()
        raise ValueError(
            f"labelled of {rater!r} has a span from {start_s:g} to {stop_s:g} s, expected start <= stop in seconds; "
            "mend or leave it out"
        )
    return known


def _of_tier(labels: pd.DataFrame, tier: str) -> pd.DataFrame:
    count = len(set(labels.get("recording", ()))) if isinstance(labels, pd.DataFrame) else 0
    if count > 1:
        raise ValueError(
            f"labels are of {count} recordings, expected one, as their times are on different "
            "clocks; give the rows of one at a time"
        )
    table = check_labels(labels)
    return table[table["tier"] == tier]


def _of_pair(
    mine: pd.DataFrame, theirs: pd.DataFrame, looked_at: FloatArray | None, tolerance_s: float
) -> Iterator[tuple[object, ...]]:
    """Return the rows of two raters, without their names."""
    over = LABELLED if looked_at is None else LOOKED_AT
    spans = union(np.concatenate([_spans(mine), _spans(theirs)])) if looked_at is None else looked_at
    spans = spans[spans[:, 1] > spans[:, 0]]  # a point covers no time
    seconds = float(np.sum(spans[:, 1] - spans[:, 0]))
    errors: list[FloatArray] = []
    of_mine, of_theirs = ({str(name): _spans(rows) for name, rows in one.groupby("label")} for one in (mine, theirs))
    for name in sorted({*of_mine, *of_theirs}):
        here, there = (of_one.get(name, np.empty((0, 2))) for of_one in (of_mine, of_theirs))
        pairs = match(here, there, tolerance_s=tolerance_s)
        errors.append(np.abs(here[pairs[:, 0]] - there[pairs[:, 1]]))
        counts = (len(pairs), len(here) - len(pairs), len(there) - len(pairs))
        yield (name, *counts, _kappa_of_one(here, there, spans, seconds), seconds, over, *_apart(errors[-1]))
    matched = sum(map(len, errors))
    counts = (matched, len(mine) - matched, len(theirs) - matched)
    yield ("", *counts, kappa(mine, theirs, spans), seconds, over, *_apart(np.concatenate(errors)))


def _apart(errors_s: FloatArray) -> tuple[float, ...]:
    """Return median and 90th percentile of the first column, then of the second."""
    if not len(errors_s):
        return (float("nan"),) * 4
    return tuple(np.percentile(errors_s, [50, 90], axis=0).T.ravel().tolist())


def _said(table: pd.DataFrame, names: list[str], moments_s: FloatArray) -> npt.NDArray[np.bool_]:
    """Return (moments, classes) whether a label of the class lies around each moment."""
    said = np.zeros((len(moments_s), len(names)), dtype=np.bool_)
    for column, name in enumerate(names):
        covered = union(_spans(table[table["label"] == name]))
        said[:, column] = np.searchsorted(covered.ravel(), moments_s, side="right") % 2 == 1
    return said


def _spans(table: pd.DataFrame) -> FloatArray:
    return table[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
