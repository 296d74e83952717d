"""Two recordings on one clock: by their motion, by taps that both felt, or by what both were labelled with."""

from dataclasses import dataclass, replace
from itertools import pairwise
from typing import Literal, NamedTuple, NoReturn

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.filters import is_number
from wristkit.recording import FloatArray, Recording, Stream, content_id, finding_table, one_recording
from wristkit.signals.lags import Peak, best_lag, correlate
from wristkit.signals.matching import Line, Match, fit_line, match_times
from wristkit.signals.motion import MOTION_HZ, SLOWEST_HZ, Motion, motion, sharp_moments, views_of

Method = Literal["motion", "taps", "events"]

EVIDENCE_COLUMNS = ("reference_s", "other_s", "weight", "used")
DRIFT_FROM_S = 600.0  # within less, 20 ppm are 12 ms: no more than two devices on one body differ by
FASTEST_DRIFT = 2e-4  # of clocks that run by a crystal, each way

_LEAST_OVERLAP_S = 6.0
_STRETCH_S, _STRETCHES = (60.0, 300.0), 6  # looked at everywhere, to find where the other lies
_MOST_STRETCHES = 12  # of a day, spread over it: each is compared with all of the other
_WINDOW_S, _WINDOWS = (2.5, 15.0), 12  # looked at nearby, to tell where exactly
_NEARBY_S = 0.4
_AGREE_S = 0.1
_LEAST_QUALITY, _LEAST_MOMENTS = 0.6, 3
_LEAST_AGREEMENT, _NEVER_MORE_R = 0.75, 0.999  # of what the stretches explain, against what they leave

# A peak stands out where it lies so much higher than chance gets among as many lags, and the next peak is lower; or
# where it explains nearly all and the next one leaves far more unexplained, as in walking that two good sensors felt
# alike. At these limits 20 of 25 recordings of 10 s of watch and phone are aligned, and 3 % of those paired wrongly;
# the limits were chosen on these very pairs, so both figures flatter.
_ABOVE_CHANCE, _NEXT_PEAK = 1.4, 0.85
_NEARLY_ALL, _TIMES_UNEXPLAINED = 0.9, 3.0

_TAP_TOLERANCE_S, _EVENT_TOLERANCE_S = 0.05, 0.5
# So many taps that agree, and so many times as many as at any other offset and drift, are no chance among however many
# knocks that only one of the two felt.
_MANY_TAPS, _TIMES_OTHER_TAPS = 6, 2.5


@dataclass(frozen=True, eq=False)
class ClockFit:
    """How stamps of one recording are mapped onto the clock of another: ``reference_s = other_s + offset_s + drift``.

    Parameters
    ----------
    offset_s
        Seconds to add to a stamp of 0 s of the other. Both count from their own start, whatever time of day that is.
    drift_ppm
        How much more is added for each million seconds of the other; NaN where less than 10 minutes tell of it.
    residual_s
        Spread of the local offsets about the line: 1.4826 times the median distance, their standard deviation but for
        the far ones. It does not hold what is the same everywhere, such as a limb that moves later than another.
    quality
        0 to 1: the share of the windows with motion (of the taps, of the labelled moments) that agree with the line
        within 0.1 s (0.05 s, 0.5 s). Windows are looked at within 0.4 s of the line, so chance alone gives 0.25. It is
        0.6 or more, but for taps of which six or more agree, 2.5 times as many as on any other line: beside them each
        device may have felt any number of knocks that the other did not.
    method
        ``"motion"``, ``"taps"`` or ``"events"``.
    evidence
        Table ``reference_s, other_s, weight, used`` of the moments that were found in both.
    reference
        Id of the recording whose clock it is.
    start, zone
        When second 0 of the reference was, and in which zone, where known.
    """

    offset_s: float
    drift_ppm: float
    residual_s: float
    quality: float
    method: Method
    evidence: pd.DataFrame
    reference: str
    start: pd.Timestamp | None
    zone: str | None

    @property
    def line(self) -> Line:
        """The line that is applied; level where the drift is not known."""
        return Line(self.offset_s, 0.0 if np.isnan(self.drift_ppm) else self.drift_ppm * 1e-6)

    def to_reference(self, other_s: FloatArray) -> FloatArray:
        """Return seconds (n,) of the other clock as seconds of the reference's."""
        return np.asarray(other_s + self.line.at(other_s))

    def apply(self, other: Recording) -> Recording:
        """Return the other recording on the reference's clock: stamps, gaps, labels and findings, none of its values.

        A stream of a stated rate keeps one: its start is moved and its rate corrected by the drift, since a line maps
        even steps onto even steps. The finding ``aligned`` tells offset, drift and residual.

        Raises
        ------
        RecordingError
            With code ``aligned`` where it was done before.
        """
        if "aligned" in set(other.findings["code"]):
            raise RecordingError(
                f"recording {other.id} has a finding 'aligned'; a second shift would be one too many",
                code="aligned",
                remedy="apply it to the recording as it was loaded",
            )
        streams = [_mapped(stream, self) for stream in other.streams.values()]
        told = "unknown" if np.isnan(self.drift_ppm) else f"{self.drift_ppm:.2f} ppm"
        note = (
            f"put onto the clock of {self.reference} by {self.method}: {self.offset_s:+.4f} s, drift {told}, "
            f"residual {self.residual_s:.4f} s, quality {self.quality:.2f}"
        )
        span = (min(one.start_s for one in streams if len(one)), max(one.stop_s for one in streams if len(one)))
        moved = replace(
            other,
            id=content_id(streams),
            streams={stream.name: stream for stream in streams},
            labels=self._table(other.labels),
            labelled={tier: self.to_reference(spans) for tier, spans in other.labelled.items()},
            findings=self._table(other.findings),
            start=self.start,
            zone=self.zone,
        )
        remedy = "look at draw_alignment() before events of both are compared to less than the residual"
        return moved.with_findings(finding_table([("aligned", "", *span, len(self.evidence), note, remedy)]))

    def _table(self, table: pd.DataFrame) -> pd.DataFrame:
        return table.assign(**{name: self.to_reference(table[name].to_numpy()) for name in ("start_s", "stop_s")})


def align(
    reference: Recording, other: Recording, *, method: Method = "motion", within_s: float | None = None
) -> ClockFit:
    """Return how the stamps of ``other`` are mapped onto the clock of ``reference``.

    Parameters
    ----------
    reference, other
        Two devices that one person wore at the same time, or two recordings of one device.
    method
        ``"motion"`` correlates how strongly both turned and were pushed, in windows over the recording, and puts a
        robust line through the offsets. ``"taps"`` pairs sharp knocks that both felt (clap, or knock the devices
        together, three times unevenly). ``"events"`` pairs starts and stops of labels of the same name.
    within_s
        Look only at offsets of so many seconds around what the two ``start`` say, or around 0 where one is unknown;
        everywhere where left out.

    Raises
    ------
    RecordingError
        With code ``alignment`` where the evidence is thin: too little overlap or motion, no lag that stands out, two
        that stand out alike (as in even walking), windows that contradict each other. It says what was found.
    """
    one_recording(reference, "reference")
    one_recording(other, "other")
    if within_s is not None and not (is_number(within_s) and within_s > 0):
        raise ValueError(f"within_s is {within_s!r:.60}, expected a positive number of seconds, or None for everywhere")
    around_s = stated_offset_s(reference, other)
    between_s = (-np.inf, np.inf) if within_s is None else (around_s - within_s, around_s + within_s)
    match method:
        case "motion":
            found = _by_motion(reference, other, between_s)
        case "taps":
            found = _by_taps(reference, other, between_s)
        case "events":
            found = _by_events(reference, other, between_s)
        case _:
            raise ValueError(f"method is {method!r}, expected 'motion', 'taps' or 'events'")
    return _fitted(reference, found, method)


class _Found(NamedTuple):
    """Moments (k,) of both clocks, with weights, and what is known beside them.

    ``elsewhere`` is how many moments agree on another clock; infinity where that tells nothing.
    """

    reference_s: FloatArray
    other_s: FloatArray
    weight: FloatArray
    overlap_s: float
    agree_s: float
    unpaired: int
    elsewhere: float = np.inf


def stated_offset_s(reference: Recording, other: Recording) -> float:
    """Return the seconds from the start of the reference to that of the other; 0 where one is unknown."""
    if reference.start is None or other.start is None:
        return 0.0
    return float((other.start - reference.start).total_seconds())


def _fitted(reference: Recording, found: _Found, method: Method) -> ClockFit:
    """Return the clock fit of paired moments, or refuse them."""
    offset_s = found.reference_s - found.other_s
    drifts = found.overlap_s >= DRIFT_FROM_S and np.ptp(found.other_s) >= found.overlap_s / 2
    line = fit_line(found.other_s, offset_s, found.weight, drifts=bool(drifts))
    residual_s = offset_s - line.at(found.other_s)
    used = np.abs(residual_s) <= found.agree_s
    quality = float(used.sum() / (len(used) + found.unpaired))
    no_chance = max(_MANY_TAPS, _TIMES_OTHER_TAPS * found.elsewhere)
    if used.sum() < _LEAST_MOMENTS or (quality < _LEAST_QUALITY and used.sum() < no_chance):
        or_many = f", or {np.ceil(no_chance):.0f} of however many" if np.isfinite(no_chance) else ""
        _refuse(
            f"{used.sum()} of {len(used) + found.unpaired} places agree on one clock within {found.agree_s:g} s, "
            f"expected {_LEAST_MOMENTS} or more and {_LEAST_QUALITY:.0%} of them{or_many}",
            "check that both were worn by one person at one time; or knock them together and use method='taps'",
        )
    if abs(line.slope) > 2 * FASTEST_DRIFT:
        _refuse(
            f"one clock would run {line.slope * 1e6:.0f} ppm off the other, which no two crystals do",
            "look at the rate changes that inspect() finds; align the parts between them one by one",
        )
    columns = (found.reference_s, found.other_s, found.weight, used)
    return ClockFit(
        offset_s=line.offset_s,
        drift_ppm=line.slope * 1e6 if drifts else float("nan"),
        residual_s=1.4826 * float(np.median(np.abs(residual_s[used]))),
        quality=quality,
        method=method,
        evidence=pd.DataFrame(dict(zip(EVIDENCE_COLUMNS, columns, strict=True))),
        reference=reference.id,
        start=reference.start,
        zone=reference.zone,
    )


def _by_motion(reference: Recording, other: Recording, between_s: tuple[float, float]) -> _Found:
    views, other_views = views_of(reference), views_of(other)
    # Acceleration with and without gravity have different lengths.
    shared = [view for view in views if views[view] == other_views.get(view)]
    if not shared:
        _refuse(
            f"no stream of {SLOWEST_HZ:g} Hz or more tells motion of both: {sorted(views.values())} here, "
            f"{sorted(other_views.values())} there",
            "load gyro or accel of both; or use method='events' on labels that both have",
        )
    streams = tuple(views[view] for view in shared)
    for name, recording in (("the reference", reference), ("the other", other)):
        _refuse_short(name, [recording[stream] for stream in streams])
    one, two = motion(reference, streams), motion(other, streams)
    line = _where(one, two, between_s)
    overlap_s = _overlap_s(one, two, line)
    return _local_offsets(one, two, line, overlap_s)


def _refuse_short(name: str, streams: list[Stream]) -> None:
    shortest = min(streams, key=lambda stream: stream.stop_s - stream.start_s)
    lasts_s = shortest.stop_s - shortest.start_s
    if lasts_s < _LEAST_OVERLAP_S:
        _refuse(
            f"{shortest.name} of {name} lasts {lasts_s:.3g} s, expected {_LEAST_OVERLAP_S:g} s or more of motion",
            "record longer while moving; or use method='taps' or 'events'",
        )


def _where(one: list[Motion], two: list[Motion], between_s: tuple[float, float]) -> Line:
    """Return about where the other lies: the line through the lags that stand out of stretches of the reference."""
    centres_s, peaks = [], []
    length_s = _length_s(sum(len(part.valid) for part in one) / MOTION_HZ, _STRETCH_S, _STRETCHES)
    least_held, two_held = _LEAST_OVERLAP_S * MOTION_HZ, sum(part.valid.sum() for part in two)
    # Of a device that is worn now and then, most stretches hold nothing.
    stretches = [stretch for part in one for stretch in _cut(part, length_s) if stretch.valid.sum() >= least_held]
    for stretch in stretches[:: -(-len(stretches) // _MOST_STRETCHES) or 1]:
        least = max(least_held, min(stretch.valid.sum(), two_held) / 2)
        peak = best_lag(
            correlate(stretch, two, least=int(least)), low=between_s[0] * MOTION_HZ, high=between_s[1] * MOTION_HZ
        )
        if peak is not None:
            peaks.append(peak)
            centres_s.append((stretch.first + stretch.stop) / 2 / MOTION_HZ - peak.lag / MOTION_HZ)
    clear = np.array([_stands_out(peak) for peak in peaks], dtype=bool)
    if not clear.any():
        _refuse_unclear(peaks)
    other_s, offset_s = np.array(centres_s)[clear], np.array([peak.lag / MOTION_HZ for peak in peaks])[clear]
    r = np.minimum([peak.r for peak, ok in zip(peaks, clear, strict=True) if ok], _NEVER_MORE_R)
    explained = r**2 / (1 - r**2)
    anchor = int(np.argmax(explained))
    agree = np.abs(offset_s - offset_s[anchor]) <= _NEARBY_S + FASTEST_DRIFT * np.abs(other_s - other_s[anchor])
    if explained[agree].sum() < _LEAST_AGREEMENT * explained.sum():
        _refuse(
            f"stretches contradict each other: offsets of {', '.join(f'{one:.2f}' for one in offset_s[:6])} s",
            "give within_s= where you know about when both began; or use method='taps' or 'events'",
        )
    drifts = agree.sum() >= _LEAST_MOMENTS and np.ptp(other_s[agree]) >= DRIFT_FROM_S
    return fit_line(other_s[agree], offset_s[agree], np.ones(int(agree.sum())), drifts=bool(drifts))


def _stands_out(peak: Peak) -> bool:
    unexplained = (1 - peak.runner_up) / max(1 - peak.r, 1e-9)
    if peak.r >= _NEARLY_ALL and unexplained >= _TIMES_UNEXPLAINED:
        return True
    return peak.above >= peak.by_chance + _ABOVE_CHANCE and peak.runner_up <= _NEXT_PEAK * peak.r


def _refuse_unclear(peaks: list[Peak]) -> NoReturn:
    cure = "knock both together three times, unevenly, and use method='taps'; or give within_s=, or method='events'"
    if not peaks:
        _refuse(
            f"no two stretches of {_LEAST_OVERLAP_S:g} s in which both moved lie at an offset that may be tried",
            "check that both were recorded at one time, and moved; give a larger within_s=",
        )
    best = max(peaks, key=lambda peak: peak.above)
    at_s = best.lag / MOTION_HZ
    needed = best.by_chance + _ABOVE_CHANCE
    if best.above >= needed or best.runner_up > _NEXT_PEAK * best.r:
        _refuse(
            f"ambiguous: motion correlates by {best.r:.2f} at {at_s:.2f} s and by {best.runner_up:.2f} at "
            f"{best.runner_up_lag / MOTION_HZ:.2f} s, as in even walking",
            cure,
        )
    _refuse(
        f"flat: motion correlates by {best.r:.2f} at {at_s:.2f} s, {best.above:.1f} standard deviations above other "
        f"lags, expected {needed:.1f}",
        cure,
    )


def _local_offsets(one: list[Motion], two: list[Motion], line: Line, overlap_s: float) -> _Found:
    """Return the offset of each window of the reference in which both moved, looked for near the line."""
    window_s = _length_s(overlap_s, _WINDOW_S, _WINDOWS)
    rows = []
    overlapping = overlap_s < 2 * _WINDOWS * _WINDOW_S[0]
    for window in (window for part in one for window in _cut(part, window_s, overlapping=overlapping)):
        centre_s = (window.first + window.stop) / 2 / MOTION_HZ
        lag = float(line.at(np.array(centre_s - line.offset_s))) * MOTION_HZ
        reach = round(_NEARBY_S * MOTION_HZ)
        first, stop = int(window.first - lag) - 2 * reach, int(window.stop - lag) + 2 * reach
        near = max((part.between(first, stop) for part in two), key=lambda part: part.valid.sum())
        if near.valid.sum() < 0.8 * len(window.valid):
            continue
        peak = best_lag(
            correlate(window, [near], least=int(0.8 * len(window.valid))), low=lag - reach, high=lag + reach
        )
        if peak is not None and peak.r > 0 and abs(peak.lag - lag) < reach - 1:
            rows.append((centre_s, centre_s - peak.lag / MOTION_HZ, peak.r**2))
    if len(rows) < _LEAST_MOMENTS:
        _refuse(
            f"{len(rows)} windows of {window_s:.1f} s have motion in both, expected {_LEAST_MOMENTS} or more",
            "record longer while moving; or use method='taps' or 'events'",
        )
    reference_s, other_s, weight = np.array(rows).T
    return _Found(reference_s, other_s, weight, overlap_s, _AGREE_S, 0)


def _cut(whole: Motion, length_s: float, *, overlapping: bool = False) -> list[Motion]:
    """Return stretches of about this length that cover the motion; overlapping ones begin in each other's middle."""
    count = max(1, round(len(whole.valid) / MOTION_HZ / length_s))
    if overlapping:
        edges = np.linspace(whole.first, whole.stop, 2 * count + 1).astype(int).tolist()
        return [whole.between(first, stop) for first, stop in zip(edges[:-2], edges[2:], strict=True)]
    edges = np.linspace(whole.first, whole.stop, count + 1).astype(int).tolist()
    return [whole.between(first, stop) for first, stop in pairwise(edges)]


def _length_s(span_s: float, limits_s: tuple[float, float], parts: int) -> float:
    return float(np.clip(span_s / parts, *limits_s))


def _overlap_s(one: list[Motion], two: list[Motion], line: Line) -> float:
    lag = line.offset_s * MOTION_HZ
    return float(min(one[-1].stop, two[-1].stop + lag) - max(one[0].first, two[0].first + lag)) / MOTION_HZ


def _by_taps(reference: Recording, other: Recording, between_s: tuple[float, float]) -> _Found:
    for name, recording in (("the reference", reference), ("the other", other)):
        if "pushing" not in views_of(recording):
            _refuse(
                f"{name} has no acceleration of {SLOWEST_HZ:g} Hz or more, it has {sorted(recording.streams)}",
                "load it with its acceleration, or use method='motion' with gyro",
            )
    one_s, two_s = sharp_moments(reference), sharp_moments(other)
    alike = (["tap"] * len(one_s), ["tap"] * len(two_s))
    found, runner_up = _by_times(one_s, two_s, alike, between_s, agree_s=_TAP_TOLERANCE_S, what="taps")
    return found._replace(elsewhere=runner_up)


def _by_events(reference: Recording, other: Recording, between_s: tuple[float, float]) -> _Found:
    one_s, kinds = _label_edges(reference.labels)
    two_s, other_kinds = _label_edges(other.labels)
    what = "labelled starts and stops"
    found, _ = _by_times(one_s, two_s, (kinds, other_kinds), between_s, agree_s=_EVENT_TOLERANCE_S, what=what)
    return found


def _label_edges(labels: pd.DataFrame) -> tuple[FloatArray, list[str]]:
    """Return (k,) seconds of starts and stops, and what each is; a point has one of them."""
    lasting = labels[labels["stop_s"] > labels["start_s"]]
    seconds = np.concatenate([labels["start_s"].to_numpy(), lasting["stop_s"].to_numpy()])
    return seconds, [*("start " + labels["label"]), *("stop " + lasting["label"])]


def _by_times(
    one_s: FloatArray,
    two_s: FloatArray,
    kinds: tuple[list[str], list[str]],
    between_s: tuple[float, float],
    *,
    agree_s: float,
    what: str,
) -> tuple[_Found, int]:
    """Return pairs of moments and how many another offset has, or refuse few of them and two that pair as many."""
    cure = "clap three times or more, unevenly, near both; or use another method"
    if min(len(one_s), len(two_s)) < _LEAST_MOMENTS:
        _refuse(f"{len(one_s)} and {len(two_s)} {what}, expected {_LEAST_MOMENTS} or more in both", cure)
    match = match_times(
        one_s,
        two_s,
        kinds=kinds[0],
        other_kinds=kinds[1],
        tolerance_s=agree_s,
        between_s=between_s,
        fastest=FASTEST_DRIFT,
    )
    _refuse_few_pairs(match, what, cure)
    rows, columns = match.pairs.T
    overlap_s = float(np.ptp(two_s[columns]))
    unpaired = _unpaired(one_s, two_s, match)
    return _Found(one_s[rows], two_s[columns], np.ones(len(rows)), overlap_s, agree_s, unpaired), match.runner_up


def _refuse_few_pairs(match: Match, what: str, cure: str) -> None:
    pairs = len(match.pairs)
    if pairs < _LEAST_MOMENTS:
        _refuse(f"{pairs} {what} pair up under one offset, expected {_LEAST_MOMENTS} or more", cure)
    if match.runner_up > pairs / 2:
        _refuse(
            f"ambiguous: {pairs} {what} pair up at {match.offset_s:.2f} s, and {match.runner_up} at another offset",
            cure,
        )


def _unpaired(one_s: FloatArray, two_s: FloatArray, match: Match) -> int:
    """Return how many moments of the recording that has fewer, while both recorded, have no pair."""
    later_s = two_s + match.line.at(two_s)
    first_s, last_s = max(one_s.min(), later_s.min()), min(one_s.max(), later_s.max())
    fewer = min(int(np.sum((times >= first_s - 1) & (times <= last_s + 1))) for times in (one_s, later_s))
    return max(0, fewer - len(match.pairs))


def _mapped(stream: Stream, fit: ClockFit) -> Stream:
    """Return a stream on the reference's clock; its values are the same array."""
    rate_hz = stream.rate_hz / (1 + fit.line.slope)
    if stream.is_uniform:
        start_s = float(fit.to_reference(np.array(stream.start_s)))
        channels, unit = stream.channels, stream.unit
        return Stream.uniform(
            stream.name, stream.values, rate_hz=rate_hz, start_s=start_s, channels=channels, unit=unit
        )
    return replace(stream, time=fit.to_reference(stream.time), rate_hz=rate_hz, gaps=fit.to_reference(stream.gaps))


def _refuse(found: str, cure: str) -> NoReturn:
    raise RecordingError(found, code="alignment", remedy=cure)
