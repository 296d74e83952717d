"""A decoder for a given rate of false alarms, all its parameters chosen together on people who are not the test."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from dataclasses import dataclass, replace
from itertools import product
from typing import Any, Literal

import numpy as np
import pandas as pd

from wristkit.evaluate.figures import of_simulation
from wristkit.evaluate.report import EventReport, OperatingPoint, evaluate, stack
from wristkit.events import EventDecoder, Scores, match
from wristkit.recording import Recording, several_recordings
from wristkit.windows import plain_name

TUNED = ("smooth", "low", "min_length_s", "merge_s", "refractory_s", "refractory_any_s")


@dataclass(frozen=True, eq=False)
class TunedDecoder:
    """The decoder of the highest recall within a rate of false alarms.

    Parameters
    ----------
    decoder
        What was chosen; of equals the first, which is the simplest and soonest.
    point
        What it does on the people it was chosen on, which is better than on others.
    table
        One row a decoder tried: its parameters, ``recall``, ``fp_per_hour`` and ``latency_median_s``.
    people
        On whom it was chosen.
    notes
        What a reader must know beside the figures.
    """

    decoder: EventDecoder
    point: OperatingPoint
    table: pd.DataFrame
    people: tuple[str, ...]
    notes: tuple[str, ...] = ()

    def __repr__(self) -> str:
        told = f"of {len(self.table)} decoders, on {', '.join(self.people)}: {self.point}"
        return "\n".join([str(self.decoder), told, *(note for note in self.notes if note not in self.point.notes)])


def tune_decoder(
    scores: Scores | Mapping[str, Scores],
    recordings: Recording | Sequence[Recording],
    *,
    fp_per_hour: float,
    test: Recording | Sequence[Recording] = (),
    decoder: EventDecoder | None = None,
    grid: Mapping[str, Sequence[float]] | None = None,
    tier: str = "truth",
    tolerance_s: float = 0.5,
    latency_from: Literal["start", "stop"] = "start",
) -> TunedDecoder:
    """Return the decoder with the highest recall at no more than this many false alarms an hour.

    Parameters
    ----------
    scores
        Recording id to scores, such as ``detector.scores(recording)``; of one recording the scores alone will do.
    recordings
        Whose labels are the truth; each with a subject.
    fp_per_hour
        Most false alarms an hour on these people.
    test
        What the decoder will be judged on. People, recordings or parts of one file that are in both raise.
    decoder
        Where what is not tuned comes from, such as ``background``.
    grid
        Parameter to the values that are tried, of ``smooth, low, min_length_s, merge_s, refractory_s,
        refractory_any_s``, each combined with each; the high threshold comes from the exact curve. By default a few of
        each, by the hop, but for ``refractory_any_s``: where classes block each other the curve takes longer, of scores
        that are all noise many times, so name its values where you need them.
    tier, tolerance_s, latency_from
        As in :func:`wristkit.evaluate`. Of equal recall the soonest is taken; what is decided before the event has
        begun is as bad as what comes as much after.
    """
    recordings, test = several_recordings(recordings), several_recordings(test, "test")
    refuse_shared_people(recordings, test)
    known = [scores] if isinstance(scores, Scores) else list(_mapping(scores, "scores").values())
    if others := [type(one).__name__ for one in known if not isinstance(one, Scores)]:
        raise TypeError(f"scores hold a {others[0]}, expected Scores by recording id; make them with detector.scores")
    base, hop_s = decoder or EventDecoder(), max((one.hop_s for one in known), default=0.0)
    decoders = list(_decoders(base, default_grid(hop_s) if grid is None else grid))
    rows: list[tuple[float, ...]] = []
    best: tuple[tuple[float, float], EventDecoder, OperatingPoint] | None = None
    rule: dict[str, Any] = {"tier": tier, "tolerance_s": tolerance_s, "latency_from": latency_from}
    whole = evaluate(stack({}), recordings, scores=scores, decoder=base, **rule)
    if not whole.recall_share.total:
        raise ValueError(
            f"the recordings hold no true event of tier {tier!r} that these scores know, so no decoder has a recall; "
            f"give recordings with labels of {sorted(whole.classes)}"
        )
    for one in decoders:
        own = tuple(getattr(one, name) for name in TUNED)
        point = replace(whole, decoder=one).at(fp_per_hour=fp_per_hour)
        if point.threshold > 1 or not point.recall_share.hits:
            rows.append((*own, float("nan"), 0.0, 0.0, float("nan")))
            continue
        chosen = replace(one, high=point.threshold)
        late_s, beside_s = _latency_s(chosen, whole)
        rows.append((*own, chosen.high, point.recall, point.fp_per_hour, late_s))
        if best is None or (point.recall, -beside_s) > best[0]:
            best = ((point.recall, -beside_s), chosen, point)
    if best is None:
        raise ValueError(
            f"no decoder of {len(rows)} finds a true event at {fp_per_hour:g} false alarms an hour or fewer; allow "
            "more, or train with more windows of what it mistakes: wristkit.evaluate.hard_negatives"
        )
    table = pd.DataFrame(rows, columns=[*TUNED, "high", "recall", "fp_per_hour", "latency_median_s"])
    people = tuple(sorted({str(one.subject) for one in recordings}))
    untested = () if len(test) else ("no test people were named (test=), so nobody checked that they are others",)
    return TunedDecoder(best[1], best[2], table, people, (*untested, *of_simulation(whole.notes)))


def default_grid(hop_s: float) -> dict[str, tuple[float, ...]]:
    """Return what is tried by default, the simplest of each first; all but ``refractory_any_s``, which is slow."""
    return {
        "smooth": (1, 3, 5),
        "low": (0.5, 0.35, 0.2),
        "min_length_s": (0.0, 2 * hop_s),
        "merge_s": (0.0, 2 * hop_s),
        "refractory_s": (0.0, 1.0),
    }


def _decoders(base: EventDecoder, grid: Mapping[str, Sequence[float]]) -> Iterator[EventDecoder]:
    wanted = _mapping(grid, "grid")
    if unknown := sorted(set(wanted) - set(TUNED)):
        raise ValueError(f"grid has {unknown}, expected some of {list(TUNED)}; the high threshold comes from the curve")
    for name, values in wanted.items():
        if isinstance(values, str) or not isinstance(values, Iterable) or not list(values):
            raise ValueError(f"grid[{name!r}] is {values!r}, expected one or more values to try, such as (0.0, 1.0)")
    for values in product(*grid.values()):
        fields: dict[str, Any] = dict(zip(grid, values, strict=True))
        yield replace(base, **{**fields, "high": max(base.high, fields.get("low", base.low))})


def _latency_s(decoder: EventDecoder, report: EventReport) -> tuple[float, float]:
    """Return two medians over the hits of a decoder: of the latency, and of it with what comes too early as late."""
    late_s, beside_s, scores = [np.empty(0)], [np.empty(0)], report.scores or {}
    for name in report.basis:
        for label, found in decoder.run(scores[name]).groupby("label"):
            times = found[["start_s", "stop_s"]].to_numpy(dtype=np.float64)
            truth = report.seen[name].truth.get(str(label), np.empty((0, 2)))
            score = found["score"].to_numpy(dtype=np.float64)
            pairs = match(times, truth, tolerance_s=report.rule.tolerance_s, score=score)
            decided_s = found["decided_s"].to_numpy(dtype=np.float64)[pairs[:, 0]]
            start_s, since_s = truth[pairs[:, 1], 0], truth[pairs[:, 1], int(report.rule.latency_from == "stop")]
            late_s.append(decided_s - since_s)
            beside_s.append(start_s + np.abs(decided_s - start_s) - since_s)
    return float(np.median(np.concatenate(late_s))), float(np.median(np.concatenate(beside_s)))


def refuse_shared_people(recordings: Sequence[Recording], test: Sequence[Recording]) -> None:
    """Raise where people or recordings to choose by are among those to test on, or nobody knows."""
    nameless = [one.id for one in (*recordings, *test) if not plain_name(one.subject or "")]
    if nameless:
        raise ValueError(
            f"recordings {nameless[:3]} have no subject, so that nobody knows whether they are test people; give "
            "subject= when loading"
        )
    if shared := sorted(_plain_names(recordings) & _plain_names(test)):
        raise ValueError(f"{shared} are among the test people too; tune on others, or the test says nothing")
    if again := sorted({one.id for one in recordings} & {one.id for one in test}):
        raise ValueError(f"recordings {again[:3]} are of the test set under another name; give each to one person")
    files = {one.source.get("content_hash") for one in test} - {None}
    if parts := sorted(one.id for one in recordings if one.source.get("content_hash") in files):
        raise ValueError(
            f"recordings {parts[:3]} are of the same file as some of the test set; give all of a file to one person"
        )


def _plain_names(recordings: Sequence[Recording]) -> set[str]:
    """Return the names of people as they are however spelled."""
    return {plain_name(str(one.subject)) for one in recordings}


def _mapping(given: Mapping[str, Any], name: str) -> Mapping[str, Any]:
    if not isinstance(given, Mapping):
        raise TypeError(f"{name} is a {type(given).__name__}, expected a dictionary")
    return given
