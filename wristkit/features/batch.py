"""Series of one length, side by side, and what several calculators need of them."""

from collections.abc import Callable
from functools import cached_property
from typing import Concatenate, ParamSpec, TypeVar, cast

import numpy as np
import numpy.typing as npt

from wristkit.recording import FloatArray

IntArray = npt.NDArray[np.int64]
Mask = npt.NDArray[np.bool_]
Given = ParamSpec("Given")
Made = TypeVar("Made")


class Batch:
    """Series (n, samples) of float64; what is computed of all of them is computed once.

    Parameters
    ----------
    values
        (n, samples), at least one sample. A series may hold NaN; its features then are what numpy makes of them.
    """

    def __init__(self, values: npt.ArrayLike) -> None:
        self.values: FloatArray = np.ascontiguousarray(values, dtype=np.float64)
        if self.values.ndim != 2 or not self.values.shape[1]:
            raise ValueError(f"values have the shape {self.values.shape}, expected (n, samples) with samples >= 1")
        self._made: dict[object, object] = {}

    @property
    def samples(self) -> int:
        """Length of each series."""
        return int(self.values.shape[1])

    def __len__(self) -> int:
        return len(self.values)

    def once(
        self, make: "Callable[Concatenate[Batch, Given], Made]", *given: Given.args, **named: Given.kwargs
    ) -> Made:
        """Return ``make(self, *given)``, shared by the calculators that ask for it; what is given is hashable."""
        key = (make, given, tuple(sorted(named.items())))
        if key not in self._made:
            self._made[key] = make(self, *given, **named)
        return cast("Made", self._made[key])

    @cached_property
    def ordered(self) -> FloatArray:
        """(n, samples) each series from its least to its greatest value, NaN last."""
        return np.sort(self.values, axis=1)

    @cached_property
    def sums(self) -> FloatArray:
        """(n,) sum of each series."""
        return np.asarray(self.values.sum(axis=1))

    @cached_property
    def means(self) -> FloatArray:
        """(n,)."""
        return self.sums / self.samples

    @cached_property
    def centred(self) -> FloatArray:
        """(n, samples) without the mean."""
        return self.values - self.means[:, None]

    @cached_property
    def variances(self) -> FloatArray:
        """(n,) mean square of what is left without the mean."""
        return np.asarray(np.square(self.centred).sum(axis=1) / self.samples)

    @cached_property
    def deviations(self) -> FloatArray:
        """(n,) standard deviation: the root of the variance."""
        return np.sqrt(self.variances)

    @cached_property
    def least(self) -> FloatArray:
        """(n,) NaN where the series holds one."""
        return np.asarray(self.values.min(axis=1))

    @cached_property
    def greatest(self) -> FloatArray:
        """(n,) NaN where the series holds one."""
        return np.asarray(self.values.max(axis=1))

    @cached_property
    def medians(self) -> FloatArray:
        """(n,) NaN where the series holds one."""
        middle = (self.samples - 1) // 2, self.samples // 2
        halves = (self.ordered[:, middle[0]] + self.ordered[:, middle[1]]) / 2
        return np.where(self.has_nan, np.nan, halves)

    @cached_property
    def has_nan(self) -> Mask:
        """(n,) which series hold a NaN."""
        return np.isnan(self.ordered[:, -1])

    @cached_property
    def steps(self) -> FloatArray:
        """(n, samples - 1) from each sample to the next."""
        return np.diff(self.values, axis=1)

    @cached_property
    def step_sizes(self) -> FloatArray:
        """(n, samples - 1) without their sign."""
        return np.abs(self.steps)

    @cached_property
    def sizes(self) -> FloatArray:
        """(n, samples) values without their sign."""
        return np.abs(self.values)

    @cached_property
    def spectrum(self) -> npt.NDArray[np.complex128]:
        """(n, samples // 2 + 1) discrete Fourier transform."""
        return np.fft.rfft(self.values, axis=1)
