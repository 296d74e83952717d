"""Features of windows: the wrist's own set, or tsfresh's."""

from collections.abc import Mapping, Sequence
from pathlib import Path

import numpy as np
import pandas as pd

from wristkit.features.cache import FeatureCache
from wristkit.features.extract import series_features
from wristkit.features.settings import Settings, settings_of
from wristkit.features.wrist import WRIST, wrist_features
from wristkit.windows import Windows, check_windows

Wanted = str | Settings | Mapping[str, Settings] | Sequence[str] | pd.Index


def features(
    windows: Windows, settings: Wanted = "wrist", *, workers: int = 1, cache: str | Path | None = None
) -> pd.DataFrame:
    """Return the features of windows, a row each in their order.

    Features of posture and of single axes hang on how the watch is worn: cut windows with ``frame="wrist"`` where
    people wear it on either side.

    Parameters
    ----------
    windows
        As from :func:`wristkit.windows`.
    settings
        ``"wrist"``: the set of :func:`wristkit.features.wrist_costs`, of accel and gyro together. ``"minimal"``,
        ``"efficient"`` or ``"comprehensive"``: tsfresh's sets, of each channel, in columns such as
        ``accel_x__abs_energy``. A dictionary as tsfresh takes it, of calculator to sets of parameters, in which a
        function of (samples,) may stand in place of a name; or one of channel to such a dictionary. Or names of columns
        of an earlier table, for these alone.
    workers
        Processes that share the work of tsfresh's features.
    cache
        Folder that keeps what was computed, by the windows' content and the settings: a stopped run goes on where it
        was, and others find what is there.
    """
    check_windows(windows)
    return table_of(
        windows.values,
        settings,
        channels=windows.channels,
        rate_hz=windows.rate_hz,
        workers=workers,
        cache=None if cache is None else FeatureCache(Path(cache)),
    )


def table_of(
    values: np.ndarray,
    settings: Wanted,
    *,
    channels: Sequence[str],
    rate_hz: float | None,
    workers: int = 1,
    cache: FeatureCache | None = None,
) -> pd.DataFrame:
    """Return the features of (n, channels, samples); tsfresh's know of no rate."""
    wanted = settings if isinstance(settings, str | Mapping) else list(settings)
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected 1 or more")

    def compute(part: np.ndarray) -> pd.DataFrame:
        return _computed(part, wanted, channels=channels, rate_hz=rate_hz, workers=workers)

    if cache is None:
        return compute(values)
    return cache.table(values, (wanted, tuple(channels), rate_hz), compute)


def _computed(
    values: np.ndarray,
    wanted: str | Settings | Mapping[str, Settings] | list[str],
    *,
    channels: Sequence[str],
    rate_hz: float | None,
    workers: int,
) -> pd.DataFrame:
    if isinstance(wanted, list):
        return _only(values, wanted, channels=channels, rate_hz=rate_hz, workers=workers)
    if wanted == "wrist":
        return wrist_features(values, channels=channels, rate_hz=_told(rate_hz))
    return series_features(values, channels=channels, settings=wanted, workers=workers)


def _told(rate_hz: float | None) -> float:
    if rate_hz is None:
        raise ValueError("rate_hz is not given, and the wrist's own features want it; say how many samples a second")
    return rate_hz


def _only(
    values: np.ndarray, names: Sequence[str], *, channels: Sequence[str], rate_hz: float | None, workers: int
) -> pd.DataFrame:
    """Return these columns alone, in this order."""
    of_wrist = [name for name in names if name in WRIST]
    of_series = [name for name in names if name not in WRIST]
    parts = []
    if of_wrist:
        parts.append(wrist_features(values, channels=channels, rate_hz=_told(rate_hz), only=of_wrist))
    if of_series:
        parts.append(
            series_features(values, channels=channels, settings=settings_of(of_series, channels), workers=workers)
        )
    if not parts:
        raise ValueError("no column is named; give the names of one or more")
    return pd.concat(parts, axis=1)[list(names)]
