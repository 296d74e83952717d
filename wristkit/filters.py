"""Causal filters as second-order sections in float64, the same numbers in one call or sample by sample.

Each filter is three things: ``Filter`` (what was asked for, frozen, JSON), its coefficients (derived from it and the
rate) and a state (all that changes with a sample). A filter starts settled on its first value.
"""

from collections.abc import Sequence
from dataclasses import asdict, dataclass
from functools import lru_cache
from typing import Any, Literal, NamedTuple, Self

import numpy as np

from wristkit.recording import FloatArray

Kind = Literal["lowpass", "highpass", "bandpass"]


class Coefficients(NamedTuple):
    """What a filter is at one rate: ``sos`` (sections, 6), its settled state for a unit input, its delay."""

    sos: FloatArray
    settled: FloatArray
    delay: int


@dataclass(frozen=True)
class Filter:
    """A causal Butterworth filter.

    Parameters
    ----------
    kind
        ``"lowpass"``, ``"highpass"`` or ``"bandpass"``.
    cutoff_hz
        One edge, or (low, high) of a band, in Hz; the -3 dB points.
    order
        Order of the prototype, 1 to 8.
    """

    kind: Kind
    cutoff_hz: tuple[float, ...]
    order: int = 2

    def __post_init__(self) -> None:
        edges = tuple(float(edge) for edge in np.atleast_1d(self.cutoff_hz))
        wanted = {"lowpass": 1, "highpass": 1, "bandpass": 2}
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
        object.__setattr__(self, "cutoff_hz", edges)

    def coefficients(self, rate_hz: float) -> Coefficients:
        """Return the sections, settled state and delay of this filter at a rate."""
        if self.cutoff_hz[-1] >= rate_hz / 2:
            raise ValueError(
                f"a {self.kind} at {self.cutoff_hz[-1]:g} Hz cannot run at {rate_hz:g} Hz: "
                f"stay below {rate_hz / 2:g} Hz, or raise rate_hz"
            )
        return _coefficients(self, float(rate_hz))

    def delay_s(self, rate_hz: float) -> float:
        """Return the delay in seconds by which outputs are put back: whole samples nearest to the group delay.

        Of a low-pass at 0 Hz, of a band at its geometric middle, of a high-pass midway from its edge to half the rate.
        """
        return self.coefficients(rate_hz).delay / rate_hz

    def start(self, rate_hz: float, first: FloatArray) -> "FilterState":
        """Return the state in which a constant input of ``first`` (c,) has been filtered for ever."""
        coefficients = self.coefficients(rate_hz)
        return FilterState(coefficients, coefficients.settled[:, :, None] * first[None, None, :])

    def run(self, values: FloatArray, *, rate_hz: float) -> FloatArray:
        """Return (n, c) filtered values of one stretch without gaps, delayed by :meth:`delay_s`."""
        if not len(values):
            return np.empty(values.shape)
        return self.start(rate_hz, np.asarray(values[0], dtype=np.float64)).push(values)

    def to_dict(self) -> dict[str, Any]:
        """Return a JSON-able description."""
        return {**asdict(self), "cutoff_hz": list(self.cutoff_hz)}

    @classmethod
    def from_dict(cls, fields: dict[str, Any]) -> Self:
        """Return the filter that :meth:`to_dict` described."""
        return cls(kind=fields["kind"], cutoff_hz=tuple(fields["cutoff_hz"]), order=fields["order"])


class FilterState:
    """A running filter: coefficients and what the samples so far have left in each section, (sections, 2, c)."""

    def __init__(self, coefficients: Coefficients, memory: FloatArray) -> None:
        self.coefficients = coefficients
        self.memory = memory

    def push(self, values: FloatArray) -> FloatArray:
        """Return the next (n, c) outputs for the next (n, c) inputs; the state moves on."""
        from scipy.signal import sosfilt

        if not len(values):
            return np.empty(values.shape)
        output, self.memory = sosfilt(
            self.coefficients.sos, np.asarray(values, dtype=np.float64), axis=0, zi=self.memory
        )
        return np.asarray(output)


@lru_cache(maxsize=64)
def _coefficients(filter_: Filter, rate_hz: float) -> Coefficients:
    from scipy.signal import butter, sosfilt_zi

    edges: float | Sequence[float] = filter_.cutoff_hz if filter_.kind == "bandpass" else filter_.cutoff_hz[0]
    sos = np.asarray(butter(filter_.order, edges, btype=filter_.kind, fs=rate_hz, output="sos"))
    return Coefficients(sos, np.asarray(sosfilt_zi(sos)), _group_delay(sos, _middle_hz(filter_, rate_hz), rate_hz))


def _middle_hz(filter_: Filter, rate_hz: float) -> float:
    if filter_.kind == "lowpass":
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
