"""Least squares of many series at once by QR decomposition; of a few by singular values, as statsmodels rounds.

Where a design is near to rank-deficient (a level far from zero, few different values) the outcome hangs on how
statsmodels cuts and rounds, and such series go through the same steps one by one.
"""

from collections.abc import Callable
from typing import NamedTuple

import numpy as np

from wristkit.features.batch import Mask
from wristkit.recording import FloatArray

_SAMPLES_AT_ONCE = 2**17  # a megabyte of design
_CUT = 1e-15  # singular values below this share of the greatest are none, in statsmodels
_MOST_CONDITION = 3e7  # of a design, beyond which the way of solving shows in the seventh digit


def parts(rows: int, size: int) -> list[slice]:
    """Return slices of so many rows, of which each row takes ``size`` numbers."""
    at_once = max(1, _SAMPLES_AT_ONCE // size)
    return [slice(first, min(first + at_once, rows)) for first in range(0, rows, at_once)]


def lagged(values: FloatArray, lag: int, tall: int) -> FloatArray:
    """Return the ``tall`` last samples (..., tall) but for ``lag``."""
    stop = values.shape[-1] - lag
    return values[..., stop - tall : stop]


def triangles(columns: FloatArray) -> FloatArray:
    """Return the triangles R of the QR decompositions of designs given by columns (n, columns, rows)."""
    return np.asarray(np.linalg.qr(columns.swapaxes(1, 2), mode="r"))


def inverted(roots: FloatArray) -> tuple[FloatArray, Mask]:
    """Return the inverses of triangles (n, columns, columns), and which are far enough from having none."""
    sizes = np.abs(np.diagonal(roots, axis1=1, axis2=2))
    sound = sizes.min(axis=1) > _CUT * sizes.max(axis=1)
    safe = np.where(sound[:, None, None], roots, np.eye(roots.shape[1]))
    inverse = np.linalg.inv(safe)
    norms = [np.sqrt(np.square(one).sum(axis=(1, 2))) for one in (safe, inverse)]
    return inverse, np.asarray(sound & (norms[0] * norms[1] < _MOST_CONDITION))


def one_by_one(series: FloatArray, function: Callable[[FloatArray], FloatArray]) -> FloatArray:
    """Return what a function gives of each of one or more series; of equal ones, such as constant, once."""
    different, which = np.unique(series, axis=0, return_inverse=True)
    return np.stack([function(one) for one in different])[which.ravel()]


class Fit(NamedTuple):
    """Least squares of one series.

    Attributes
    ----------
    weights, scatter
        (columns,) each, the second the variance of the first in units of the noise's.
    rank
        Of the design.
    left
        (rows,) what the design does not explain.
    """

    weights: FloatArray
    scatter: FloatArray
    rank: int
    left: FloatArray

    @property
    def t_statistics(self) -> FloatArray:
        """(columns,) each weight in units of its standard error."""
        noise = np.dot(self.left, self.left) / (len(self.left) - self.rank)
        return np.asarray(self.weights / np.sqrt(self.scatter * noise))


def fit(design: FloatArray, target: FloatArray) -> Fit:
    """Return the least squares with the least weights, by the steps in which statsmodels rounds."""
    left, sizes, right = np.linalg.svd(design, full_matrices=False)
    shares = np.divide(1.0, sizes, out=np.zeros_like(sizes), where=sizes > _CUT * sizes.max())
    inverse = np.dot(right.T, np.multiply(shares[:, None], left.T))
    weights = np.dot(inverse, target)
    rank = int(np.linalg.matrix_rank(np.diag(sizes)))
    return Fit(weights, np.diag(np.dot(inverse, inverse.T)), rank, target - np.dot(design, weights))
