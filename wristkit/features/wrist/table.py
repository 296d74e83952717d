"""The wrist set of windows as a table, what it costs on a watch, and the same numbers from packets."""

from collections.abc import Sequence

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.features.wrist import posture, powers, rhythm, taps, turning  # noqa: F401  each registers its own
from wristkit.features.wrist.registry import WRIST, WristFeature
from wristkit.features.wrist.seen import AXES, SHARED, Seen, Shape
from wristkit.recording import FloatArray

_SAMPLES_AT_ONCE = 2**17  # 1 MB a copy: what a processor's cache holds of the few that are in use
_GREATEST = 1e30  # g, or rad/s: fourth powers of jerk stay finite, and no sensor comes near


def wrist_set(
    channels: Sequence[str], *, rate_hz: float, samples: int, only: Sequence[str] | None = None
) -> tuple[WristFeature, ...]:
    """Return the features that windows of these channels, rate and length have, or those named in ``only``.

    Those of a band beyond half of the rate, and those of a rhythm in a window too short for one, are left out.
    """
    if not (np.isfinite(rate_hz) and rate_hz > 0):
        raise ValueError(f"rate_hz is {rate_hz}, expected samples a second")
    held = {stream for stream in ("accel", "gyro") if {f"{stream}_{axis}" for axis in AXES} <= set(channels)}
    shape = Shape(rate_hz, samples)
    found = tuple(one for one in WRIST.values() if held.issuperset(one.streams) and one.fits(shape))
    if not held or not found or samples < 4:
        raise ValueError(
            f"windows have {samples} samples of the channels {list(channels)}; the wrist set needs accel_x, accel_y "
            "and accel_z, or gyro_x, gyro_y and gyro_z, and at least 4 samples"
        )
    if len(set(channels)) < len(channels):
        raise ValueError(f"channels {list(channels)} hold a name twice; give each its own")
    if only is not None and not only:
        raise ValueError("only is empty; name one feature or more, or leave it out for all")
    if unknown := sorted(set(only or ()) - {one.name for one in found}):
        raise ValueError(f"{unknown} are not in the wrist set of these windows; it has {[one.name for one in found]}")
    return found if only is None else tuple(one for one in found if one.name in set(only))


def wrist_features(
    values: npt.ArrayLike, *, channels: Sequence[str], rate_hz: float, only: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return the wrist set of (n, channels, samples) in g and rad/s, or some of it: a row a window, never NaN."""
    windows = np.asarray(values)
    if windows.ndim != 3 or windows.shape[1] != len(channels):
        raise ValueError(f"values have the shape {windows.shape}, expected (windows, {len(channels)}, samples)")
    own = wrist_set(channels, rate_hz=rate_hz, samples=windows.shape[2], only=only)
    at_once = max(1, _SAMPLES_AT_ONCE // (windows.shape[2] * len(channels)))
    if not (usable := _usable(windows)).all():
        first = int(np.flatnonzero(~usable.all(axis=(1, 2)))[0])
        raise ValueError(
            f"window {first} holds {windows[first][~usable[first]][0]}, expected numbers of at most {_GREATEST:g} in "
            "size; leave such windows out, or fill them by name"
        )
    parts = [
        rows_of(windows[first : first + at_once], own, channels=channels, rate_hz=rate_hz)
        for first in range(0, len(windows), at_once)
    ]
    table = np.concatenate(parts) if parts else np.empty((0, len(own)))
    return pd.DataFrame(table, columns=[one.name for one in own])


def _usable(values: npt.NDArray[np.floating]) -> npt.NDArray[np.bool_]:
    """Return which samples are numbers that features can be told of."""
    return np.asarray(np.abs(values) <= _GREATEST)


def rows_of(
    windows: npt.NDArray[np.floating], own: Sequence[WristFeature], *, channels: Sequence[str], rate_hz: float
) -> FloatArray:
    """Return (n, features) of a few windows that are usable."""
    seen = Seen(windows, channels=channels, rate_hz=rate_hz)
    return np.stack([one.compute(seen) for one in own], axis=1)


def wrist_costs(
    channels: Sequence[str], *, rate_hz: float, samples: int, hop: int, only: Sequence[str] | None = None
) -> pd.DataFrame:
    """Return what each feature of the set, and each step that several share, costs on a watch.

    Parameters
    ----------
    channels, rate_hz, samples, hop
        What the windows are.
    only
        Names of features, where not all are wanted: steps that they do not need are left out.

    Returns
    -------
    pandas.DataFrame
        By ``name``: ``meaning, unit, needs, operations`` a window, ``operations_a_second`` and ``bytes`` of what is
        held between samples or while computing. The row ``samples`` is the window itself, which all share. Estimates
        by counting, not measured on a device: a division, a root, a logarithm or an angle counts as twenty operations.
    """
    _check_hop(hop)
    own = wrist_set(channels, rate_hz=rate_hz, samples=samples, only=only)
    shape, used = Shape(rate_hz, samples), {name for one in own for name in one.needs}
    streams = sorted({stream for one in own for stream in one.streams})
    rows = [("samples", f"the window of {', '.join(streams)}", "", "", 0.0, 4.0 * 3 * len(streams) * samples)]
    rows += [
        (name, step.meaning, "", "", step.operations(shape), step.bytes(shape))
        for name, step in SHARED.items()
        if name in used
    ]
    rows += [(one.name, one.meaning, one.unit, ", ".join(one.needs), one.operations(shape), 4.0) for one in own]
    table = pd.DataFrame(rows, columns=["name", "meaning", "unit", "needs", "operations", "bytes"]).set_index("name")
    table.insert(4, "operations_a_second", table["operations"] * rate_hz / hop)
    return table


def _check_hop(hop: int) -> None:
    if hop < 1:
        raise ValueError(f"hop is {hop}, expected 1 sample or more")


class WristStream:
    """The wrist set from packets of any size: a row each hop, with the very bits that the whole window gives.

    It holds one window; a row costs what :func:`wrist_costs` says, whatever came before.

    Parameters
    ----------
    channels, rate_hz, samples, hop
        What the windows are; the first one begins with the first sample.
    only
        Names of features, where not all are wanted.
    """

    def __init__(
        self, channels: Sequence[str], *, rate_hz: float, samples: int, hop: int, only: Sequence[str] | None = None
    ) -> None:
        _check_hop(hop)
        self.features = wrist_set(channels, rate_hz=rate_hz, samples=samples, only=only)
        self._channels, self._rate_hz, self._samples, self._hop = tuple(channels), rate_hz, samples, hop
        self.reset()

    @property
    def names(self) -> tuple[str, ...]:
        """Names of the columns."""
        return tuple(one.name for one in self.features)

    def reset(self) -> None:
        """Forget all samples, as a gap asks for."""
        self._held: FloatArray = np.empty((len(self._channels), self._samples))
        self._count, self._skip = 0, 0

    def push(self, samples: npt.ArrayLike) -> FloatArray:
        """Return the rows (k, features) of the windows that these samples complete.

        Parameters
        ----------
        samples
            (m, channels) in g and rad/s, later than what was pushed before; all of them finite. A packet that is
            refused leaves all as it was.
        """
        given = np.asarray(samples, dtype=np.float64)
        if given.ndim != 2 or given.shape[1] != len(self._channels):
            raise ValueError(f"samples have the shape {given.shape}, expected (m, {len(self._channels)})")
        if not (usable := _usable(given)).all():
            raise ValueError(
                f"samples hold {given[~usable][0]}, expected numbers of at most {_GREATEST:g} in size; leave such "
                "samples out and call reset() after a gap"
            )
        rows = [np.empty((0, len(self.features)))]
        place = 0
        while place < len(given):
            place = self._take(given, place)
            if self._count == self._samples:
                window = self._held[None]
                rows.append(rows_of(window, self.features, channels=self._channels, rate_hz=self._rate_hz))
                self._move_on()
        return np.concatenate(rows)

    def _take(self, given: FloatArray, place: int) -> int:
        """Hold the next samples, as many as the window lacks, and return the place after them."""
        if self._skip:
            passed = min(self._skip, len(given) - place)
            self._skip -= passed
            return place + passed
        taken = min(self._samples - self._count, len(given) - place)
        self._held[:, self._count : self._count + taken] = given[place : place + taken].T
        self._count += taken
        return place + taken

    def _move_on(self) -> None:
        """Keep what the next window shares with this one."""
        kept = max(0, self._samples - self._hop)
        self._skip = max(0, self._hop - self._samples)
        self._held[:, :kept] = self._held[:, self._samples - kept :].copy()
        self._count = kept
