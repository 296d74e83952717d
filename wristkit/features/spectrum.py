"""What a series is made of by frequency: Fourier coefficients, their spread, and Welch's density."""

from collections.abc import Callable, Iterable, Mapping, Sequence

import numpy as np
import numpy.typing as npt

from wristkit.features.batch import Batch
from wristkit.features.histograms import entropy_in_bins
from wristkit.features.registry import Column, Params, each, together
from wristkit.recording import FloatArray

Complex = npt.NDArray[np.complex128]

_PARTS: Mapping[str, Callable[[Complex], FloatArray]] = {
    "real": lambda spectrum: spectrum.real,
    "imag": lambda spectrum: spectrum.imag,
    "abs": lambda spectrum: np.asarray(np.abs(spectrum)),
    "angle": lambda spectrum: np.asarray(np.angle(spectrum, deg=True)),
}


@together
def fft_coefficient(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Real part, imaginary part, size or angle in degrees of a Fourier coefficient; NaN beyond the last."""
    wanted = 1 + max(_place(one) for one in params)
    spectrum = np.ascontiguousarray(batch.spectrum[:, :wanted].T)
    parts = {name: _part(name)(spectrum) for name in {one["attr"] for one in params}}
    beyond = np.full(len(batch), np.nan)
    for one in params:
        name, place = one["attr"], one["coeff"]
        yield f'attr_"{name}"__coeff_{place}', parts[name][place] if place < len(spectrum) else beyond


def _place(param: Params) -> int:
    place = int(param["coeff"])
    if place < 0:
        raise ValueError(f"coeff of fft_coefficient is {place}, expected 0 or more")
    return place


def _part(name: str) -> Callable[[Complex], FloatArray]:
    if name not in _PARTS:
        raise ValueError(f"attr of fft_coefficient is {name!r}, expected {', '.join(map(repr, _PARTS))}")
    return _PARTS[name]


@together
def fft_aggregated(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Moments of the coefficients' sizes over their places; skew and kurtosis as tsfresh combines them."""
    sizes = np.abs(batch.spectrum)
    weights, places = sizes.sum(axis=1), np.arange(sizes.shape[1], dtype=np.float64)
    first, second, third, fourth = (np.vecdot(sizes, places**power) / weights for power in (1, 2, 3, 4))
    spread = second - first**2
    wide = np.where(spread < 0.5, np.nan, spread)
    found = {
        "centroid": first,
        "variance": spread,
        "skew": (third - 3 * first * wide - first**3) / wide**1.5,
        "kurtosis": (fourth - 4 * first * third + 6 * second * first**2 - 3 * first) / wide**2,
    }
    for one in params:
        if one["aggtype"] not in found:
            raise ValueError(f"aggtype of fft_aggregated is {one['aggtype']!r}, expected {', '.join(map(repr, found))}")
        yield f'aggtype_"{one["aggtype"]}"', found[one["aggtype"]]


@together
def spkt_welch_density(batch: Batch, params: Sequence[Params]) -> Iterable[Column]:
    """Power density at a frequency (Welch 1967); where some are beyond the last, those come after all others."""
    density = batch.once(_density).T
    asked = [int(one["coeff"]) for one in params]
    there = [density[place] for place in asked if place < len(density)]
    beyond = [np.full(len(batch), np.nan)] * (len(asked) - len(there))
    for place, values in zip(asked, there + beyond, strict=True):  # tsfresh names them in the order asked for
        yield f"coeff_{place}", values


@each
def fourier_entropy(batch: Batch, bins: int) -> FloatArray:
    """Entropy of the histogram of Welch's power density."""
    density = batch.once(_density)
    return entropy_in_bins(density / density.max(axis=1, keepdims=True), bins)


def _density(batch: Batch) -> FloatArray:
    """Return (n, frequencies) power density by segments of at most 256 samples."""
    from scipy.signal import welch  # half a second to import, and few features want it

    return np.asarray(welch(batch.values, nperseg=min(batch.samples, 256), axis=1)[1])
