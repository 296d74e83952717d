"""Does the package say what the detector says? Two stages, because float16 noise can hide a small change of meaning.

The float32 conversion proves the graph; the shipped one is measured in probabilities and decisions. What could not be
run is a row of its own, never a silent pass.
"""

from collections.abc import Callable, Sequence
from typing import TYPE_CHECKING, Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.detector import Cascade, Detector
from wristkit.events import Scores
from wristkit.export.coreml import metadata, program_sha256
from wristkit.export.forms import INTERFACES, form
from wristkit.export.mlprogram import MLPackage
from wristkit.export.packaged import Answers, Packaged, Windows32, answers
from wristkit.recording import Recording

if TYPE_CHECKING:
    import torch

EXACT_BOUND = 1e-5
SHIPPED_BOUND = {"float16": 2e-3, "float32": 1e-5, "int8": 5e-3}
SAME_DECISIONS = 0.999
CONSTANT_BOUND = 1e-6
LARGEST = {"fp16": 65504.0, "fp32": float(np.finfo(np.float32).max)}
COLUMNS = ("check", "status", "measured", "bound", "note")
MOST_WINDOWS = 4000
MOST_IN_TURN = 400  # of a package with a state, which answers one call after the other
RANDOM_WINDOWS = 1000
GRAPH_WINDOWS = 256  # that prove the graph: one would do, were it not for saturated outputs
PACKET_S = 0.5

Logits = npt.NDArray[np.float64]


class ParityError(ValueError):
    """A package that does not say what its detector says; ``parity`` is the whole table."""

    def __init__(self, message: str, *, parity: pd.DataFrame) -> None:
        super().__init__(message)
        self.parity = parity


class Trial(NamedTuple):
    """Windows (n, channels, samples) on which a package is tried, and where they come from.

    ``scores`` are the detector's own of whole recordings, whose windows are then all of ``values`` in this order;
    ``recordings`` says how many they are and whether they are simulated, ``held`` are they.
    """

    values: Windows32
    source: str
    scores: tuple[Scores, ...] = ()
    recordings: str = "no recording"
    held: tuple[Recording, ...] = ()


class Row(NamedTuple):
    """One check of a package."""

    check: str
    status: Literal["passed", "failed", "not run"]
    measured: float
    bound: float
    note: str


def trial_windows(detector: Detector, recordings: Sequence[Recording] | None, *, most: int = MOST_WINDOWS) -> Trial:
    """Return so many conditioned windows, evenly from all recordings, or seeded random ones without recordings."""
    if recordings is None:
        values = _random_windows(detector)[:most]
        return Trial(values, f"{len(values)} seeded random windows at the scale of training, no recording")
    parts = [detector.condition(one).values for one in recordings]
    count = sum(map(len, parts))
    if not count:
        raise ValueError("the recordings hold no complete window to check the package on; give longer ones, or none")
    chosen = _evenly(count, most)
    scores = tuple(map(detector.scores, recordings)) if len(chosen) == count else ()
    source = f"{len(chosen)} of {count} windows of {told(recordings)}"
    return Trial(np.concatenate(parts)[chosen], source, scores, told(recordings), tuple(recordings))


def told(recordings: Sequence[Recording]) -> str:
    """Return how many recordings there are, and how many of them nobody wore."""
    count, simulated = len(recordings), sum(one.is_simulated for one in recordings)
    if simulated == count:
        return f"{count} simulated recording(s)"
    return f"{count} recording(s)" + (f", {simulated} of them simulated" if simulated else "")


def _evenly(count: int, most: int) -> npt.NDArray[np.int64]:
    return np.unique(np.linspace(0, count - 1, min(count, most)).astype(np.int64))


def _random_windows(detector: Detector) -> Windows32:
    """Return windows with the mean and spread that the net's normaliser learned, or unit ones without a normaliser."""
    from wristkit.models import Net

    channels, samples = len(detector.spec.conditioning.channels), detector.spec.length
    windows = np.random.default_rng(0).standard_normal((RANDOM_WINDOWS, channels, samples))
    if isinstance(detector.model, Net):
        mean, scale = (one.numpy()[:, None] for one in (detector.model.normalise.mean, detector.model.normalise.scale))
        spread = np.divide(1.0, scale, out=np.zeros_like(scale), where=scale != 0)
        windows = mean + windows * spread
    return windows.astype(np.float32)


class Said(NamedTuple):
    """What one runtime said: to windows and, where recordings were given, as events (differing, in all)."""

    probabilities: npt.NDArray[np.float64]
    decisions: tuple[str, ...]


def parity(detector: Detector, *, exact: MLPackage, shipped: MLPackage, precision: str, trial: Trial) -> pd.DataFrame:
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
    logits, probabilities = expected(detector, trial.values)
    few = _evenly(len(trial.values), GRAPH_WINDOWS)
    graph, app = _Watched(), _Watched()
    proof = answers(exact, trial.values[few], observer=graph.see(exact), in_turn=False)
    said = answers(shipped, trial.values, observer=app.see(shipped))
    rows = [
        *_identity(detector, shipped),
        at_most("labels and their order", _misplaced(said.labels, detector.spec.classes), 0, "classes out of place"),
        at_most(
            "MIL float32, probabilities", worst(proof.probabilities, probabilities[few]), EXACT_BOUND, trial.source
        ),
        _logit_row(graph, logits[few], exact),
        *_shipped_rows(detector, said, probabilities, precision, trial),
        _range_row(app, precision),
    ]
    return table_of(rows)


def _shipped_rows(
    detector: Detector, said: Answers, probabilities: npt.NDArray[np.float64], precision: str, trial: Trial
) -> list[Row]:
    decided = np.array(detector.spec.classes, dtype=object)[probabilities.argmax(axis=1)]
    apart = np.abs(said.probabilities - probabilities) if said.probabilities.shape == probabilities.shape else np.inf
    spread = f"mean {np.mean(apart):.2g}, 99.9 % below {np.quantile(apart, 0.999):.2g}; {trial.source}"
    return [
        at_most(
            f"shipped {precision}, probabilities",
            worst(said.probabilities, probabilities),
            SHIPPED_BOUND[precision],
            spread,
        ),
        _decisions(f"shipped {precision}, decisions", np.array(said.decisions, dtype=object) == decided),
        _events(f"shipped {precision}, events", detector, said.probabilities, trial),
    ]


def _identity(detector: Detector, shipped: MLPackage) -> list[Row]:
    """Return whether the file is the one that was written, and says of itself what the detector says."""
    stamped = shipped.metadata.get("program_sha256")
    altered = float(stamped != program_sha256(shipped.path))
    interface = shipped.metadata.get("interface", "window")
    shaped = form(detector, next(one for one in INTERFACES if one == interface))
    ours = metadata(detector, shaped)
    other = sorted(key for key, value in ours.items() if shipped.metadata.get(key) != value)
    note = f"differ: {', '.join(other)}" if other else "classes, units, frame, rate, conditioning, decoder, hashes"
    return [
        at_most("file as written", altered, 0, "program and weights against the hash in the metadata"),
        at_most("metadata", float(len(other)), 0, note),
        _normalisation(detector, shipped),
    ]


def _normalisation(detector: Detector, shipped: MLPackage) -> Row:
    """Return how far the constants by which the file normalises are from those of the net."""
    from wristkit.models import Net

    check = "normalisation constants"
    if not isinstance(detector.model, Net):
        return not_run(check, "the net has no normaliser that is known")
    normal = detector.model.normalise
    apart = [
        min((_apart(one, wanted.numpy()) for one in _taken_by(shipped, kind)), default=np.inf)
        for kind, wanted, nothing in (("sub", normal.mean, 0.0), ("mul", normal.scale, 1.0))
        if bool((wanted != nothing).any())  # a step that does nothing is left out of the file
    ]
    if not apart:
        return not_run(check, "the net's normaliser does nothing; fit it before training: model.fit_normaliser(values)")
    return at_most(check, max(apart), CONSTANT_BOUND, "largest relative difference of mean and scale")


def _taken_by(package: MLPackage, kind: str) -> list[npt.NDArray[np.float64]]:
    """Return the constants that operations of a kind take."""
    import torch

    names = [
        name for one in package.operations if one.type == kind for several in one.operands.values() for name in several
    ]
    held = [package.constants.get(name) if isinstance(name, str) else name for name in names]
    return [one.numpy().astype(np.float64).reshape(-1) for one in held if isinstance(one, torch.Tensor)]


def _apart(one: npt.NDArray[np.float64], wanted: npt.NDArray[np.float32]) -> float:
    if one.shape != wanted.shape:
        return np.inf
    return float((np.abs(one - wanted) / np.maximum(np.abs(wanted), 1e-12)).max())


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


def expected(detector: Detector, values: Windows32) -> tuple[Logits, npt.NDArray[np.float64]]:
    """Return logits and probabilities (n, classes) by torch."""
    import torch

    with torch.no_grad():
        parts = [detector.model(torch.from_numpy(part)) for part in np.array_split(values, -(-len(values) // 256))]
        logits = torch.cat(parts)
        probabilities = torch.softmax(logits, dim=-1)
    return logits.numpy().astype(np.float64), probabilities.numpy().astype(np.float64)


class _Watched:
    """Largest magnitude by type, and the logits, of what runs by."""

    def __init__(self) -> None:
        self.largest: dict[str, float] = {}
        self.logits: list[Logits] = []

    def see(self, package: MLPackage) -> "Callable[[str, torch.Tensor, str], None]":
        """Return an observer of a package."""
        last = [one for one in package.operations if one.type == "softmax"][-1:]
        before_softmax = [str(one.operands["x"][0]) for one in last]
        classes = [shape[-1] for one in last for _, _, shape in one.results if shape]

        def observe(name: str, tensor: "torch.Tensor", kind: str) -> None:
            magnitude = float(tensor.abs().max()) if tensor.numel() else 0.0
            # A NaN must not be lost in a comparison: it counts as infinite.
            magnitude = magnitude if magnitude == magnitude else np.inf  # noqa: PLR0124
            self.largest[kind] = max(self.largest.get(kind, 0.0), magnitude)
            if name in before_softmax:
                self.logits.append(tensor.numpy().astype(np.float64).reshape(-1, *classes))

        return observe


def _logit_row(graph: _Watched, logits: Logits, exact: MLPackage) -> Row:
    check = "MIL float32, logits"
    if exact.metadata.get("interface", "window") != "window":
        return not_run(check, "with a state some answers are of no window; probabilities are compared")
    got = np.concatenate(graph.logits) if graph.logits else np.empty(0)
    return at_most(check, _worst_logit(got, logits), EXACT_BOUND, "as a share of the largest logit")


def _range_row(app: _Watched, precision: str) -> Row:
    kind = "fp32" if precision == "float32" else "fp16"
    return at_most(
        f"shipped {precision}, range", app.largest.get(kind, 0.0), LARGEST[kind], f"largest |x| of any {kind}"
    )


def _misplaced(labels: tuple[str, ...], classes: tuple[str, ...]) -> float:
    if len(labels) != len(classes):
        return float(max(len(labels), len(classes)))
    return float(sum(one != other for one, other in zip(labels, classes, strict=True)))


def worst(got: npt.NDArray[np.float64], wanted: npt.NDArray[np.float64]) -> float:
    """Return the largest difference; infinity where the shapes differ."""
    return float(np.abs(got - wanted).max()) if got.shape == wanted.shape else np.inf


def _worst_logit(got: Logits, wanted: Logits) -> float:
    """Return the largest difference in units of the largest logit: softmax hides it where one class is certain."""
    return worst(got, wanted) / max(1.0, float(np.abs(wanted).max()))


def at_most(check: str, measured: float, bound: float, note: str) -> Row:
    """Return a row that passes up to its bound; NaN fails."""
    return Row(check, "passed" if measured <= bound else "failed", measured, bound, note)


def not_run(check: str, why: str) -> Row:
    """Return the row of a check that could not be run here."""
    return Row(check, "not run", np.nan, np.nan, why)


def table_of(rows: Sequence[Row]) -> pd.DataFrame:
    """Return rows as the table of a parity."""
    return pd.DataFrame(rows, columns=list(COLUMNS))


def _decisions(check: str, same: npt.NDArray[np.bool_]) -> Row:
    """Return the share of equal decisions; one near tie is forgiven where windows are fewer than 1000."""
    bound = min(SAME_DECISIONS, 1 - 1 / len(same))
    share = float(same.mean())
    note = f"{int((~same).sum())} of {len(same)} windows differ"
    return Row(check, "passed" if share >= bound else "failed", share, bound, note)


def _events(check: str, detector: Detector, probabilities: npt.NDArray[np.float64], trial: Trial) -> Row:
    """Return how many events of the recordings differ when the package's probabilities are decoded."""
    if not trial.scores:
        return not_run(check, f"needs recordings= of at most {MOST_WINDOWS} windows")
    pairs, first = [], 0
    for scores in trial.scores:
        got = probabilities[first : first + len(scores)]
        first += len(scores)
        said = Scores.of(
            scores.time, got.astype(np.float32), classes=scores.channels, centre_s=scores.centre_s, hop_s=scores.hop_s
        )
        ours, theirs = (detector.spec.decoder.run(one) for one in (scores, said))
        pairs.append((ours, theirs))
    return events_row(check, pairs, trial.recordings)


def events_row(check: str, pairs: Sequence[tuple[pd.DataFrame, pd.DataFrame]], recordings: str) -> Row:
    """Return how many events differ in pairs of tables."""
    sets = [(event_set(one), event_set(other)) for one, other in pairs]
    differ, total = sum(len(one ^ other) for one, other in sets), sum(len(one) for one, _ in sets)
    return at_most(check, float(differ), 0, f"events that differ, of {total} in {recordings}")


def event_set(events: pd.DataFrame) -> set[tuple[object, ...]]:
    """Return events as a set, their scores left out."""
    return set(events[["start_s", "stop_s", "label", "decided_s"]].itertuples(index=False, name=None))


def push_row(detector: Detector | Cascade, recordings: Sequence[Recording]) -> Row:
    """Return whether packets give the events that whole recordings give."""
    check = "Python push, events"
    if not recordings:
        return not_run(check, "needs recordings=")
    pairs = [(detector.detect(one), pushed(detector, one)) for one in recordings]
    return events_row(check, pairs, told(recordings))


def pushed(detector: Detector | Cascade, recording: Recording) -> pd.DataFrame:
    """Return the events of a recording that came in packets of half a second."""
    from wristkit.events import event_table
    from wristkit.simulate import packets

    detector.reset(wrist=recording.wrist, crown=recording.crown)
    names = detector.streams if isinstance(detector, Cascade) else tuple(detector.spec.conditioning.inputs)
    updates = []
    for packet in packets(recording, packet_s=PACKET_S):
        updates += detector.push({name: one for name, one in packet.items() if name in names})
    updates += detector.flush()
    return event_table(one.event for one in updates if one.final)


def packaged_row(check: str, cascade: Cascade, packages: Sequence[MLPackage], recordings: Sequence[Recording]) -> Row:
    """Return whether a cascade of packages gives the events of a cascade of nets, from raw samples."""
    if not recordings:
        return not_run(check, "needs recordings=")
    stages = [
        Packaged(package, spec=stage.spec, model=stage.model)
        for package, stage in zip(packages, (cascade.gate, cascade.confirm), strict=True)
    ]
    twin = Cascade(stages[0], stages[1], cascade.policy)
    pairs = [(cascade.detect(one), twin.detect(one)) for one in recordings]
    return events_row(check, pairs, told(recordings))
