"""Windows on the grid: (n, channels, samples) with subject, recording, time and label of each; splits by whole people.

Windows begin at whole multiples of the hop from ``Recording.start``, so that a recording and its packets give the same
ones, and none lies across a gap.
"""

from collections.abc import Iterable, Mapping, Sequence
from dataclasses import dataclass, replace
from functools import cached_property
from types import MappingProxyType
from typing import Literal, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.condition import Conditioning, Grid
from wristkit.errors import RecordingError
from wristkit.filters import CausalFilter
from wristkit.recording import FloatArray, Recording
from wristkit.recording.spans import covered_s, subtract

Policy = Literal["majority", "whole"]
TextArray = npt.NDArray[np.object_]

_ROWS = ("values", "labels", "label_fraction", "subjects", "recordings", "start_s", "stop_s")


@dataclass(frozen=True)
class _Rule:
    """How windows are cut and labelled; ``least`` is the share that a label must cover."""

    samples: int
    hop: int
    tier: str
    least: float
    background: str | None


class Cut(NamedTuple):
    """Windows cut from conditioned sources: ``first`` (n,) places, ``values`` (n, c, samples), ``score_s`` (n,)."""

    first: npt.NDArray[np.int64]
    values: npt.NDArray[np.float32]
    score_s: FloatArray


@dataclass(frozen=True, eq=False)
class Windows:
    """Labelled windows of many recordings, conditioned alike.

    Parameters
    ----------
    values
        (n, channels, samples) float32.
    labels, subjects, recordings
        (n,) text; ``recordings`` holds recording ids, ``subjects`` is empty text where unknown.
    label_fraction
        (n,) share of the window that its label covers.
    start_s, stop_s
        (n,) seconds from the start of the window's recording.
    channels
        Names such as ``accel_x``.
    rate_hz, hop_s
        Samples a second, and seconds from one window to the next.
    conditioning
        What made the samples, and what a detector trained on them will run.
    dropped
        Reason to number of windows that were left out.
    background
        Name of the class that stands for nothing, if there is one.
    notes
        What a reader of any figure from them must know, such as that they are simulated.
    """

    values: npt.NDArray[np.float32]
    labels: TextArray
    label_fraction: FloatArray
    subjects: TextArray
    recordings: TextArray
    start_s: FloatArray
    stop_s: FloatArray
    channels: tuple[str, ...]
    rate_hz: float
    hop_s: float
    conditioning: Conditioning
    dropped: Mapping[str, int]
    background: str | None = None
    notes: tuple[str, ...] = ()

    @cached_property
    def classes(self) -> tuple[str, ...]:
        """Labels that occur, sorted."""
        return tuple(sorted(set(self.labels)))

    @property
    def samples(self) -> int:
        """Samples in one window."""
        return int(self.values.shape[2])

    @property
    def hop(self) -> int:
        """Samples from one window to the next."""
        return round(self.hop_s * self.rate_hz)

    def subset(self, chosen: npt.NDArray[np.bool_] | npt.NDArray[np.int64]) -> "Windows":
        """Return the windows at these places, or where this mask is true."""
        return replace(self, **{name: getattr(self, name)[chosen] for name in _ROWS})

    def of_subjects(self, subjects: Sequence[str]) -> "Windows":
        """Return the windows of these people."""
        return self.subset(np.isin(self.subjects.astype(str), list(subjects)))

    def counts(self) -> pd.DataFrame:
        """Return the number of windows by subject (rows) and label (columns)."""
        return pd.crosstab(pd.Series(self.subjects, name="subject"), pd.Series(self.labels, name="label"))

    def __len__(self) -> int:
        return len(self.values)

    def __repr__(self) -> str:
        n, channels, samples = self.values.shape
        people = len(set(self.subjects))
        return (
            f"Windows({n} x {channels} channels x {samples} samples at {self.rate_hz:g} Hz, {people} people, "
            f"{len(self.classes)} classes; left out: {dict(self.dropped)}{''.join(f'; {note}' for note in self.notes)})"
        )


def windows(
    recordings: Recording | Sequence[Recording],
    *,
    streams: Sequence[str],
    rate_hz: float,
    length_s: float,
    hop_s: float,
    filters: Sequence[CausalFilter] = (),
    frame: Literal["device", "wrist"] = "device",
    tier: str = "truth",
    labels: Policy = "majority",
    background: str | None = None,
) -> Windows:
    """Return labelled windows of conditioned recordings.

    Parameters
    ----------
    recordings
        One recording or several.
    streams
        Names of the source streams, such as ``("accel", "gyro")``.
    rate_hz, length_s, hop_s
        Rate of the grid, length of a window and step between windows; both must be whole numbers of samples.
    filters
        Causal filters applied on the grid, in order.
    frame
        ``"device"`` or ``"wrist"`` (mirrored and turned by wrist and crown side).
    tier
        Tier of the labels that count.
    labels
        ``"majority"``: the label that covers most of the window, and at least half of it. ``"whole"``: one label
        must cover it all.
    background
        Name of the class of windows that no label touches inside the recording's ``labelled`` spans. Without it,
        windows under no label are left out and counted.

    Raises
    ------
    ValueError
        Where lengths are not whole numbers of samples, or no window is left.
    RecordingError
        Where a recording lacks a stream, a unit, a side or labelled spans that are needed.
    """
    held = [recordings] if isinstance(recordings, Recording) else list(recordings)
    if not held:
        raise ValueError("no recordings were given; pass one or more")
    if labels not in ("majority", "whole"):
        raise ValueError(f"labels is {labels!r}, expected 'majority' or 'whole'")
    _refuse_doubles(held)
    rule = _Rule(
        samples=whole_samples("length_s", length_s, rate_hz),
        hop=whole_samples("hop_s", hop_s, rate_hz),
        tier=tier,
        least=0.5 if labels == "majority" else 1.0,
        background=background,
    )
    conditioning = Conditioning.of(held, streams=streams, rate_hz=rate_hz, filters=filters, frame=frame)
    parts = [_of_recording(one, conditioning, rule) for one in held]
    simulated = sum(one.is_simulated for one in held)
    notes = (f"{simulated} of {len(held)} recordings are simulated, and so are the figures",) if simulated else ()
    tiers = sorted({str(name) for one in held for name in one.labels["tier"]})
    return replace(_join(parts, conditioning, hop_s, tiers), background=background, notes=notes)


def whole_samples(name: str, seconds: float, rate_hz: float) -> int:
    """Return seconds as a whole number of samples, or raise with the nearest good values."""
    count = seconds * rate_hz
    if not (np.isfinite(count) and count > 0):
        raise ValueError(f"{name} is {seconds}, expected a positive number of seconds")
    nearest = max(1, round(count))
    if abs(count - nearest) > 1e-6:
        low, high = max(1, int(np.floor(count))), int(np.floor(count)) + 1
        raise ValueError(
            f"{name} of {seconds} s is {count:g} samples at {rate_hz:g} Hz, expected a whole number; the nearest are "
            f"{low / rate_hz:.6g} s and {high / rate_hz:.6g} s"
        )
    return nearest


def cut(grids: Sequence[Grid], *, samples: int, hop: int, not_before: int | None = None) -> Cut:
    """Return every complete window of sources that share a grid.

    Parameters
    ----------
    grids
        Conditioned samples of each source, in the order of the channels.
    samples, hop
        Length of a window and step between windows, in samples; windows begin at whole multiples of the hop.
    not_before
        First place at which a window may begin.
    """
    first = grids[0].places[grids[0].places % hop == 0]
    if not_before is not None:
        first = first[first >= not_before]
    for grid in grids:
        first = first[_is_complete(grid, first, samples)]
    values = [_gather(grid, first, samples) for grid in grids]
    ends = [grid.needed_s[np.searchsorted(grid.places, first) + samples - 1] for grid in grids]
    return Cut(first, np.concatenate(values, axis=1), np.max(ends, axis=0))


def _is_complete(grid: Grid, first: npt.NDArray[np.int64], samples: int) -> npt.NDArray[np.bool_]:
    at = np.searchsorted(grid.places, first)
    fits = at + samples <= len(grid.places)
    at, last = np.where(fits, at, 0), np.where(fits, at + samples - 1, 0)
    if not len(grid.places):
        return np.zeros(len(first), dtype=bool)
    whole: npt.NDArray[np.bool_] = fits & (grid.places[at] == first) & (grid.places[last] == first + samples - 1)
    return whole


def _gather(grid: Grid, first: npt.NDArray[np.int64], samples: int) -> npt.NDArray[np.float32]:
    """Return (n, c, samples) windows; each channel is one run of memory."""
    at = np.searchsorted(grid.places, first)
    with np.errstate(over="ignore"):  # a detector refuses the scores of what is beyond float32
        columns = np.ascontiguousarray(grid.values.T, dtype=np.float32)
    if len(grid.places) < samples:
        return np.empty((0, len(columns), samples), dtype=np.float32)
    runs = np.lib.stride_tricks.sliding_window_view(columns, samples, axis=1)
    return np.ascontiguousarray(runs[:, at].transpose(1, 0, 2))


def _of_recording(recording: Recording, conditioning: Conditioning, rule: _Rule) -> Windows:
    grids = conditioning.run(recording)
    pieces = cut(list(grids.values()), samples=rule.samples, hop=rule.hop)
    start_s = pieces.first / conditioning.rate_hz
    stop_s = (pieces.first + rule.samples) / conditioning.rate_hz
    names, fractions, tied = _label(recording, start_s, stop_s, rule)
    covered = (fractions >= rule.least - 1e-9) & ~tied
    straddling = _touches_gap(recording, conditioning, start_s, stop_s)
    kept = covered & ~straddling
    count = int(kept.sum())
    return Windows(
        values=pieces.values[kept],
        labels=names[kept],
        label_fraction=fractions[kept],
        subjects=np.full(count, recording.subject or "", dtype=object),
        recordings=np.full(count, recording.id, dtype=object),
        start_s=start_s[kept],
        stop_s=stop_s[kept],
        channels=conditioning.channels,
        rate_hz=conditioning.rate_hz,
        hop_s=rule.hop / conditioning.rate_hz,
        conditioning=conditioning,
        dropped={
            "under no label": int((~straddling & (fractions == 0)).sum()),
            "label covers too little": int((~straddling & ~covered & ~tied & (fractions > 0)).sum()),
            "two labels tie": int((~straddling & tied).sum()),
            "across a gap": _possible(grids.values(), rule) - int((~straddling).sum()),
        },
    )


def _touches_gap(
    recording: Recording, conditioning: Conditioning, start_s: FloatArray, stop_s: FloatArray
) -> npt.NDArray[np.bool_]:
    """Return which windows reach over a gap of a faster recording than the slowest, whose rule the grid follows."""
    touched = np.zeros(len(start_s), dtype=bool)
    for source in conditioning.sources:
        for gap_start_s, gap_stop_s in conditioning.stream(source, recording).gaps:
            touched |= (start_s < gap_stop_s) & (stop_s > gap_start_s)
    return touched


def _label(
    recording: Recording, start_s: FloatArray, stop_s: FloatArray, rule: _Rule
) -> tuple[TextArray, FloatArray, npt.NDArray[np.bool_]]:
    """Return for each window the label that covers most of it, the share that it covers, and whether two tie."""
    table = recording.labels[recording.labels["tier"] == rule.tier]
    spans = {str(name): rows[["start_s", "stop_s"]].to_numpy() for name, rows in table.groupby("label")}
    shares = {name: covered_s(start_s, stop_s, span) / (stop_s - start_s) for name, span in spans.items()}
    if rule.background is not None:
        looked_at = _looked_at(recording, rule.tier)
        silent = covered_s(start_s, stop_s, subtract(looked_at, table[["start_s", "stop_s"]].to_numpy()))
        # A window over a tap is not one in which nothing happened, however short the tap.
        touched = _touched(start_s, stop_s, table[["start_s", "stop_s"]].to_numpy())
        # Nor is one that reaches beyond what was looked at.
        silence = np.where(touched | (silent < stop_s - start_s - 1e-9), 0.0, 1.0)
        shares[rule.background] = silence + shares.get(rule.background, 0.0)
    if not shares:
        return np.full(len(start_s), "", dtype=object), np.zeros(len(start_s)), np.zeros(len(start_s), dtype=bool)
    names = np.array(sorted(shares), dtype=object)
    stacked = np.array([shares[name] for name in names])
    best = stacked.argmax(axis=0)
    share = np.minimum(stacked[best, np.arange(len(best))], 1.0)
    tied = (stacked > share - 1e-9).sum(axis=0) > 1
    return names[best], share, tied & (share > 0)


def _touched(start_s: FloatArray, stop_s: FloatArray, spans: FloatArray) -> npt.NDArray[np.bool_]:
    """Return which windows share a moment with any label, points included."""
    begun = np.searchsorted(np.sort(spans[:, 0]), stop_s)
    over = np.searchsorted(np.sort(spans[:, 1]), start_s)
    return np.asarray(begun > over)


def _looked_at(recording: Recording, tier: str) -> FloatArray:
    if tier not in recording.labelled:
        raise RecordingError(
            f"a background class needs to know where silence means that nothing happened, but recording {recording.id} "
            f"states no labelled spans for tier {tier!r}",
            code="not_labelled",
            remedy=f"state them: recording.with_labels(recording.labels, labelled={{{tier!r}: [(start_s, stop_s)]}})",
        )
    return recording.labelled[tier]


def _possible(grids: Iterable[Grid], rule: _Rule) -> int:
    """Return how many windows would fit if nothing were missing between the ends of the sources."""
    held = [grid.places for grid in grids]
    if not all(len(places) for places in held):
        return 0
    first = max(int(places[0]) for places in held)
    last = min(int(places[-1]) for places in held) - rule.samples + 1
    return max(0, last // rule.hop - (first - 1) // rule.hop)


def _join(parts: Sequence[Windows], conditioning: Conditioning, hop_s: float, tiers: Sequence[str]) -> Windows:
    dropped = {reason: sum(part.dropped[reason] for part in parts) for reason in parts[0].dropped}
    if not sum(len(part) for part in parts):
        raise ValueError(
            f"no window is left of {len(parts)} recordings; left out: {dropped}; labels are of the tiers {tiers}; "
            "check tier and length_s, or give background='none' where the recordings state labelled spans"
        )
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in _ROWS}
    return Windows(
        **joined,
        channels=conditioning.channels,
        rate_hz=conditioning.rate_hz,
        hop_s=float(hop_s),
        conditioning=conditioning,
        dropped=MappingProxyType(dropped),
    )


def _refuse_doubles(recordings: Sequence[Recording]) -> None:
    """Raise where one signal is given twice: it would count twice, or leak from one person to another."""
    seen: dict[str, Recording] = {}
    for recording in recordings:
        if recording.id in seen:
            of_whom = f"as of {seen[recording.id].subject!r} and of {recording.subject!r}"
            raise RecordingError(
                f"recording {recording.id} is given twice, {of_whom}",
                code="duplicate_recording",
                remedy="keep one of them",
            )
        seen[recording.id] = recording


@dataclass(frozen=True)
class PeopleSplit:
    """Whole people in three parts, and what was done instead where there were too few of them."""

    train: tuple[str, ...]
    stop: tuple[str, ...]
    held_out: tuple[str, ...]
    note: str


def split_people(chosen: Windows, *, seed: int) -> PeopleSplit:
    """Return whole people in three parts: about half to train, a quarter to stop on, a quarter held out.

    Of many random splits the first is taken whose training part shows most classes, then whose other parts do.
    """
    people = sorted(set(chosen.subjects))
    if "" in people:
        nameless = sorted(set(chosen.recordings[chosen.subjects == ""]))[:3]
        raise ValueError(
            f"recordings {nameless} have no subject, so people cannot be kept apart; give subject= when loading"
        )
    sizes, note = _part_sizes(len(people))
    rng = np.random.default_rng(seed)
    orders = [rng.permutation(len(people)) for _ in range(64)]
    shown = chosen.counts().reindex(people).to_numpy() > 0
    order = max(orders, key=lambda one: [int(shown[part].any(axis=0).sum()) for part in _cut_order(one, sizes)])
    train, stop, held_out = (tuple(sorted(people[place] for place in part)) for part in _cut_order(order, sizes))
    return PeopleSplit(train, stop, held_out, note)


def _part_sizes(people: int) -> tuple[tuple[int, int, int], str]:
    if people >= 4:
        held = max(1, round(people / 4))
        return (people - 2 * held, held, held), ""
    if people >= 2:
        note = (
            f"{people} people: one is held out, no one is left to stop on, so every epoch is run and nothing is tuned"
        )
        return (people - 1, 0, 1), note
    return (1, 0, 0), "1 person: nobody is held out, so no figure of this fit says anything about other people"


def _cut_order(order: npt.NDArray[np.int64], sizes: tuple[int, int, int]) -> list[npt.NDArray[np.int64]]:
    return np.split(order, np.cumsum(sizes)[:2])
