"""Wavelet transforms of series with the Mexican hat: single coefficients, and peaks that hold over widths."""

from collections.abc import Iterable, Sequence
from functools import cache
from math import ceil, exp, pi, sqrt

import numpy as np

from wristkit.features.batch import Batch, IntArray, Mask
from wristkit.features.registry import Column, Params, each, together
from wristkit.recording import FloatArray

_NONE = np.iinfo(np.int64).max
_SAMPLES_AT_ONCE = 2**16  # half a megabyte a copy
_MOST_DIRECT = 3_000_000  # products, below which scipy never convolves by Fourier transform


@together
def cwt_coefficients(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Coefficient ``coeff`` of the transform at the width ``w``, as PyWavelets discretises it; NaN beyond the last."""
    for one in params:
        widths, width, place = tuple(one["widths"]), one["w"], int(one["coeff"])
        if width not in widths:
            raise ValueError(f"w of cwt_coefficients is {width}, expected one of widths {widths}")
        beyond = place >= batch.samples
        values = np.full(len(batch), np.nan) if beyond else _coefficient(batch.values, float(width), place)
        yield f"coeff_{place}__w_{width}__widths_{widths}", values


def _coefficient(values: FloatArray, width: float, place: int) -> FloatArray:
    """Return (n,) minus the difference of two neighbours in the convolution with the wavelet's integral."""
    kernel = _integral_of_hat(width)
    first = (len(kernel) - 2) // 2 + range(values.shape[1])[place]
    step = _convolved_at(values, kernel, first + 1) - _convolved_at(values, kernel, first)
    return np.asarray(-sqrt(width) * step)


@cache
def _integral_of_hat(width: float) -> FloatArray:
    """Return the integral of the hat from -8 to 8 widths: PyWavelets' 4096 points, one taken at each sample."""
    if width <= 0:
        raise ValueError(f"a width of cwt_coefficients is {width}, expected more than 0")
    points = np.linspace(-8, 8, 4096)
    hat = [(1 - at**2) * exp(-(at**2) / 2) * 2 / (sqrt(3) * sqrt(sqrt(pi))) for at in points.tolist()]
    step = points[1] - points[0]
    places = (np.arange(width * (points[-1] - points[0]) + 1) / (width * step)).astype(np.int64)
    kernel: FloatArray = (np.cumsum(hat) * step)[places[places < len(points)]][::-1]
    if len(kernel) < 2:
        raise ValueError(f"a width of cwt_coefficients is {width}, too small to hold two samples")
    return kernel


def _convolved_at(values: FloatArray, kernel: FloatArray, place: int) -> FloatArray:
    """Return (n,) one sample of the full convolution, summed in the order in which numpy convolves."""
    samples, taps = values.shape[1], len(kernel)
    first, stop = max(0, place - taps + 1), min(samples, place + 1)
    if taps <= samples:
        return np.asarray(
            np.vecdot(values[:, first:stop], kernel[::-1][taps - 1 - place + first :][: stop - first].copy())
        )
    backwards = values[:, ::-1][:, samples - stop : samples - first].copy()
    return np.asarray(np.vecdot(backwards, kernel[place + 1 - stop : place + 1 - first].copy()))


@each
def number_cwt_peaks(batch: Batch, n: int) -> FloatArray:
    """Count the peaks that hold over the widths 1 to ``n`` and stand out of the noise (Du et al. 2006)."""
    if n < 1:
        raise ValueError(f"n of number_cwt_peaks is {n}, expected 1 or more")
    at_once = max(1, _SAMPLES_AT_ONCE // batch.samples)
    blocks = [batch.values[first : first + at_once] for first in range(0, len(batch), at_once)]
    return np.concatenate([_number_of_peaks(block, n) for block in blocks])


def _number_of_peaks(values: FloatArray, widest: int) -> FloatArray:
    lines = _Lines(values, reach=widest // 4)
    for width in range(widest, 0, -1):
        finest = _transform(values, width)
        lines.extend(finest, _maxima(finest), width)
    held = lines.lengths >= ceil(widest / 4)
    series, places = np.divmod(lines.places[held], lines.pitch)
    clear = ~(np.abs(lines.values[held] / _noise(finest, series, places)) < 1)  # scipy keeps what is 0 / 0
    return np.bincount(series[clear], minlength=len(values)).astype(np.float64)


def _transform(values: FloatArray, width: int) -> FloatArray:
    """Return (n, samples) the convolution with the hat of one width, each sample summed as numpy sums it."""
    rows, samples = values.shape
    hat = _hat(min(10 * width, samples), width)
    if samples * len(hat) > _MOST_DIRECT:
        from scipy.signal import convolve

        return np.stack([convolve(series, hat, mode="same") for series in values])
    found = np.empty((rows, samples))
    left, whole = len(hat) // 2, samples - len(hat) + 1
    along = np.empty(rows * samples)  # one series after the other: what straddles two of them is left out
    along[: rows * samples - len(hat) + 1] = np.correlate(values.ravel(), hat, "valid")
    found[:, left : left + whole] = along.reshape(rows, samples)[:, :whole]
    for place in range(left):
        found[:, place] = np.vecdot(values[:, : place - left + len(hat)], hat[left - place :])
    for place in range(left + whole, samples):
        found[:, place] = np.vecdot(values[:, place - left :], hat[: samples - place + left])
    return found


@cache
def _hat(points: int, width: int) -> FloatArray:
    """Return the Mexican hat, also Ricker's wavelet."""
    squared = (np.arange(points) - (points - 1.0) / 2) ** 2
    size = 2 / (np.sqrt(3 * width) * pi**0.25)
    return np.asarray(size * (1 - squared / width**2) * np.exp(-squared / (2 * width**2)))


def _maxima(rows: FloatArray) -> Mask:
    """Return (n, samples - 2) which samples but the outermost are greater than both neighbours."""
    inner = rows[:, 1:-1]
    return np.asarray((inner > rows[:, :-2]) & (inner > rows[:, 2:]))


def _noise(rows: FloatArray, series: IntArray, places: IntArray) -> FloatArray:
    """Return the tenth percentile of what lies around each place, in a window of a twentieth of the series."""
    samples = rows.shape[1]
    half, odd = divmod(ceil(samples / 20), 2)
    padded = np.pad(rows, ((0, 0), (half, half)), constant_values=np.nan)  # sorted last, and not counted
    firsts = series * padded.shape[1] + places
    around = np.sort(padded.ravel()[firsts[:, None] + np.arange(2 * half + odd)], axis=1)
    counts = np.minimum(places + half + odd, samples) - np.maximum(places - half, 0)
    at = 10 / 100.0 * (counts - 1)
    below = at.astype(np.int64)
    one = np.arange(len(around))
    low, high = around[one, below], around[one, np.minimum(below + 1, counts - 1)]
    near, far = below + 1 - at, at - below
    return np.where(at == below, low, (low * near + high * far) / (near + far))


class _Lines:
    """Ridges: maxima of neighbouring widths that follow each other, linked from the widest to the finest.

    A line goes on to a maximum at most a quarter of the width away, and ends when two widths have none.

    Attributes
    ----------
    lengths
        (lines,) number of maxima.
    places
        (lines,) the finest maximum: series * pitch + sample.
    values
        (lines,) the transform there.
    """

    def __init__(self, values: FloatArray, *, reach: int) -> None:
        rows, samples = values.shape
        self.pitch = samples + reach
        self.lengths: IntArray = np.empty(0, np.int64)
        self.places: IntArray = np.empty(0, np.int64)
        self.values: FloatArray = np.empty(0)
        self._widths: IntArray = np.empty(0, np.int64)  # of the finest maximum
        self._alive: IntArray = np.empty(0, np.int64)
        self._line_at: IntArray = np.full(rows * self.pitch + reach, _NONE)

    def extend(self, rows: FloatArray, maxima: Mask, width: int) -> None:
        """Link the maxima (n, samples - 2) of the transform ``rows`` at the next finer width."""
        placed = np.zeros((len(rows), self.pitch), np.bool_)
        placed[:, 1 : rows.shape[1] - 1] = maxima
        places, values = np.flatnonzero(placed), rows[:, 1:-1][maxima]
        lines = self._nearest(places, width // 4)
        known = lines != _NONE
        self._go_on(lines[known], places[known], values[known], width)
        self._begin(places[~known], values[~known], width)
        ended = self._widths[self._alive] > width + 1
        self._line_at[self.places[self._alive[ended]]] = _NONE
        self._alive = self._alive[~ended]

    def _nearest(self, places: IntArray, reach: int) -> IntArray:
        """Return the line whose end is nearest to each place, of two the elder."""
        found = self._line_at[places]
        for away in range(1, reach + 1):
            open_ones = np.flatnonzero(found == _NONE)
            near = places[open_ones]
            found[open_ones] = np.minimum(self._line_at[near - away], self._line_at[near + away])
        return found

    def _go_on(self, lines: IntArray, places: IntArray, values: FloatArray, width: int) -> None:
        self._line_at[self.places[lines]] = _NONE
        self.lengths += np.bincount(lines, minlength=len(self.lengths))
        last = np.append(lines[1:] != lines[:-1], True)[: len(lines)]  # of several the rightmost is the end
        lines, places = lines[last], places[last]
        self.places[lines], self.values[lines], self._widths[lines] = places, values[last], width
        self._line_at[places] = lines

    def _begin(self, places: IntArray, values: FloatArray, width: int) -> None:
        lines = np.arange(len(self.places), len(self.places) + len(places))
        self._line_at[places] = lines
        self.lengths = np.append(self.lengths, np.ones(len(lines), np.int64))
        self.places = np.append(self.places, places)
        self.values = np.append(self.values, values)
        self._widths = np.append(self._widths, np.full(len(lines), width))
        self._alive = np.append(self._alive, lines)
