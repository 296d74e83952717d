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


class _Task(NamedTuple):
    """Features of one channel of some windows: which rows of the table, which of its columns, and their names."""

    channel: str
    place: int
    steps: Sequence[_Step]
    names: tuple[str, ...]
    columns: slice
    rows: slice


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
    by_channel = _by_channel(settings, channels)
    steps = {channel: _steps(one) for channel, one in by_channel.items()}
    tell_the_slow(which for one in by_channel.values() for which in one)
    tasks = _tasks(windows, channels, steps)
    names = [f"{task.channel}__{name}" for task in tasks if not task.rows.start for name in task.names]
    table = np.empty((len(names), len(windows)))  # filled in place: twice the table is more than many machines have

    def fill(task: _Task) -> None:
        table[task.columns, task.rows] = _features_of(windows[task.rows, task.place], task.steps, task.names)

    with ThreadPoolExecutor(workers) as pool:
        for _ in (pool.map if workers > 1 else map)(fill, tasks):
            pass
    return pd.DataFrame(table.T, columns=names, copy=False)


def _tasks(
    windows: npt.NDArray[np.floating], channels: Sequence[str], steps: Mapping[str, Sequence[_Step]]
) -> list[_Task]:
    """Return what there is to do, one channel of some windows at a time; their names are those of the first window."""
    at_once = max(1, _SAMPLES_AT_ONCE // windows.shape[2])
    tasks, first = [], 0
    for channel, own in steps.items():
        place = list(channels).index(channel)
        names = _names(Batch(windows[:1, place]), own)
        columns = slice(first, first + len(names))
        first = columns.stop
        for row in range(0, len(windows), at_once):
            rows = slice(row, min(row + at_once, len(windows)))
            tasks.append(_Task(channel, place, own, names, columns, rows))
    return tasks


def _checked(values: npt.ArrayLike, channels: Sequence[str]) -> npt.NDArray[np.floating]:
    windows = np.asarray(values)
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
    if not settings:
        raise ValueError("settings name no calculator; give at least one")
    by_channel = {name: one for name, one in settings.items() if isinstance(one, Mapping)}
    if len(by_channel) < len(settings):
        return {channel: cast("Settings", settings) for channel in channels}
    if unknown := [name for name in settings if name not in channels]:
        raise ValueError(f"settings are given for {unknown}, the windows have the channels {list(channels)}")
    return {channel: by_channel[channel] for channel in channels if channel in by_channel}


def _steps(settings: Settings) -> list[_Step]:
    return [_Step(name_of(which), calculator_of(which), params) for which, params in settings.items()]


def _features_of(windows: npt.NDArray[np.floating], steps: Sequence[_Step], names: Sequence[str]) -> FloatArray:
    """Return the features (k, n) of (n, samples) series, in the order of their names."""
    with np.errstate(all="ignore"):  # what is not defined is NaN, as in tsfresh
        columns = dict(_columns(Batch(windows), steps))
    if other := set(columns) ^ set(names):
        raise ValueError(f"{sorted(other)} are features of some windows and not of others; give the same of each")
    return np.stack([columns[name] for name in names])


def _names(batch: Batch, steps: Sequence[_Step]) -> tuple[str, ...]:
    """Return the names of features, in order."""
    found: dict[str, int] = {}
    with np.errstate(all="ignore"):
        for place, step in enumerate(steps):
            for name, _ in _columns(batch, [step]):
                if found.setdefault(name, place) != place:
                    raise ValueError(f"two calculators give a column {name!r}; give the function another name")
    return tuple(found)


def _columns(batch: Batch, steps: Sequence[_Step]) -> Iterator[Column]:
    for step in steps:
        for suffix, values in step.calculator(batch, step.params):
            yield f"{step.name}__{suffix}" if suffix else step.name, values
