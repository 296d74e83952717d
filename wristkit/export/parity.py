"""Does the package say what the detector says? Two stages, because float16 noise can hide a small change of meaning.

The float32 conversion proves the graph; the shipped one is measured in probabilities and decisions. What could not be
run is a row of its own, never a silent pass.
"""

from collections.abc import Sequence
from dataclasses import dataclass
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import Scores
from wristkit.export.mlprogram import MLPackage
from wristkit.recording import Recording

if TYPE_CHECKING:
    import torch

    from wristkit.detector import Detector

EXACT_BOUND = 1e-5
SHIPPED_BOUND = {"float16": 2e-3, "float32": 1e-5}
SAME_DECISIONS = 0.999
LARGEST = {"fp16": 65504.0, "fp32": float(np.finfo(np.float32).max)}
COLUMNS = ("check", "status", "measured", "bound", "note")
MOST_WINDOWS = 4000
RANDOM_WINDOWS = 1000
GRAPH_WINDOWS = 256  # that prove the graph: one would do, were it not for saturated outputs

Windows32 = npt.NDArray[np.float32]


class ParityError(ValueError):
    """A package that does not say what its detector says; ``parity`` is the whole table."""

    def __init__(self, message: str, *, parity: pd.DataFrame) -> None:
        super().__init__(message)
        self.parity = parity


class Trial(NamedTuple):
    """Windows (n, channels, samples) on which a package is tried, and where they come from.

    ``scores`` are the detector's own of whole recordings, whose windows are then all of ``values`` in this order;
    ``recordings`` says how many they are and whether they are simulated.
    """

    values: Windows32
    source: str
    scores: tuple[Scores, ...] = ()
    recordings: str = "no recording"


class _Row(NamedTuple):
    check: str
    status: Literal["passed", "failed", "not run"]
    measured: float
    bound: float
    note: str


@dataclass(frozen=True, eq=False)
class _Answers:
    """What a package answered: probabilities and logits (n, classes), labels, largest magnitude by type."""

    probabilities: npt.NDArray[np.float64]
    logits: npt.NDArray[np.float64]
    decisions: tuple[str, ...]
    labels: tuple[str, ...]
    largest: dict[str, float]


def trial_windows(detector: "Detector", recordings: Sequence[Recording] | None) -> Trial:
    """Return at most 4000 conditioned windows, evenly from all recordings, or seeded random ones without recordings."""
    if recordings is None:
        source = f"{RANDOM_WINDOWS} seeded random windows at the scale of training, no recording"
        return Trial(_random_windows(detector), source)
    parts = [detector.condition(one).values for one in recordings]
    count = sum(map(len, parts))
    if not count:
        raise ValueError("the recordings hold no complete window to check the package on; give longer ones, or none")
    chosen = _evenly(count, MOST_WINDOWS)
    scores = tuple(map(detector.scores, recordings)) if len(chosen) == count else ()
    told = _told(recordings)
    return Trial(np.concatenate(parts)[chosen], f"{len(chosen)} of {count} windows of {told}", scores, told)


def _told(recordings: Sequence[Recording]) -> str:
    """Return how many recordings there are, and how many of them nobody wore."""
    count, simulated = len(recordings), sum(one.is_simulated for one in recordings)
    if simulated == count:
        return f"{count} simulated recording(s)"
    return f"{count} recording(s)" + (f", {simulated} of them simulated" if simulated else "")


def _evenly(count: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _random_windows(detector: "Detector") -> Windows32:
    """Return windows with the mean and spread that the net's normaliser learned, or unit ones without a normaliser."""
    from wristkit.models import Net

    channels, samples = len(detector.spec.conditioning.channels), detector.spec.length
    windows = np.random.default_rng(0).standard_normal((RANDOM_WINDOWS, channels, samples))
    if isinstance(detector.model, Net):
        mean, scale = (one.numpy()[:, None] for one in (detector.model.normalise.mean, detector.model.normalise.scale))
        spread = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)
        windows = mean + windows * spread
    return windows.astype(np.float32)


def parity(detector: "Detector", *, exact: MLPackage, shipped: MLPackage, precision: str, trial: Trial) -> pd.DataFrame:
    """Return one row a check: check, status, measured, bound, note.

    Parameters
    ----------
    exact, shipped
        The float32 conversion and the one that an app gets.
    precision
        Of the shipped package.
    trial
        Windows to compare on.
    """
    classes = detector.spec.classes
    logits, probabilities = expected(detector, trial.values)
    few = _evenly(len(trial.values), GRAPH_WINDOWS)
    graph, app = _answers(exact, trial.values[few]), _answers(shipped, trial.values)
    decided = np.array(classes, dtype=object)[probabilities.argmax(axis=1)]
    kind = {"float16": "fp16", "float32": "fp32"}[precision]
    rows = [
        _at_most("labels and their order", _misplaced(app.labels, classes), 0, "classes out of place"),
        _at_most(
            "MIL float32, probabilities", _worst(graph.probabilities, probabilities[few]), EXACT_BOUND, trial.source
        ),
        _at_most(
            "MIL float32, logits",
            _worst_logit(graph.logits, logits[few]),
            EXACT_BOUND,
            "as a share of the largest logit",
        ),
        _at_most(
            f"shipped {precision}, probabilities",
            _worst(app.probabilities, probabilities),
            SHIPPED_BOUND[precision],
            trial.source,
        ),
        _decisions(f"shipped {precision}, decisions", np.array(app.decisions, dtype=object) == decided),
        _events(f"shipped {precision}, events", detector, app.probabilities, trial),
        _at_most(
            f"shipped {precision}, range", app.largest.get(kind, 0.0), LARGEST[kind], f"largest |x| of any {kind}"
        ),
        _Row("Core ML on Apple hardware", "not run", np.nan, np.nan, "replay golden/ on a Mac or a watch"),
    ]
    return pd.DataFrame(rows, columns=list(COLUMNS))


def raise_failed(table: pd.DataFrame) -> None:
    """Raise ParityError that names the failed rows, if any."""
    failed = table[table["status"] == "failed"]
    if failed.empty:
        return
    rows = "; ".join(f"{row.check}: {row.measured:.3g}, expected {row.bound:.3g}" for row in failed.itertuples())
    raise ParityError(
        f"the package does not say what the detector says ({rows}); do not ship it. Try precision='float32'; if the "
        "float32 rows fail as well, a layer was converted wrongly",
        parity=table,
    )


def expected(detector: "Detector", values: Windows32) -> tuple[npt.NDArray[np.float64], npt.NDArray[np.float64]]:
    """Return logits and probabilities (n, classes) by torch."""
    import torch

    with torch.no_grad():
        parts = [detector.model(torch.from_numpy(part)) for part in np.array_split(values, -(-len(values) // 256))]
        logits = torch.cat(parts)
        probabilities = torch.softmax(logits, dim=-1)
    return logits.numpy().astype(np.float64), probabilities.numpy().astype(np.float64)


def _answers(package: MLPackage, values: Windows32) -> _Answers:
    largest: dict[str, float] = {}
    logits: list[npt.NDArray[np.float64]] = []
    before_softmax = [str(one.operands["x"][0]) for one in package.operations if one.type == "softmax"][-1:]

    def observe(name: str, tensor: "torch.Tensor", kind: str) -> None:
        magnitude = float(tensor.abs().max()) if tensor.numel() else 0.0
        # A NaN must not be lost in a comparison: it counts as infinite.
        largest[kind] = max(largest.get(kind, 0.0), magnitude if magnitude == magnitude else np.inf)  # noqa: PLR0124
        if name in before_softmax:
            logits.append(tensor.numpy().astype(np.float64).reshape(-1))

    answers = [package.predict({"window": window[None]}, observer=observe) for window in values]
    tables = [table for one in answers if isinstance(table := one["probabilities"], dict)]
    return _Answers(
        probabilities=np.array([list(table.values()) for table in tables]),
        logits=np.array(logits),
        decisions=tuple(str(one["label"]) for one in answers),
        labels=tuple(tables[0]),
        largest=largest,
    )


def _misplaced(labels: tuple[str, ...], classes: tuple[str, ...]) -> float:
    if len(labels) != len(classes):
        return float(max(len(labels), len(classes)))
    return float(sum(one != other for one, other in zip(labels, classes, strict=True)))


def _worst(got: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    return float(np.abs(got - wanted).max()) if got.shape == wanted.shape else np.inf


def _worst_logit(got: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    """Return the largest difference in units of the largest logit: softmax hides it where one class is certain."""
    return _worst(got, wanted) / max(1.0, float(np.abs(wanted).max()))


def _at_most(check: str, measured: float, bound: float, note: str) -> _Row:
    # Not "measured > bound": NaN must fail.
    return _Row(check, "passed" if measured <= bound else "failed", measured, bound, note)


def _decisions(check: str, same: npt.NDArray[np.bool_]) -> _Row:
    """Return the share of equal decisions; one near tie is forgiven where windows are fewer than 1000."""
    bound = min(SAME_DECISIONS, 1 - 1 / len(same))
    share = float(same.mean())
    note = f"{int((~same).sum())} of {len(same)} windows differ"
    return _Row(check, "passed" if share >= bound else "failed", share, bound, note)


def _events(check: str, detector: "Detector", probabilities: npt.NDArray[np.float64], trial: Trial) -> _Row:
    """Return how many events of the recordings differ when the package's probabilities are decoded."""
    if not trial.scores:
        return _Row(check, "not run", np.nan, np.nan, f"needs recordings= of at most {MOST_WINDOWS} windows")
    differ, total, first = 0, 0, 0
    for scores in trial.scores:
        got = probabilities[first : first + len(scores)]
        first += len(scores)
        said = Scores.of(
            scores.time, got.astype(np.float32), classes=scores.channels, centre_s=scores.centre_s, hop_s=scores.hop_s
        )
        ours, theirs = (_event_set(detector.spec.decoder.run(one)) for one in (scores, said))
        differ += len(ours ^ theirs)
        total += len(ours)
    return _at_most(check, float(differ), 0, f"events that differ, of {total} in {trial.recordings}")


def _event_set(events: pd.DataFrame) -> set[tuple[object, ...]]:
    return set(events[["start_s", "stop_s", "label", "decided_s"]].itertuples(index=False, name=None))
