"""Features of series as a table: tsfresh's names and values, computed of many windows at once."""

from collections.abc import Iterator, Mapping, Sequence
from concurrent.futures import ThreadPoolExecutor
from typing import NamedTuple, cast

import numpy as np
import numpy.typing as npt
import pandas as pd

from wristkit.features.batch import Batch
from wristkit.features.others import calculator_of, name_of, tell_the_slow
from wristkit.features.registry import Calculator, Column, Params
from wristkit.features.settings import NAMED, Settings
from wristkit.recording import FloatArray

_SAMPLES_AT_ONCE = 2**16  # half a MB a copy: what a processor's cache holds of the few that are in use


class _Step(NamedTuple):
    """One calculator with all sets of its parameters."""

    name: str
    calculator: Calculator
    params: Sequence[Params] | None


class _Group(NamedTuple):
    """Channels whose features are the same ones, so that their series are computed together."""

    channels: tuple[str, ...]
    places: tuple[int, ...]
    steps: Sequence[_Step]


def series_features(
    values: npt.ArrayLike,
    *,
    channels: Sequence[str],
    settings: str | Settings | Mapping[str, Settings],
    workers: int = 1,
) -> pd.DataFrame:
    """Return tsfresh's features of each channel of each window, in columns named ``<channel>__<feature>``.

    Parameters
    ----------
    values
        (n, channels, samples).
    channels
        Names of the channels.
    settings
        ``"minimal"``, ``"efficient"`` or ``"comprehensive"``; a dictionary as tsfresh takes it, of calculator to sets
        of parameters, in which a function of one series may stand in place of a name; or one of channel to such a
        dictionary, for these channels alone.
    workers
        Threads that share the work.
    """
    windows = _checked(values, channels)
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected 1 or more")
    groups = _groups(_by_channel(settings, channels), list(channels))
    at_once = max(1, _SAMPLES_AT_ONCE // windows[0].size)
    rows = [slice(first, first + at_once) for first in range(0, len(windows), at_once)]
    # The first windows are computed to learn the names, and then all others into a table that is made once: twice the
    # table is more than many machines have.
    begun = [_named_features(_series(windows, group, rows[0]), group.steps) for group in groups]
    names = {channel: tuple(found) for group, found in zip(groups, begun, strict=True) for channel in group.channels}
    ordered = [channel for channel in channels if channel in names]
    edges = np.cumsum([0, *(len(names[channel]) for channel in ordered)]).tolist()
    table = np.empty((edges[-1], len(windows)))

    def fill(place: int, part: slice) -> None:
        group, own = groups[place], names[groups[place].channels[0]]
        of_part = begun[place] if not part.start else _named_features(_series(windows, group, part), group.steps)
        for number, channel in enumerate(group.channels):
            first = edges[ordered.index(channel)]
            for row, name in enumerate(_same_names(of_part, own), start=first):
                table[row, part] = of_part[name].reshape(-1, len(group.channels))[:, number]

    tasks = [(place, part) for place in range(len(groups)) for part in rows]
    with ThreadPoolExecutor(workers) as pool:
        for _ in (pool.map if workers > 1 else map)(lambda task: fill(*task), tasks):
            pass
    columns = [f"{channel}__{name}" for channel in ordered for name in names[channel]]
    return pd.DataFrame(table.T, columns=columns, copy=False)


def _groups(by_channel: Mapping[str, Settings], channels: list[str]) -> list[_Group]:
    """Return the channels that share their settings together."""
    settings = {id(one): one for one in by_channel.values()}
    found = []
    for key, one in settings.items():
        own = tuple(channel for channel, its in by_channel.items() if id(its) == key)
        found.append(_Group(own, tuple(map(channels.index, own)), _steps(one)))
    tell_the_slow(which for one in settings.values() for which in one)
    return found


def _series(windows: npt.NDArray[np.floating], group: _Group, rows: slice) -> npt.NDArray[np.floating]:
    """Return the series (windows * channels, samples) of a group, window after window."""
    return windows[rows][:, list(group.places)].reshape(-1, windows.shape[2])


def _same_names(found: Mapping[str, FloatArray], names: Sequence[str]) -> Sequence[str]:
    if other := sorted(set(found) ^ set(names)):
        raise ValueError(f"{other} are features of some windows and not of others; give the same of each")
    return names


def _checked(values: npt.ArrayLike, channels: Sequence[str]) -> npt.NDArray[np.floating]:
    if isinstance(values, np.ma.MaskedArray):
        raise TypeError("values hold a mask, and features look below it; fill what is masked by name, such as with NaN")
    windows = np.asarray(values)
    if windows.dtype.kind not in "biuf":
        raise TypeError(f"values are of the type {windows.dtype}, expected real numbers")
    if windows.ndim != 3 or windows.shape[1] != len(channels) or not windows.size:
        raise ValueError(
            f"values have the shape {windows.shape} for the channels {list(channels)}; expected (windows, channels, "
            "samples) with one of each at least"
        )
    if len(set(channels)) < len(channels):
        raise ValueError(f"channels {list(channels)} hold a name twice, and so would the table; give each its own")
    return windows


def _by_channel(settings: str | Settings | Mapping[str, Settings], channels: Sequence[str]) -> Mapping[str, Settings]:
    """Return the settings of each channel that has any, in the order of the channels."""
    if isinstance(settings, str):
        if settings not in NAMED:
            raise ValueError(f"settings is {settings!r}, expected {', '.join(map(repr, NAMED))} or a dictionary")
        settings = NAMED[settings]
    if not isinstance(settings, Mapping):
        raise TypeError(f"settings is {settings!r}, expected {', '.join(map(repr, NAMED))} or a dictionary")
    if not settings or {} in settings.values():
        raise ValueError("settings name no calculator; give at least one")
    by_channel = {name: one for name, one in settings.items() if isinstance(one, Mapping)}
    if len(by_channel) < len(settings):
        return {channel: cast("Settings", settings) for channel in channels}
    if unknown := [name for name in settings if name not in channels]:
        raise ValueError(f"settings are given for {unknown}, the windows have the channels {list(channels)}")
    return {channel: by_channel[channel] for channel in channels if channel in by_channel}


def _steps(settings: Settings) -> list[_Step]:
    for which, params in settings.items():
        several = isinstance(params, Sequence) and all(isinstance(one, Mapping) for one in params)
        if not (params is None or several) or isinstance(params, str):
            raise TypeError(f"settings of {which!r} are {params!r}, expected None or a list of dictionaries")
    return [_Step(name_of(which), calculator_of(which), params) for which, params in settings.items()]


def _named_features(windows: npt.NDArray[np.floating], steps: Sequence[_Step]) -> dict[str, FloatArray]:
    """Return the features of (n, samples) series by name, in order, none of them twice."""
    batch, found = Batch(windows), dict[str, tuple[int, FloatArray]]()
    with np.errstate(all="ignore"):
        for place, step in enumerate(steps):
            for name, values in _columns(batch, [step]):
                if found.setdefault(name, (place, values))[0] != place:
                    raise ValueError(f"two calculators give a column {name!r}; give the function another name")
    return {name: values for name, (_, values) in found.items()}


def _columns(batch: Batch, steps: Sequence[_Step]) -> Iterator[Column]:
    for step in steps:
        for suffix, values in step.calculator(batch, step.params):
            yield f"{step.name}__{suffix}" if suffix else step.name, values
