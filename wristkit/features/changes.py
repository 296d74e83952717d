"""What follows from one sample to the next, and from those some samples apart."""

import numpy as np

from wristkit.features.batch import Batch
from wristkit.features.registry import each
from wristkit.recording import FloatArray


@each
def absolute_sum_of_changes(batch: Batch) -> FloatArray:
    """Length of the way up and down."""
    return np.asarray(batch.step_sizes.sum(axis=1))


@each
def mean_abs_change(batch: Batch) -> FloatArray:
    """Mean size of a step; none of a single sample."""
    return np.asarray(batch.step_sizes.sum(axis=1)) / (batch.samples - 1)


@each
def mean_change(batch: Batch) -> FloatArray:
    """Mean step: from the first sample straight to the last."""
    return (batch.values[:, -1] - batch.values[:, 0]) / (batch.samples - 1)


@each
def mean_second_derivative_central(batch: Batch) -> FloatArray:
    """Mean bend: by how much the last step exceeds the first, for each pair of steps."""
    if batch.samples < 3:
        return np.full(len(batch), np.nan)
    first, second, last_but_one, last = batch.values[:, [0, 1, -2, -1]].T
    return np.asarray((last - last_but_one - second + first) / (2 * (batch.samples - 2)))


@each
def cid_ce(batch: Batch, normalize: bool) -> FloatArray:  # noqa: FBT001  tsfresh's parameter
    """Complexity by the length of the stretched line (Batista 2014, CID), in standard deviations if normalised."""
    if not normalize:
        return np.asarray(np.sqrt(np.vecdot(batch.steps, batch.steps)))
    steps = np.diff(batch.centred / batch.deviations[:, None], axis=1)
    return np.where(batch.deviations == 0, 0.0, np.sqrt(np.vecdot(steps, steps)))


@each
def c3(batch: Batch, lag: int) -> FloatArray:
    """Non-linearity by the mean product of three samples ``lag`` apart (Schreiber & Schmitz 1997)."""
    if 2 * lag >= batch.samples:
        return np.zeros(len(batch))
    now, later, latest = _three(batch, lag)
    return np.asarray((latest * later * now).mean(axis=1))


@each
def time_reversal_asymmetry_statistic(batch: Batch, lag: int) -> FloatArray:
    """How the mean of three samples' products changes when time runs backwards (Fulcher & Jones 2014)."""
    if 2 * lag >= batch.samples:
        return np.zeros(len(batch))
    now, later, latest = _three(batch, lag)
    return np.asarray((latest * latest * later - later * now * now).mean(axis=1))


def _three(batch: Batch, lag: int) -> tuple[FloatArray, FloatArray, FloatArray]:
    """Return samples with those once and twice ``lag`` later; before the first, a negative lag meets the last."""
    count = batch.samples - 2 * lag
    if lag < 0:
        return batch.values, np.roll(batch.values, -lag, axis=1), np.roll(batch.values, -2 * lag, axis=1)
    return batch.values[:, :count], batch.values[:, lag : lag + count], batch.values[:, 2 * lag :]
