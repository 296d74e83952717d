"""Causal filters and moving statistics in float64, the same numbers in one call or sample by sample.

Each ``CausalFilter`` is three things: ``Filter``, ``Derivative`` or ``Moving`` (what was asked for, frozen, JSON), its
coefficients (derived from it and the rate) and a state (all that changes with a sample). Each starts settled on its
first value, and refuses NaN and infinity, which would spread to all that follows.
"""

from collections.abc import Mapping, Sequence
from dataclasses import dataclass
from functools import lru_cache
from numbers import Real
from typing import Any, Literal, NamedTuple, Self, get_args

import numpy as np
import numpy.typing as npt

from wristkit.errors import RecordingError
from wristkit.recording import FloatArray, numbers

Kind = Literal["lowpass", "highpass", "bandpass", "notch"]
Statistic = Literal["mean", "std", "rms", "min", "max"]

BLOCK = 16384  # rows filtered at once, counted from the start of a stretch: what a processor's cache holds
TINY = 1e-100  # what is left of a burst long ago; it would end as denormal numbers, each a hundred times as slow
_MOST_MOVING = 1e6  # samples, of which each channel keeps two sums
_LOWEST_EDGE = 1e-5  # of the rate: below it a recursion in 64 bits does not settle where it should
_LARGEST = 1e140  # squares of which can still be summed


class Coefficients(NamedTuple):
    """What a filter is at one rate: ``sos`` (sections, 6), its settled state for a unit input, its delay in samples."""

    sos: FloatArray
    settled: FloatArray
    delay: int


@dataclass(frozen=True)
class Filter:
    """A causal Butterworth filter, or a notch.

    Parameters
    ----------
    kind
        ``"lowpass"``, ``"highpass"``, ``"bandpass"`` or ``"notch"``.
    cutoff_hz
        One edge, or (low, high) of a band, in Hz; the -3 dB points. Of a notch, the frequency that is taken out.
    order
        Order of the prototype, 1 to 8; a notch has 2.
    quality
        Of a notch alone: ``cutoff_hz`` over its width in Hz between the -3 dB points.
    """

    kind: Kind
    cutoff_hz: tuple[float, ...]
    order: int = 2
    quality: float | None = None

    def __post_init__(self) -> None:
        several: object = self.cutoff_hz  # whatever a description holds
        given = tuple(several) if isinstance(several, list | tuple | np.ndarray) else (several,)
        if not all(is_number(edge) for edge in given):
            raise ValueError(f"cutoff_hz is {self.cutoff_hz!r}, expected one or two numbers of Hz")
        edges = tuple(float(edge) for edge in given)
        wanted = {"lowpass": 1, "highpass": 1, "bandpass": 2, "notch": 1}
        if self.kind not in wanted:
            raise ValueError(f"kind is {self.kind!r}, expected one of {sorted(wanted)}")
        if (
            len(edges) != wanted[self.kind]
            or not all(0 < edge < np.inf for edge in edges)
            or edges != tuple(sorted(set(edges)))
        ):
            raise ValueError(f"cutoff_hz of a {self.kind} is {edges}, expected {wanted[self.kind]} rising positive Hz")
        if isinstance(self.order, bool) or not isinstance(self.order, int) or not 1 <= self.order <= 8:
            raise ValueError(f"order is {self.order!r}, expected a whole number from 1 to 8")
        self._check_quality()
        object.__setattr__(self, "cutoff_hz", edges)

    def _check_quality(self) -> None:
        if self.kind != "notch":
            if self.quality is not None:
                raise ValueError(f"quality of a {self.kind} is {self.quality!r}, expected None; only a notch has one")
        elif self.quality is None or not is_number(self.quality) or not 0.5 <= self.quality <= 1000:
            raise ValueError(f"quality of a notch is {self.quality!r}, expected 0.5 to 1000, such as 30")
        elif self.order != 2:
            raise ValueError(f"order of a notch is {self.order}, expected 2; give quality= to set its width")

    def coefficients(self, rate_hz: float) -> Coefficients:
        """Return the sections, settled state and delay of this filter at a rate."""
        _check_rate(rate_hz)
        if self.cutoff_hz[0] < _LOWEST_EDGE * rate_hz:
            raise ValueError(
                f"a {self.kind} at {self.cutoff_hz[0]:g} Hz is not exact at {rate_hz:g} Hz: stay above "
                f"{_LOWEST_EDGE * rate_hz:g} Hz, or lower rate_hz"
            )
        if self.cutoff_hz[-1] >= rate_hz / 2:
            raise ValueError(
                f"a {self.kind} at {self.cutoff_hz[-1]:g} Hz cannot run at {rate_hz:g} Hz: "
                f"stay below {rate_hz / 2:g} Hz, or raise rate_hz"
            )
        return _coefficients(self, float(rate_hz))

    def delay_s(self, rate_hz: float) -> float:
        """Return the delay in seconds by which outputs are put back: whole samples nearest to the group delay.

        Of a low-pass or a notch at 0 Hz, of a band at its geometric middle, of a high-pass midway from its edge to half
        the rate.
        """
        return self.coefficients(rate_hz).delay / rate_hz

    def start(self, rate_hz: float, first: FloatArray) -> "FilterState":
        """Return the state in which a constant input of ``first`` (c,) has been filtered for ever."""
        return FilterState.settled(self.coefficients(rate_hz), first)

    def run(self, values: npt.ArrayLike, *, rate_hz: float) -> FloatArray:
        """Return (n, c) filtered values of one stretch without gaps, delayed by :meth:`delay_s`.

        Raises
        ------
        RecordingError
            With code ``not_finite`` and the row of the first NaN or infinity.
        """
        return _run(self, values, rate_hz)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        fields = {"kind": self.kind, "cutoff_hz": list(self.cutoff_hz), "order": self.order}
        return fields if self.quality is None else {**fields, "quality": self.quality}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the filter that :meth:`to_dict` described."""
        _check_described(fields, get_args(Kind), ("cutoff_hz", "order"), may=("quality",))
        edges = tuple(fields["cutoff_hz"])
        return cls(kind=fields["kind"], cutoff_hz=edges, order=fields["order"], quality=fields.get("quality"))


@dataclass(frozen=True)
class Derivative:
    """The slope over the samples before and after, in units a second: of acceleration, the jerk.

    It is the central difference ``(x[k] - x[k - 2]) * rate_hz / 2``, of which the delay is one sample at every
    frequency. A sine of f Hz has sin(w) / w of its true slope, w = 2 pi f / rate_hz: 0.94 at a tenth of the rate.
    """

    def coefficients(self, rate_hz: float) -> Coefficients:
        """Return the one section, which holds nothing but the last two samples."""
        _check_rate(rate_hz)
        half = rate_hz / 2
        return Coefficients(np.array([[half, 0, -half, 1, 0, 0]]), np.array([[-half, -half]]), 1)

    def delay_s(self, rate_hz: float) -> float:
        """Return the delay in seconds by which outputs are put back: one sample."""
        return self.coefficients(rate_hz).delay / rate_hz

    def start(self, rate_hz: float, first: FloatArray) -> "FilterState":
        """Return the state in which the input has been ``first`` (c,) for ever."""
        return FilterState.settled(self.coefficients(rate_hz), first)

    def run(self, values: npt.ArrayLike, *, rate_hz: float) -> FloatArray:
        """Return (n, c) slopes of one stretch without gaps; refuses NaN and infinity as :meth:`Filter.run` does."""
        return _run(self, values, rate_hz)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"kind": "derivative"}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the derivative that :meth:`to_dict` described."""
        _check_described(fields, ("derivative",), ())
        return cls()


class FilterState:
    """A running filter: coefficients, what the samples so far have left in each section, (sections, 2, c), and count.

    What is left that is smaller than ``TINY`` is forgotten whenever a whole block has passed since the start, at the
    same samples in any partition: silence after a burst costs what anything else does.
    """

    def __init__(self, coefficients: Coefficients, memory: FloatArray) -> None:
        self.coefficients = coefficients
        self.memory = memory
        self.count = 0

    @classmethod
    def settled(cls, coefficients: Coefficients, first: npt.ArrayLike) -> Self:
        """Return the state in which a constant input of ``first`` (c,) has been filtered for ever."""
        constant = np.asarray(first, dtype=np.float64)
        _refuse_not_finite(constant[None])
        return cls(coefficients, coefficients.settled[:, :, None] * constant)

    def push(self, values: npt.ArrayLike) -> FloatArray:
        """Return the next (n, c) outputs for the next (n, c) inputs; the state moves on, or an error leaves it."""
        from scipy.signal import sosfilt

        rows = _rows(values, channels=self.memory.shape[2])
        output = np.empty(rows.shape[::-1])  # by channel: a filter runs along it, and so do those that follow
        memory, done = self.memory, 0
        while done < len(rows):
            stop = min(len(rows), done + BLOCK - (self.count + done) % BLOCK)
            block, memory = sosfilt(self.coefficients.sos, rows[done:stop], axis=0, zi=memory)
            output[:, done:stop] = block.T
            # What is not finite stays in a recursion, so the end of a block shows all of it.
            if not np.isfinite(memory).all() or not np.isfinite(block[-1]).all():
                _refuse_not_finite(rows[done:stop], row=done)
                raise _too_big(rows[done:stop], row=done)
            if (self.count + stop) % BLOCK == 0:
                memory = np.where(np.abs(memory) < TINY, 0.0, memory)
            done = stop
        self.memory, self.count = memory, self.count + done
        return output.T


@lru_cache(maxsize=64)
def _coefficients(filter_: Filter, rate_hz: float) -> Coefficients:
    from scipy.signal import butter, iirnotch, sosfilt_zi

    edges: float | Sequence[float] = filter_.cutoff_hz if filter_.kind == "bandpass" else filter_.cutoff_hz[0]
    if filter_.kind != "notch":
        sos = np.asarray(butter(filter_.order, edges, btype=filter_.kind, fs=rate_hz, output="sos"))
    elif filter_.quality is not None:
        sos = np.concatenate(iirnotch(filter_.cutoff_hz[0], filter_.quality, fs=rate_hz))[None]
    return Coefficients(sos, np.asarray(sosfilt_zi(sos)), _group_delay(sos, _middle_hz(filter_, rate_hz), rate_hz))


def _middle_hz(filter_: Filter, rate_hz: float) -> float:
    if filter_.kind in ("lowpass", "notch"):
        return 0.0
    if filter_.kind == "bandpass":
        return float(np.sqrt(filter_.cutoff_hz[0] * filter_.cutoff_hz[1]))
    return (filter_.cutoff_hz[0] + rate_hz / 2) / 2


def _group_delay(sos: FloatArray, frequency_hz: float, rate_hz: float) -> int:
    """Return the group delay in whole samples: of each section's numerator less its denominator, summed."""
    turn = np.exp(-2j * np.pi * frequency_hz / rate_hz * np.arange(3))

    def polynomial_delay(factors: FloatArray) -> float:
        return float(np.real(np.sum(np.arange(3) * factors * turn) / np.sum(factors * turn)))

    return max(0, round(sum(polynomial_delay(section[:3]) - polynomial_delay(section[3:]) for section in sos)))


class MovingCoefficients(NamedTuple):
    """What a moving statistic is at one rate: its kind, the samples it spans, its delay in samples."""

    kind: Statistic
    length: int
    delay: int


@dataclass(frozen=True)
class Moving:
    """A statistic of the last ``length_s`` seconds, at the same cost a sample whatever the length.

    Each stretch is cut into blocks of that length. What the statistic spans is the end of one block and the beginning
    of the next; both are summed up from their border, so no sum is older than one length and none drifts.

    Parameters
    ----------
    kind
        ``"mean"``, ``"std"`` (divided by the count), ``"rms"``, ``"min"`` or ``"max"``.
    length_s
        Seconds; times the rate, a whole number of samples.
    """

    kind: Statistic
    length_s: float

    def __post_init__(self) -> None:
        _check_kind(self.kind, get_args(Statistic))
        if not is_number(self.length_s) or not 0 < self.length_s < np.inf:
            raise ValueError(f"length_s is {self.length_s!r}, expected a positive number of seconds")
        object.__setattr__(self, "length_s", float(self.length_s))

    def coefficients(self, rate_hz: float) -> MovingCoefficients:
        """Return the span and delay in samples at a rate."""
        _check_rate(rate_hz)
        samples = self.length_s * rate_hz
        if samples > _MOST_MOVING:
            raise ValueError(
                f"length_s is {self.length_s:g}, which is {samples:g} samples at {rate_hz:g} Hz, expected at most "
                f"{_MOST_MOVING:g}; take a lower rate first"
            )
        length = max(1, round(samples))
        if abs(samples - length) > 1e-6 * length:
            low = max(1, int(samples))
            raise ValueError(
                f"length_s is {self.length_s:g}, which is {samples:g} samples at {rate_hz:g} Hz, expected a whole "
                f"number; use {low / rate_hz:.9g} or {(low + 1) / rate_hz:.9g}"
            )
        return MovingCoefficients(self.kind, length, (length - 1) // 2)

    def delay_s(self, rate_hz: float) -> float:
        """Return the delay in seconds by which outputs are put back: whole samples to the middle of the span."""
        return self.coefficients(rate_hz).delay / rate_hz

    def start(self, rate_hz: float, first: npt.ArrayLike) -> "MovingState":
        """Return the state in which the input has been ``first`` (c,) for ever."""
        return MovingState(self.coefficients(rate_hz), first)

    def run(self, values: npt.ArrayLike, *, rate_hz: float) -> FloatArray:
        """Return the (n, c) statistic of one stretch without gaps, delayed by :meth:`delay_s`.

        Raises
        ------
        RecordingError
            With code ``not_finite`` and the row of the first NaN or infinity.
        """
        return _run(self, values, rate_hz)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {"kind": self.kind, "length_s": self.length_s}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the statistic that :meth:`to_dict` described."""
        _check_described(fields, get_args(Statistic), ("length_s",))
        return cls(kind=fields["kind"], length_s=fields["length_s"])


class _Sums(NamedTuple):
    """Sums, or extremes, of samples on one side of a border: (planes, c, ..., samples), and what was taken off first.

    A mean and a deviation are taken of differences to the sample at the border, (c, ..., 1), which the statistic spans:
    a small ripple on a big offset keeps its digits.
    """

    planes: FloatArray
    reference: FloatArray


class MovingState:
    """A running statistic: the sums of the last whole block from its end, and the block being filled, (c, l)."""

    def __init__(self, coefficients: MovingCoefficients, first: npt.ArrayLike) -> None:
        constant = np.asarray(first, dtype=np.float64)
        _refuse_not_finite(constant[None])
        self.coefficients = coefficients
        self.held: FloatArray = np.repeat(constant[:, None], coefficients.length, axis=1)
        self.count = 0
        self._older = self._older_sums(self.held)
        self._newest: FloatArray = np.empty(0)

    def push(self, values: npt.ArrayLike) -> FloatArray:
        """Return the next (n, c) outputs for the next (n, c) inputs; the state moves on, or an error leaves it."""
        rows = _rows(values, channels=len(self.held))
        _refuse_not_finite(rows)
        if float(np.abs(rows).max(initial=0)) > _LARGEST:
            raise _too_big(rows, row=0)
        output, length, done = np.empty(rows.shape[::-1]), self.coefficients.length, 0
        while done < len(rows):
            filled, left = self.count % length, len(rows) - done
            whole = min(left // length, max(1, BLOCK // length)) * length if filled == 0 else 0
            stop = done + (whole or min(left, length - filled))
            columns = rows[done:stop].T.astype(np.float64, order="C")
            output[:, done:stop] = self._whole_blocks(columns) if whole else self._part_of_block(columns, filled)
            self.count += stop - done
            done = stop
        return output.T

    def _whole_blocks(self, columns: FloatArray) -> FloatArray:
        blocks = columns.reshape(len(columns), -1, self.coefficients.length)
        ends = self._older_sums(blocks)
        before = [
            np.concatenate([one[..., None, :], each[..., :-1, :]], axis=-2)
            for one, each in zip(self._older, ends, strict=True)
        ]
        self._older = _Sums(ends.planes[..., -1, :].copy(), ends.reference[..., -1, :].copy())
        reference = blocks[..., :1]
        newer = _Sums(self._operation.accumulate(self._planes(blocks, reference), axis=-1), reference)
        return self._statistic(_Sums(*before), newer, 0).reshape(columns.shape)

    def _part_of_block(self, columns: FloatArray, filled: int) -> FloatArray:
        stop = filled + columns.shape[1]
        self.held[:, filled:stop] = columns
        reference = self.held[:, :1]
        planes = self._planes(columns, reference)
        if filled:
            planes = np.concatenate([self._newest, planes], axis=-1)
        planes = self._operation.accumulate(planes, axis=-1)
        self._newest = planes[..., -1:].copy()
        older = _Sums(self._older.planes[..., filled:stop], self._older.reference)
        output = self._statistic(older, _Sums(planes[..., bool(filled) :], reference), filled)
        if stop == self.coefficients.length:
            self._older = self._older_sums(self.held)
        return output

    @property
    def _operation(self) -> np.ufunc:
        return {"min": np.minimum, "max": np.maximum}.get(self.coefficients.kind, np.add)

    def _planes(self, values: FloatArray, reference: FloatArray) -> FloatArray:
        match self.coefficients.kind:
            case "mean":
                return (values - reference)[None]
            case "std":
                return np.stack([values - reference, np.square(values - reference)])
            case "rms":
                return np.square(values)[None]
        return values[None]

    def _older_sums(self, blocks: FloatArray) -> _Sums:
        """Return, at each sample of blocks (c, ..., l), the sums of the samples after it in its block."""
        reference = blocks[..., -1:].copy()
        planes = self._planes(blocks, reference)[..., :0:-1]
        nothing = np.full((*planes.shape[:-1], 1), {"min": np.inf, "max": -np.inf}.get(self.coefficients.kind, 0.0))
        after = self._operation.accumulate(planes, axis=-1)[..., ::-1]
        return _Sums(np.concatenate([after, nothing], axis=-1), reference)

    def _statistic(self, older: _Sums, newer: _Sums, filled: int) -> FloatArray:
        """Return the statistic of the end of one block and the beginning of the next, at places from ``filled`` on."""
        kind, length = self.coefficients.kind, self.coefficients.length
        if kind in ("min", "max"):
            return np.asarray(self._operation(older.planes[0], newer.planes[0]))
        if kind == "rms":
            return np.asarray(np.sqrt((older.planes[0] + newer.planes[0]) / length))
        new = np.arange(filled + 1, filled + 1 + newer.planes.shape[-1], dtype=np.float64)
        old = length - new
        some = np.maximum(old, 1.0)  # of no samples, all sums are 0
        apart = (older.reference + older.planes[0] / some) - (newer.reference + newer.planes[0] / new)
        if kind == "mean":
            return np.asarray(newer.reference + newer.planes[0] / new + old / length * apart)
        # Chan, Golub and LeVeque: squared deviations of each side from its own mean, and of the means from each other.
        squares = older.planes[1] - older.planes[0] ** 2 / some + newer.planes[1] - newer.planes[0] ** 2 / new
        return np.asarray(np.sqrt(np.maximum(squares + apart**2 * (old * new / length), 0.0) / length))


CausalFilter = Filter | Derivative | Moving
CausalState = FilterState | MovingState


def filter_from_dict(fields: dict[str, Any]) -> CausalFilter:
    """Return what ``to_dict`` of any of them described; its ``kind`` says which it is."""
    kind = fields.get("kind")
    if kind == "derivative":
        return Derivative.from_dict(fields)
    return Moving.from_dict(fields) if kind in get_args(Statistic) else Filter.from_dict(fields)


def only_keys(fields: Mapping[str, Any], must: Sequence[str], what: str, *, may: Sequence[str] = ()) -> None:
    """Raise where a description lacks a key or has one that nobody would honour."""
    if not isinstance(fields, Mapping):
        raise TypeError(f"{what} is described by {fields!r}, expected keys {[*must, *may]} with values")
    lacks, unknown = [key for key in must if key not in fields], sorted(set(fields) - {*must, *may})
    if lacks or unknown:
        raise ValueError(
            f"{what} is described without {lacks} and with {unknown}, expected {[*must]}"
            f"{f' and perhaps {[*may]}' if may else ''}; was it written by another version?"
        )


def _check_described(
    fields: Mapping[str, Any], kinds: tuple[str, ...], must: Sequence[str], *, may: Sequence[str] = ()
) -> None:
    if isinstance(fields, Mapping) and "kind" in fields:
        _check_kind(fields["kind"], kinds)
    only_keys(fields, ("kind", *must), f"a filter of the kinds {[*kinds]}", may=may)


def is_number(value: object) -> bool:
    """Return whether a value is one real number, and no truth value or text."""
    return isinstance(value, Real) and not isinstance(value, bool)


def _check_rate(rate_hz: float) -> None:
    if not is_number(rate_hz) or not 0 < rate_hz < np.inf:
        raise ValueError(f"rate_hz is {rate_hz!r}, expected a positive number of samples a second")


def _check_kind(kind: str, wanted: tuple[str, ...]) -> None:
    if kind not in wanted:
        raise ValueError(f"kind is {kind!r}, expected one of {sorted(wanted)}")


def _run(step: CausalFilter, values: npt.ArrayLike, rate_hz: float) -> FloatArray:
    """Return what one packet of all values gives."""
    rows = _rows(values)
    return step.start(rate_hz, rows[0]).push(rows) if len(rows) else np.empty(rows.shape)


def _rows(values: npt.ArrayLike, *, channels: int | None = None) -> npt.NDArray[np.floating[Any]]:
    """Return values (n, c) as real numbers of no more than 64 bits, or raise what is wrong with their shape."""
    rows = numbers("the filter is given values", values)
    if rows.dtype not in (np.float32, np.float64):
        rows = np.asarray(rows, dtype=np.float64)
    if rows.ndim != 2 or channels not in (None, rows.shape[1]):
        raise ValueError(f"values have shape {rows.shape}, expected (n, {channels or 'c'}): samples by channels")
    return rows


def _refuse_not_finite(rows: npt.NDArray[np.floating[Any]], *, row: int = 0) -> None:
    """Raise where one of rows (n, c), the first of which is called ``row``, holds NaN or infinity."""
    held = np.isfinite(rows).all(axis=1)
    if not held.all():
        first = int(np.argmin(held))
        raise RecordingError(
            f"values are {rows[first].tolist()}, expected finite numbers",
            code="not_finite",
            remedy="leave such samples out, and start anew after a gap",
            row=row + first,
        )


def _too_big(rows: npt.NDArray[np.floating[Any]], *, row: int) -> RecordingError:
    """Return what is wrong with finite rows whose sums are not finite."""
    first = int(np.argmax(np.abs(rows).max(axis=1)))
    return RecordingError(
        f"values are {rows[first].tolist()}, expected numbers small enough to be squared and summed",
        code="not_finite",
        remedy="leave such samples out, and start anew after a gap",
        row=row + first,
    )
