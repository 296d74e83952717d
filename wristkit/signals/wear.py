"""When a device was worn: spans beside the data, never a change of it."""

from dataclasses import dataclass
from itertools import groupby, pairwise
from numbers import Real
from typing import NamedTuple

import numpy as np
import pandas as pd

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, Recording, Stream, finding_table
from wristkit.signals.pieces import Mask, pieces
from wristkit.signals.units import usable

WEAR_COLUMNS = ("start_s", "stop_s", "state", "reason")
_MOST_STEPS = 2_000_000  # 57 years of 15 min
_KNOWN_SHARE = 0.5  # of the samples of a step that have to be there


@dataclass(frozen=True, kw_only=True)
class WearParams:
    """What counts as not worn: an hour in which nothing moves, and which is not warm.

    The defaults are those of van Hees et al. 2013 (GENEActiv; the authors' code has them for Axivity and ActiGraph,
    too): windows of 60 min every 15 min, of which two axes vary by less than 13 mg and span less than 50 mg. Shorter
    windows take quiet sleep for a watch on the table; these still take some of it where no temperature is recorded. A
    sensor with more noise than some 5 mg needs a higher ``still_sd_g``: three times what it shows on a table.

    Parameters
    ----------
    window_s, step_s
        Seconds that have to be still as a whole, and steps in which they are looked at.
    still_sd_g, still_range_g, still_axes
        Standard deviation and span below which an axis is still, and how many axes have to be.
    worn_above_degc
        A still window that is as warm in the mean was worn (26 degC: Zhou et al. 2015, at a wrist, in rooms cooler than
        that). Looked at only where there is a stream ``temperature``.
    """

    window_s: float = 3600.0
    step_s: float = 900.0
    still_sd_g: float = 0.013
    still_range_g: float = 0.050
    still_axes: int = 2
    worn_above_degc: float = 26.0

    def __post_init__(self) -> None:
        given: tuple[object, ...] = (self.window_s, self.step_s)
        seconds = all(isinstance(one, Real) for one in given) and 0 < self.step_s <= self.window_s < np.inf
        steps = self.window_s / self.step_s if seconds else np.inf
        # Seconds with a fraction are not exact: 0.3 / 0.1 is 2.9999999999999996.
        whole = steps <= _MOST_STEPS and np.isclose(steps, round(steps), rtol=1e-9, atol=0)
        if not whole:
            raise ValueError(
                f"window_s is {self.window_s!r} and step_s {self.step_s!r}, expected a whole number of steps of seconds"
            )
        if not np.isfinite(self.worn_above_degc):
            raise ValueError(
                f"worn_above_degc is {self.worn_above_degc}, expected degrees Celsius; 1000 where warmth says nothing"
            )
        if not (0 < self.still_sd_g < np.inf and 0 < self.still_range_g < np.inf and self.still_axes in {1, 2, 3}):
            raise ValueError(
                f"still_sd_g is {self.still_sd_g}, still_range_g {self.still_range_g}, still_axes {self.still_axes}; "
                "expected positive g and 1, 2 or 3 axes"
            )

    @property
    def steps(self) -> int:
        """Steps of one window."""
        return round(self.window_s / self.step_s)


def wear_spans(recording: Recording, *, params: WearParams | None = None) -> pd.DataFrame:
    """Return a table ``start_s, stop_s, state, reason``; the state is ``worn``, ``not_worn`` or ``unknown``.

    Spans cover ``accel`` from its first to its last sample, in steps of 15 min or a little more. It is unknown where
    less than half of the samples are there, where no axis changes at all for a whole step, as in a device that is
    stuck or asleep, and in a recording shorter than one window. Values that no wrist gives count as missing.

    Raises
    ------
    RecordingError
        With code ``empty`` where there is no acceleration, ``missing_stream`` where there is not even a stream for it,
        ``span`` where it spans more than two million steps.
    """
    params = params or WearParams()
    accel = recording["accel"]
    if len(accel) < 2:
        raise RecordingError(
            f"accel has {len(accel)} samples, expected two or more",
            code="empty",
            remedy="check the file; without acceleration nothing is known of wear",
        )
    stop_s = accel.stop_s + 1 / accel.rate_hz  # the last sample stands for a time, as all others do
    count = int((stop_s - accel.start_s) / params.step_s + 1e-6)
    if count < params.steps:
        reason = f"shorter than {params.window_s / 60:g} min, which have to be still as a whole"
        return _table([(accel.start_s, stop_s, "unknown", reason)])
    if count > _MOST_STEPS:
        raise RecordingError(
            f"accel spans {stop_s - accel.start_s:.3g} s, {count} steps of {params.step_s:g} s, expected at most "
            f"{_MOST_STEPS}",
            code="span",
            remedy="check its stamps for a jump of the clock and cut it there with between(); or take longer steps",
        )
    edges_s = np.linspace(accel.start_s, stop_s, count + 1)
    seen = _steps(recording, edges_s, params)
    window = f"{params.window_s / 60:.4g} min"
    told = [_verdict(*one, window=window) for one in zip(*(mask.tolist() for mask in seen), strict=True)]
    rows, first = [], 0
    for (state, reason), run in groupby(told):
        stop = first + len(list(run))
        rows.append((float(edges_s[first]), float(edges_s[stop]), state, reason))
        first = stop
    return _table(rows)


def mark_wear(recording: Recording, *, params: WearParams | None = None) -> Recording:
    """Return the recording with a finding ``not_worn`` or ``wear_unknown`` for each such span; its values stay."""
    accel, rows = recording["accel"], []
    codes = {"not_worn": "not_worn", "unknown": "wear_unknown"}
    for start_s, stop_s, state, reason in wear_spans(recording, params=params).itertuples(index=False):
        if state in codes:
            samples = len(accel.between(start_s, stop_s))
            remedy = "leave the span out of hours of ordinary life; labels in it are doubtful"
            rows.append((codes[state], "accel", start_s, stop_s, samples, reason, remedy))
    known = set(zip(*(recording.findings[key] for key in ("code", "start_s", "stop_s")), strict=True))
    new = [row for row in rows if (row[0], row[2], row[3]) not in known]
    return recording.with_findings(finding_table(new)) if new else recording


class _Moments(NamedTuple):
    """Of each step (k,) and axis (k, 3): samples, sums, sums of squares, least and greatest values."""

    samples: FloatArray
    total: FloatArray
    squares: FloatArray
    low: FloatArray
    high: FloatArray


def _steps(recording: Recording, edges_s: FloatArray, params: WearParams) -> tuple[Mask, Mask, Mask, Mask]:
    """Return which steps (k,) are there, change at all, lie in a still window, and which of those in a warm one."""
    accel, size = recording["accel"], params.steps
    moments = _moments(accel, edges_s)
    there = moments.samples >= _KNOWN_SHARE * np.diff(edges_s) * accel.rate_hz
    alive = np.asarray((moments.high > moments.low).any(axis=1))
    count, total, squares = (_windowed(part, size).sum(axis=-1) for part in moments[:3])
    low, high = _windowed(moments.low, size).min(axis=-1), _windowed(moments.high, size).max(axis=-1)
    samples = np.maximum(count, 1)[:, None]
    spread = np.sqrt(np.maximum(squares / samples - (total / samples) ** 2, 0))
    quiet = (spread < params.still_sd_g) & (high - low < params.still_range_g)
    window_still = (quiet.sum(axis=1) >= params.still_axes) & _windowed(there, size).all(axis=-1)
    degc = _windowed(_degrees(recording, edges_s), size).mean(axis=-1)
    window_warm = window_still & (degc >= params.worn_above_degc)
    return there, alive, _of_steps(window_still & ~window_warm, size), _of_steps(window_warm, size)


def _moments(accel: Stream, edges_s: FloatArray) -> _Moments:
    steps = len(edges_s) - 1
    shape = (steps, len(accel.channels))
    found = _Moments(np.zeros(steps), np.zeros(shape), np.zeros(shape), np.full(shape, np.inf), np.full(shape, -np.inf))
    for time_s, values in pieces(accel):
        kept = usable("accel", values)
        step = np.clip(np.searchsorted(edges_s, time_s[kept], side="right") - 1, 0, steps - 1)
        g = values[kept].astype(np.float64)
        np.add.at(found.samples, step, 1.0)
        np.add.at(found.total, step, g)
        np.add.at(found.squares, step, g**2)
        np.minimum.at(found.low, step, g)
        np.maximum.at(found.high, step, g)
    return found


def _degrees(recording: Recording, edges_s: FloatArray) -> FloatArray:
    """Return (k,) median temperatures of the steps, which one wild value does not move; NaN where none is known."""
    degc = np.full(len(edges_s) - 1, np.nan)
    temperature = recording.streams.get("temperature")
    if temperature is None:
        return degc
    for row, (start_s, stop_s) in enumerate(pairwise(edges_s.tolist())):
        values = temperature.between(start_s, stop_s).values
        known = values[usable("temperature", values)].astype(np.float64)
        degc[row] = np.median(known) if len(known) else np.nan
    return degc


def _windowed(steps: np.ndarray[tuple[int, ...], np.dtype[np.generic]], size: int) -> FloatArray:
    """Return windows of ``size`` steps in a row, along a new last axis."""
    return np.asarray(np.lib.stride_tricks.sliding_window_view(steps, size, axis=0))


def _of_steps(windows: Mask, size: int) -> Mask:
    """Return which steps lie in at least one of these windows."""
    return np.asarray(np.convolve(windows, np.ones(size, dtype=int)) > 0)


def _verdict(there: bool, alive: bool, still: bool, warm: bool, *, window: str) -> tuple[str, str]:  # noqa: FBT001  masks side by side
    if not there:
        return "unknown", "less than half of the samples are there"
    if not alive:
        return "unknown", "no axis changes at all: the sensor was stuck, off, or lay still below its resolution"
    if still:
        return "not_worn", f"{window} or more in which hardly an axis moves, and no warmth of skin is known"
    return "worn", "still, but as warm as skin" if warm else "it moves"


def _table(rows: list[tuple[float, float, str, str]]) -> pd.DataFrame:
    table = pd.DataFrame(rows, columns=list(WEAR_COLUMNS))
    return table.astype({"start_s": float, "stop_s": float, "state": object, "reason": object})
