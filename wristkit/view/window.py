"""What one window of a recording looks like, as arrays for the live viewer; pure functions of the recording."""

from collections.abc import Mapping, Sequence
from typing import Any, NamedTuple

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.events import EventDecoder
from wristkit.recording import FloatArray, Recording, Stream
from wristkit.view.draw.panes import channel_colours, thinned
from wristkit.view.draw.style import plain, tick_text
from wristkit.view.envelope import bin_edges
from wristkit.view.pyramid import bin_extremes

MOST_GAPS = 500
OVERVIEW_BINS = 480
_MOVING = ("accel", "user_accel", "gyro")
MOST_SOUND_BYTES = 1_000_000
_MOST_WAVE = 2**20  # samples of which one frequency says something
_SPECTRUM = 256  # samples of sound in a column
_SPECTRUM_ROWS = 64  # two frequencies share each: a pane of usual height has fewer pixels than there are frequencies
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
    found: tuple[tuple[float, float], ...] = ()  # the places of findings that are not about all of the stream


class Image(NamedTuple):
    """Power in steps of 0 to 255, (rows, columns) from the lowest frequency up, and the seconds that it spans."""

    levels: npt.NDArray[np.uint8]
    start_s: float
    stop_s: float


class Sound(NamedTuple):
    """A piece of sound as 16-bit samples, the second of the first, and their rate."""

    levels: npt.NDArray[np.int16]
    start_s: float
    rate_hz: float


def panes_of(
    recording: Recording,
    *,
    scores: Stream | None,
    decoder: EventDecoder | None,
    colours: Mapping[str, str],
) -> list[Pane]:
    """Return a pane for the scores, if there are any, in the colours of their classes, and one for each stream."""
    panes = []
    if scores is not None:
        levels = () if decoder is None else (decoder.high, decoder.low)
        by_class = tuple(colours[name] for name in scores.channels)
        panes.append(Pane(scores, by_class, levels, (-0.04, 1.04), 90, ()))
    for stream in recording.streams.values():
        own = recording.findings[recording.findings["stream"] == stream.name]
        found = tuple(dict.fromkeys(plain(code, most=24) for code in own["code"]))
        height = 90 if len(stream.channels) == 1 else 120
        if _kind(stream) != "mel":
            by_channel = tuple(channel_colours(len(stream.channels)))
            panes.append(Pane(stream, by_channel, (), None, height, found, found=_places(own, stream)))
        if _kind(stream) in {"audio", "mel"}:
            top = stream.rate_hz / 2 if _kind(stream) == "audio" else float(len(stream.channels))
            panes.append(Pane(stream, (), (), (0.0, top), 110, found if _kind(stream) == "mel" else (), is_image=True))
    return panes


def _places(findings: pd.DataFrame, stream: Stream) -> tuple[tuple[float, float], ...]:
    """Return start and stop of the findings that are about a part of a stream."""
    parts = findings[(findings["start_s"] > stream.start_s) | (findings["stop_s"] < stream.stop_s)]
    spans = parts[["start_s", "stop_s"]].to_numpy(np.float64)[:MOST_GAPS].tolist()
    return tuple((start_s, stop_s) for start_s, stop_s in spans)


def _kind(stream: Stream) -> str:
    """Return what a stream is, without the name of another device in front."""
    return stream.name.rpartition(" ")[2]


def described(pane: Pane) -> dict[str, Any]:
    """Return what a front end has to know of a pane, as JSON."""
    stream = pane.stream
    rate = f"{tick_text(round(stream.rate_hz, 2))} Hz" if np.isfinite(stream.rate_hz) else ""
    spectrum = pane.is_image and _kind(stream) == "audio"
    return {
        "name": plain(f"{stream.name[: -len('audio')]}spectrum" if spectrum else stream.name, most=32),
        "unit": "Hz" if spectrum else plain(stream.unit, most=14),
        "rate": "" if spectrum else rate,
        "image": pane.is_image,
        "channels": [] if pane.is_image else [plain(channel, most=18) for channel in stream.channels],
        "colours": list(pane.colours),
        "levels": list(pane.levels),
        "fixed": pane.fixed,
        "height": pane.height,
        "findings": list(pane.findings),
        "found": [list(place) for place in pane.found],
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
    if _kind(stream) == "mel":
        power, (low, high) = np.asarray(stream.values[rows], dtype=np.float64), _MEL_RANGE
    else:
        spans = np.clip(rows[:, None] + np.arange(_SPECTRUM) - _SPECTRUM // 2, 0, len(stream) - 1)
        sound = np.asarray(stream.values[:, 0])[spans] * np.hanning(_SPECTRUM)
        by_frequency = np.abs(np.fft.rfft(sound))[:, 1:] ** 2 / _SPECTRUM  # its mean is no sound
        by_row = by_frequency.reshape(count, _SPECTRUM_ROWS, -1).mean(axis=2)
        power, (low, high) = np.log10(by_row + 1e-12), _SOUND_RANGE
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


def unrecorded(pane: Pane, *, start_s: float, stop_s: float) -> FloatArray:
    """Return where nothing was recorded (k, 2) in a window: the gaps, and what lies before and after the stream.

    Of more than can be told apart by eye, those are one that lie next to each other.
    """
    stream = pane.stream
    ends = np.array([[start_s, stream.start_s], [stream.stop_s, stop_s]])
    long = ends[:, 1] - ends[:, 0] > max(4 / stream.rate_hz if np.isfinite(stream.rate_hz) else 0.0, 0.1)
    gaps: FloatArray = np.concatenate([ends[long], gaps_in(pane, start_s=start_s, stop_s=stop_s)])
    gaps = np.clip(gaps[np.argsort(gaps[:, 0])], start_s, stop_s)
    if len(gaps) <= MOST_GAPS:
        return gaps
    apart = gaps[1:, 0] - gaps[:-1, 1] >= (stop_s - start_s) / MOST_GAPS
    return np.column_stack([gaps[np.append(True, apart), 0], gaps[np.append(apart, True), 1]])


def overview(recording: Recording) -> list[float]:
    """Return how much moves in each of many bins over the whole recording, 0 to 1, for the map below the panes."""
    stream = moving_stream(recording)
    start_s, stop_s = whole_span(recording)
    low, high, _ = bin_extremes(stream, bin_edges(start_s=start_s, stop_s=stop_s, bins=OVERVIEW_BINS))
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


def sound_of(panes: Sequence[Pane]) -> Stream | None:
    """Return the first stream that can be heard, if there is one."""
    heard = (pane.stream for pane in panes if _kind(pane.stream) == "audio" and np.isfinite(pane.stream.rate_hz))
    return next(heard, None)


def sound(stream: Stream, *, start_s: float, stop_s: float) -> Sound:
    """Return the beginning of a window of sound, one channel of it, at most a megabyte."""
    most_s = MOST_SOUND_BYTES / 2 / stream.rate_hz
    # A piece ends where a gap begins, or what follows would be heard too early.
    gaps_s = stream.gaps[stream.gaps[:, 1] > start_s + 0.5 / stream.rate_hz, 0] + 0.5 / stream.rate_hz
    last_s = min(stop_s, start_s + most_s, *gaps_s[gaps_s > start_s][:1].tolist())
    inside = stream.between(start_s, max(start_s, last_s))
    levels = np.clip(np.nan_to_num(np.asarray(inside.values[: MOST_SOUND_BYTES // 2, 0])), -1, 1)
    first_s = inside.start_s if len(inside) else start_s
    return Sound((levels * 32767).astype(np.int16), first_s, stream.rate_hz)


def measured(panes: Sequence[Pane], *, start_s: float, stop_s: float) -> str:
    """Return duration, and for each stream amplitude and strongest frequency between two times, as text."""
    parts = [f"{stop_s - start_s:.4g} s"]
    for pane in panes:
        if pane.is_image and _kind(pane.stream) == "audio":
            continue  # the pane of its waveform told it
        inside = pane.stream.between(start_s, stop_s)
        low, high, _ = bin_extremes(pane.stream, np.array([start_s, stop_s]))
        ends = high[0] - low[0]
        if len(inside) < 2 or not np.isfinite(ends).any():
            continue
        widest = int(np.nanargmax(ends))
        names = dict.fromkeys([plain(pane.stream.name, most=20), plain(inside.channels[widest], most=12)])
        unit = "" if inside.unit == "1" else f" {plain(inside.unit, most=12)}"
        text = f"{' '.join(names)} {ends[widest]:.3g}{unit} peak to peak"
        is_even = not len(gaps_in(pane, start_s=start_s, stop_s=stop_s))
        frequency_hz = strongest_hz(inside.values[:, widest], inside.rate_hz) if is_even else None
        parts.append(text if frequency_hz is None else f"{text} at {frequency_hz:.3g} Hz")
    return ";  ".join(parts)


def strongest_hz(values: npt.NDArray[np.float32], rate_hz: float) -> float | None:
    """Return the frequency of most power of an even stretch; None of fewer than eight, a million or missing samples."""
    if not 8 <= len(values) <= _MOST_WAVE or not np.isfinite(values).all() or not np.isfinite(rate_hz):
        return None
    power = np.abs(np.fft.rfft((values - values.mean()) * np.hanning(len(values)))) ** 2
    return float(np.argmax(power) * rate_hz / len(values)) if power.max() > 0 else None


def snapped(stream: Stream, *, start_s: float, stop_s: float, within_s: float) -> tuple[float, float]:
    """Return a point moved to the strongest deviation near it, or an interval whose edges moved to rise and fall.

    Deviation is the distance of each sample from the median of what lies beside the interval, or of all around a point;
    rise and fall are its steepest slopes.
    """
    near = stream.between(start_s - within_s, stop_s + within_s + 1e-9)
    values = np.asarray(near.values, dtype=np.float64)
    held = np.isfinite(values).all(axis=1)
    time_s, values = near.time[held], values[held]
    if len(time_s) < 5:
        return start_s, stop_s
    beside = (time_s < start_s) | (time_s > stop_s)
    # A long interval would be its own median, and what deviates the rest around it.
    rest = values[beside] if start_s < stop_s and beside.sum() >= 5 else values
    deviation = np.linalg.norm(values - np.median(rest, axis=0), axis=1)
    if start_s == stop_s:
        peak = float(time_s[np.argmax(deviation)])
        return peak, peak
    smooth = np.convolve(np.pad(deviation, 1, mode="edge"), np.ones(3) / 3, mode="valid")  # no slope at its ends
    slope = np.gradient(smooth, time_s)
    rise = np.abs(time_s - start_s) <= within_s
    fall = np.abs(time_s - stop_s) <= within_s
    first = float(time_s[rise][np.argmax(slope[rise])]) if rise.any() else start_s
    last = float(time_s[fall][np.argmin(slope[fall])]) if fall.any() else stop_s
    return (first, last) if first <= last else (start_s, stop_s)
