"""Which predicted event belongs to which true one."""

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray


def match(
    predicted: FloatArray, truth: FloatArray, *, tolerance_s: float, score: FloatArray | None = None
) -> npt.NDArray[np.int64]:
    """Return (pairs, 2) places of predicted and true events that belong together, one to one, as many as possible.

    Of several predicted events that could share fewer true ones, those of the higher score are matched; of the ways to
    pair them, the one whose starts and stops lie nearest in sum.

    Parameters
    ----------
    predicted, truth
        (n, 2) and (m, 2) seconds of start and stop of events of one class in one recording.
    tolerance_s
        Two events may belong together when they overlap or are at most this far apart.
    score
        (n,) of the predicted events; without it the earlier rows come first.
    """
    rows, columns = near(predicted, truth, tolerance_s)
    taken = served(rows, columns, np.zeros(len(predicted)) if score is None else score)
    if not taken.any():
        return np.empty((0, 2), dtype=np.int64)
    kept = taken[rows]
    rows, columns = rows[kept], columns[kept]
    apart_s = np.abs(predicted[rows] - truth[columns]).sum(axis=1)
    return _nearest(rows, columns, apart_s)


def _nearest(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], apart_s: FloatArray) -> npt.NDArray[np.int64]:
    """Return the pairs that match every row at the least sum of distances."""
    from scipy.sparse import csr_array
    from scipy.sparse.csgraph import min_weight_full_bipartite_matching

    events, row = np.unique(rows, return_inverse=True)
    truths, column = np.unique(columns, return_inverse=True)
    # A weight of zero would be no pair; as many pairs are made in any case, so what is added to all changes nothing.
    weights = csr_array((1.0 + apart_s, (row, column)), shape=(len(events), len(truths)))
    first, second = min_weight_full_bipartite_matching(weights)
    return np.column_stack([events[first], truths[second]]).astype(np.int64)


def served(rows: npt.NDArray[np.intp], columns: npt.NDArray[np.intp], score: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which events (n,) get a true one of their own when they choose in order of score, the highest first.

    ``rows`` and ``columns`` are the places of events and true ones that may belong together. So served, as many are
    matched as can be, and whoever is served stays so when weaker ones come.
    """
    taken = np.zeros(len(score), dtype=bool)
    shared = np.zeros(columns.max(initial=-1) + 1, dtype=bool)
    shared[columns[np.bincount(rows, minlength=len(score))[rows] > 1]] = True
    alone = ~shared[columns]  # of true ones that only events without another choice could have, the strongest takes it
    order = np.lexsort((rows[alone], -score[rows[alone]], columns[alone]))
    _, first = np.unique(columns[alone][order], return_index=True)
    taken[rows[alone][order][first]] = True
    choices: dict[int, list[int]] = {}
    for row, column in zip(rows[~alone].tolist(), columns[~alone].tolist(), strict=True):
        choices.setdefault(row, []).append(column)
    owner: dict[int, int] = {}
    held: dict[int, int] = {}
    rivals = np.unique(rows[~alone])
    for event in rivals[np.argsort(-score[rivals], kind="stable")].tolist():
        taken[event] = _serve(event, choices, owner, held)
    return taken


def _serve(event: int, choices: dict[int, list[int]], owner: dict[int, int], held: dict[int, int]) -> bool:
    """Give an event one of its choices, if need be by giving others another of theirs (an augmenting path)."""
    asked_by: dict[int, int] = {}
    asking = [event]
    for one in asking:  # grows while it is walked
        for truth in (truth for truth in choices[one] if truth not in asked_by):
            asked_by[truth] = one
            if truth not in owner:
                _hand_over(truth, asked_by, owner, held)
                return True
            asking.append(owner[truth])
    return False


def _hand_over(free: int, asked_by: dict[int, int], owner: dict[int, int], held: dict[int, int]) -> None:
    """Let each along the path take what it asked for, and leave what it held to who asked before it."""
    truth: int | None = free
    while truth is not None:
        taker = asked_by[truth]
        left = held.get(taker)
        owner[truth], held[taker] = taker, truth
        truth = left


def near(
    predicted: FloatArray, truth: FloatArray, tolerance_s: float
) -> tuple[npt.NDArray[np.intp], npt.NDArray[np.intp]]:
    """Return the places of every predicted and true event that may belong together, without trying all pairs."""
    starts_s, ends_s = np.ascontiguousarray(predicted[:, 0]), np.ascontiguousarray(predicted[:, 1])
    order = None if _rises(starts_s) else np.argsort(starts_s, kind="stable")
    if order is not None:
        starts_s, ends_s = starts_s[order], ends_s[order]
    latest_s = ends_s if _rises(ends_s) else np.maximum.accumulate(ends_s)
    first = np.searchsorted(latest_s, truth[:, 0] - tolerance_s)
    last = np.searchsorted(starts_s, truth[:, 1] + tolerance_s, side="right")
    counts = np.maximum(last - first, 0)
    columns = np.repeat(np.arange(len(truth)), counts)
    rows = np.arange(len(columns)) - np.repeat(np.cumsum(counts) - counts, counts) + np.repeat(first, counts)
    touching = ends_s[rows] >= truth[columns, 0] - tolerance_s
    rows, columns = rows[touching], columns[touching]
    return rows if order is None else order[rows], columns


def _rises(values: FloatArray) -> bool:
    return bool((values[1:] >= values[:-1]).all())
