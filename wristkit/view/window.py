"""What one window of a recording looks like, as arrays for the live viewer; pure functions of the recording."""

from collections.abc import Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import EventDecoder, match
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.view.draw.panes import channel_colours, thinned
from wristkit.view.draw.style import palette, plain, tick_text
from wristkit.view.envelope import envelope

MOST_GAPS = 500
OVERVIEW_BINS = 480
_MOVING = ("accel", "user_accel", "gyro")
_TOLERANCE_S = 0.25
_SPECTRUM = 256  # samples of sound in a column
_SOUND_RANGE, _MEL_RANGE = (-9.0, 1.5), (-9.2, 9.0)  # log10 and natural log of power that the colours span


class Pane(NamedTuple):
    """One stream, and how it is drawn: as lines or as an ``image`` of its power by frequency.

    Lines have colours and level lines; ``fixed`` are limits that never move, ``height`` is in pixels.
    """

    stream: Stream
    colours: tuple[str, ...]
    levels: tuple[float, ...]
    fixed: tuple[float, float] | None
    height: int
    findings: tuple[str, ...]
    is_image: bool = False


class Image(NamedTuple):
    """Power in steps of 0 to 255, (rows, columns) from the lowest frequency up, and the seconds that it spans."""

    levels: npt.NDArray[np.uint8]
    start_s: float
    stop_s: float


def panes_of(recording: Recording, *, scores: Stream | None, decoder: EventDecoder | None) -> list[Pane]:
    """Return a pane for the scores, if there are any, and one for each stream."""
    panes = []
    if scores is not None:
        by_class = palette(scores.channels)
        levels = () if decoder is None else (decoder.high, decoder.low)
        colours = tuple(by_class[name] for name in scores.channels)
        panes.append(Pane(scores, colours, levels, (-0.04, 1.04), 90, ()))
    for stream in recording.streams.values():
        own = recording.findings[recording.findings["stream"] == stream.name]
        found = tuple(dict.fromkeys(plain(code, most=24) for code in own["code"]))
        height = 90 if len(stream.channels) == 1 else 120
        if stream.name != "mel":
            panes.append(Pane(stream, tuple(channel_colours(len(stream.channels))), (), None, height, found))
        if stream.name in {"audio", "mel"}:
            top = stream.rate_hz / 2 if stream.name == "audio" else float(len(stream.channels))
            panes.append(Pane(stream, (), (), (0.0, top), 110, found if stream.name == "mel" else (), is_image=True))
    return panes


def described(pane: Pane) -> dict[str, Any]:
    """Return what a front end has to know of a pane, as JSON."""
    stream = pane.stream
    rate = f"{tick_text(round(stream.rate_hz, 2))} Hz" if np.isfinite(stream.rate_hz) else ""
    spectrum = pane.is_image and stream.name == "audio"
    return {
        "name": "spectrum" if spectrum else plain(stream.name, most=24),
        "unit": "Hz" if spectrum else plain(stream.unit, most=14),
        "rate": "" if spectrum else rate,
        "image": pane.is_image,
        "channels": [] if pane.is_image else [plain(channel, most=18) for channel in stream.channels],
        "colours": list(pane.colours),
        "levels": list(pane.levels),
        "fixed": pane.fixed,
        "height": pane.height,
        "findings": list(pane.findings),
    }


def window(pane: Pane, *, start_s: float, stop_s: float, bins: int) -> tuple[FloatArray, npt.NDArray[np.float32]]:
    """Return time (m,) that never falls and values (c, m) of the lines to draw, NaN where a line is broken."""
    gaps = gaps_in(pane, start_s=start_s, stop_s=stop_s)
    time, values = thinned(pane.stream, gaps, start_s=start_s, stop_s=stop_s, max_points=2 * bins)
    broken = np.isnan(time)
    if broken.any():
        last = np.maximum.accumulate(np.where(broken, 0, np.arange(len(time))))
        time = time[last]
    return np.ascontiguousarray(time), np.ascontiguousarray(values.T)


def image(pane: Pane, *, start_s: float, stop_s: float, columns: int) -> Image:
    """Return the power of a stream of sound or of its bands within a window, at most so many columns of it.

    Of sound each column is one short stretch in its middle: what lies between two of them is not seen.
    """
    stream = pane.stream
    first_s, last_s = max(start_s, stream.start_s), min(stop_s, stream.stop_s)
    if not first_s < last_s or not np.isfinite(stream.rate_hz):
        return Image(np.zeros((1, 1), np.uint8), start_s, stop_s)
    count = max(1, min(columns, int((last_s - first_s) * stream.rate_hz)))
    width_s = (last_s - first_s) / count
    middles_s = first_s + (np.arange(count) + 0.5) * width_s
    rows = _rows_at(stream, middles_s)
    if stream.name == "mel":
        power, (low, high) = np.asarray(stream.values[rows], dtype=np.float64), _MEL_RANGE
    else:
        spans = np.clip(rows[:, None] + np.arange(_SPECTRUM) - _SPECTRUM // 2, 0, len(stream) - 1)
        sound = np.asarray(stream.values[:, 0])[spans] * np.hanning(_SPECTRUM)
        power, (low, high) = np.log10(np.abs(np.fft.rfft(sound)) ** 2 / _SPECTRUM + 1e-12), _SOUND_RANGE
    steps = np.clip((np.nan_to_num(power, nan=low) - low) / (high - low), 0, 1) * 255
    return Image(np.ascontiguousarray(steps.T.astype(np.uint8)), first_s, last_s)


def _rows_at(stream: Stream, time_s: npt.NDArray[np.floating]) -> npt.NDArray[np.int64]:
    """Return the rows of the samples at or after these times."""
    if stream.is_uniform:
        rows = np.round((time_s - stream.start_s) * stream.rate_hz).astype(np.int64)
    else:
        rows = np.searchsorted(stream.time, time_s)
    return np.clip(rows, 0, len(stream) - 1)


def gaps_in(pane: Pane, *, start_s: float, stop_s: float) -> FloatArray:
    """Return the gaps (k, 2) of a stream that a window touches."""
    gaps = pane.stream.gaps
    return gaps[(gaps[:, 0] < stop_s) & (gaps[:, 1] > start_s)]


def overview(recording: Recording) -> list[float]:
    """Return how much moves in each of many bins over the whole recording, 0 to 1, for the map below the panes."""
    stream = moving_stream(recording)
    start_s, stop_s = whole_span(recording)
    _, low, high = envelope(stream.time, stream.values, start_s=start_s, stop_s=stop_s, bins=OVERVIEW_BINS)
    spread = np.nan_to_num(np.nanmax(np.append(high - low, np.zeros((len(low), 1), low.dtype), axis=1), axis=1))
    level = np.sqrt(spread / spread.max()) if spread.max() > 0 else spread
    return [round(float(one), 3) for one in level]


def moving_stream(recording: Recording) -> Stream:
    """Return the stream in which a moment is looked for: motion where there is some."""
    names = [name for name in _MOVING if name in recording.streams] or list(recording.streams)
    return recording[names[0]]


def whole_span(recording: Recording) -> tuple[float, float]:
    """Return start and stop in seconds of all of a recording, a second apart at least where it is a single sample."""
    start_s, stop_s = recording.start_s, recording.stop_s
    return start_s, stop_s if stop_s > start_s else start_s + 1.0


def verdicts(labels: pd.DataFrame, events: pd.DataFrame) -> tuple[list[str], list[int]]:
    """Return ``hit`` or ``false alarm`` for each event, and the places of the labels of truth that none met."""
    told = ["false alarm"] * len(events)
    truth = labels.reset_index(drop=True)
    truth = truth[truth["tier"] == "truth"]
    met: set[int] = set()
    for name in set(events["label"]):
        own, theirs = np.flatnonzero(events["label"] == name), truth.index[truth["label"] == name].to_numpy()
        spans = [table[["start_s", "stop_s"]].to_numpy(np.float64) for table in (events.iloc[own], truth.loc[theirs])]
        for event, label in match(*spans, tolerance_s=_TOLERANCE_S):
            told[own[event]] = "hit"
            met.add(int(theirs[label]))
    named = truth.index[truth["label"].isin(set(events["label"]))]
    return told, [int(place) for place in named if place not in met]


def measured(panes: Sequence[Pane], *, start_s: float, stop_s: float) -> str:
    """Return duration, and for each stream amplitude and strongest frequency between two times, as text."""
    parts = [f"{stop_s - start_s:.4g} s"]
    for pane in panes:
        inside = pane.stream.between(start_s, stop_s)
        if len(inside) < 2 or not np.isfinite(inside.values).any():
            continue
        ends = np.nanmax(inside.values, axis=0) - np.nanmin(inside.values, axis=0)
        widest = int(np.nanargmax(ends))
        text = f"{plain(pane.stream.name, most=20)} {plain(inside.channels[widest], most=12)} {ends[widest]:.3g}"
        text = f"{text} {plain(inside.unit, most=12)}"
        frequency_hz = strongest_hz(inside.values[:, widest], inside.rate_hz)
        parts.append(text if frequency_hz is None else f"{text} at {frequency_hz:.3g} Hz")
    return ";  ".join(parts)


def strongest_hz(values: npt.NDArray[np.float32], rate_hz: float) -> float | None:
    """Return the frequency of most power of an even stretch, None of fewer than eight or missing samples."""
    if len(values) < 8 or not np.isfinite(values).all() or not np.isfinite(rate_hz):
        return None
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    return float(np.argmax(power) * rate_hz / len(values)) if power.max() > 0 else None


def snapped(stream: Stream, *, start_s: float, stop_s: float, within_s: float) -> tuple[float, float]:
    """Return a point moved to the strongest deviation near it, or an interval whose edges moved to rise and fall.

    Deviation is the distance of each sample from the median of all around; rise and fall are its steepest slopes.
    """
    near = stream.between(start_s - within_s, stop_s + within_s + 1e-9)
    values = np.asarray(near.values, dtype=np.float64)
    held = np.isfinite(values).all(axis=1)
    time_s, values = near.time[held], values[held]
    if len(time_s) < 5:
        return start_s, stop_s
    deviation = np.linalg.norm(values - np.median(values, axis=0), axis=1)
    if start_s == stop_s:
        peak = float(time_s[np.argmax(deviation)])
        return peak, peak
    smooth = np.convolve(deviation, np.ones(3) / 3, mode="same")
    slope = np.gradient(smooth, time_s)
    rise = np.abs(time_s - start_s) <= within_s
    fall = np.abs(time_s - stop_s) <= within_s
    first = float(time_s[rise][np.argmax(slope[rise])]) if rise.any() else start_s
    last = float(time_s[fall][np.argmin(slope[fall])]) if fall.any() else stop_s
    return (first, last) if first <= last else (start_s, stop_s)
