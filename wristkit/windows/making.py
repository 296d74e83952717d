"""From recordings to labelled windows, conditioned alike."""

from collections.abc import Iterable, Sequence
from dataclasses import dataclass, replace
from types import MappingProxyType
from typing import Literal

import numpy as np
import numpy.typing as npt

from wristkit.condition import Conditioning, Grid
from wristkit.errors import RecordingError
from wristkit.filters import CausalFilter
from wristkit.recording import FloatArray, Recording, several_recordings
from wristkit.recording.spans import covered_s, subtract
from wristkit.store.marks import checked_text
from wristkit.windows.cutting import cut, whole_samples
from wristkit.windows.labelled import ROWS, TextArray, Windows, check_text

Policy = Literal["majority", "whole"]


@dataclass(frozen=True)
class _Rule:
    """How windows are cut and labelled; ``least`` is the share that a label must cover."""

    samples: int
    hop: int
    tier: str
    least: float
    background: str | None


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
    held = several_recordings(recordings)
    if not held:
        raise ValueError("no recordings were given; pass one or more")
    if not isinstance(labels, str) or labels not in ("majority", "whole"):
        raise ValueError(f"labels is {labels!r}, expected 'majority' or 'whole'")
    check_text("subjects of the recordings", (one.subject or "" for one in held))
    check_text("labels of the recordings", (str(name) for one in held for name in one.labels["label"]))
    _refuse_doubles(held)
    rule = _Rule(
        samples=whole_samples("length_s", length_s, rate_hz),
        hop=whole_samples("hop_s", hop_s, rate_hz),
        tier=checked_text("tier", tier),
        least=0.5 if labels == "majority" else 1.0,
        background=None if background is None else checked_text("background", background),
    )
    conditioning = Conditioning.of(held, streams=streams, rate_hz=rate_hz, filters=filters, frame=frame)
    parts = [_of_recording(one, conditioning, rule) for one in held]
    if not any(map(len, parts)):
        _refuse_short(held, length_s)
    simulated = sum(one.is_simulated for one in held)
    notes = (f"{simulated} of {len(held)} recordings are simulated, and so are the figures",) if simulated else ()
    tiers = sorted({str(name) for one in held for name in one.labels["tier"]})
    return replace(_join(parts, conditioning, hop_s, tiers), background=background, notes=notes)


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
    joined = {name: np.concatenate([getattr(part, name) for part in parts]) for name in ROWS}
    return Windows(
        **joined,
        channels=conditioning.channels,
        rate_hz=conditioning.rate_hz,
        hop_s=float(hop_s),
        conditioning=conditioning,
        dropped=MappingProxyType(dropped),
    )


def _refuse_short(recordings: Sequence[Recording], length_s: float) -> None:
    """Raise where every recording is shorter than a window."""
    streams = [stream for one in recordings for stream in one.streams.values() if len(stream)]
    longest_s = max((stream.stop_s - stream.start_s for stream in streams), default=0.0)
    if length_s > longest_s:
        raise ValueError(
            f"no window is left: length_s is {length_s:g} and the longest of {len(recordings)} recordings lasts "
            f"{longest_s:.6g} s; give a shorter length_s"
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
