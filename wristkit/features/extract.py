"""Features of series as a table: tsfresh's names and values, computed of many windows at once."""

from collections.abc import Iterable, Iterator, Mapping, Sequence
from concurrent.futures import Executor, wait
from contextlib import suppress
from pathlib import Path
from tempfile import TemporaryDirectory
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
_PARTS_A_WORKER, _MOST_AT_ONCES = 24, 16  # enough parts that all workers end together, each of some 100 MB at most
_WINDOWS, _FOUND = "windows.npy", ".found"
_ONE_THREAD = (
    "OMP_NUM_THREADS",
    "OPENBLAS_NUM_THREADS",
    "MKL_NUM_THREADS",
    "VECLIB_MAXIMUM_THREADS",
    "NUMBA_NUM_THREADS",
)


class _Step(NamedTuple):
    """One calculator with all sets of its parameters."""

    name: str
    calculator: Calculator
    params: Sequence[Params] | None


class _Part(NamedTuple):
    """Features of some windows by name: (names, windows, channels)."""

    names: tuple[str, ...]
    values: FloatArray


class _Group(NamedTuple):
    """Channels whose features are the same ones, so that their series are computed together."""

    channels: tuple[str, ...]
    places: tuple[int, ...]
    steps: Sequence[_Step]


class _Task(NamedTuple):
    """Some windows of a group, and how many of them are computed at once."""

    group: _Group
    rows: slice
    at_once: int


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
        Processes that share the work: this one, and others which joblib starts at the first call and keeps for the next
        ones. They read the windows from a file in the system's temporary folder, which needs room for a copy. Threads
        would not do: steps of microseconds hand Python's lock to and fro, and two of them take nearly the time of one.
    """
    windows = _checked(values, channels)
    if workers < 1:
        raise ValueError(f"workers is {workers}, expected 1 or more")
    groups = _groups(_by_channel(settings, channels), list(channels))
    at_once = max(1, _SAMPLES_AT_ONCE // windows[0].size)
    # The first windows are computed to learn the names, and then all others into a table that is made once: twice the
    # table is more than many machines have.
    begun = [_of_part(windows[:at_once, list(group.places)], group.steps, at_once) for group in groups]
    names = {channel: part.names for group, part in zip(groups, begun, strict=True) for channel in group.channels}
    ordered = [channel for channel in channels if channel in names]
    firsts = dict(zip(ordered, np.cumsum([0, *(len(names[channel]) for channel in ordered)]).tolist(), strict=False))
    table = np.empty((sum(map(len, names.values())), len(windows)))

    def fill(group: _Group, rows: slice, part: _Part) -> None:
        order = _places_of(names[group.channels[0]], part.names)
        for number, channel in enumerate(group.channels):
            table[firsts[channel] : firsts[channel] + len(order), rows] = part.values[order, :, number]

    for group, part in zip(groups, begun, strict=True):
        fill(group, slice(0, at_once), part)
    slices = _slices(at_once, len(windows), at_once, workers)
    tasks = [_Task(group, rows, at_once) for group in groups for rows in slices]
    for number, part in _computed(windows, tasks, workers):
        fill(tasks[number].group, tasks[number].rows, part)
    columns = [f"{channel}__{name}" for channel in ordered for name in names[channel]]
    return pd.DataFrame(table.T, columns=columns, copy=False)


def _slices(first: int, count: int, at_once: int, workers: int) -> list[slice]:
    """Return parts of the windows from first on: all that are computed at once, more where they go to a process."""
    several = min(_MOST_AT_ONCES, -(-count // (_PARTS_A_WORKER * workers * at_once))) if workers > 1 else 1
    return [slice(start, min(start + several * at_once, count)) for start in range(first, count, several * at_once)]


def _computed(windows: npt.NDArray[np.floating], tasks: Sequence[_Task], workers: int) -> Iterator[tuple[int, _Part]]:
    """Yield the number and the features of each task as they come.

    Each process takes the next task that none has taken, and what others found comes by way of a file: while they all
    compute, no message wakes any of them.
    """
    if workers == 1:
        for number, task in enumerate(tasks):
            yield number, _of_task(windows, task)
        return
    with TemporaryDirectory(prefix="wristkit-features-") as name:
        folder = Path(name)
        np.save(folder / _WINDOWS, windows)
        others = [_other_processes(workers).submit(_help, folder, tasks) for _ in range(workers - 1)]
        try:
            for number in _taken(folder, len(tasks)):
                yield number, _of_task(windows, tasks[number])
                yield from _found_by_others(folder)
            for other in others:
                other.result()
            yield from _found_by_others(folder)
        finally:
            list(_taken(folder, len(tasks)))  # where this process was stopped, the others are left nothing to do
            wait(others)


def _help(folder: Path, tasks: Sequence[_Task]) -> None:
    """Compute tasks that no other process has taken, each into a file."""
    windows = np.load(folder / _WINDOWS, mmap_mode="r")
    for number in _taken(folder, len(tasks)):
        part, path = _of_task(windows, tasks[number]), folder / f"{number}.begun"
        with path.open("wb") as file:
            np.save(file, part.values)
            np.save(file, part.names)
        path.rename(path.with_suffix(_FOUND))


def _taken(folder: Path, count: int) -> Iterator[int]:
    """Yield the numbers of tasks that this process is the first to take."""
    for number in range(count):
        with suppress(FileExistsError):
            (folder / f"{number}.taken").touch(exist_ok=False)
            yield number


def _found_by_others(folder: Path) -> Iterator[tuple[int, _Part]]:
    for path in folder.glob(f"*{_FOUND}"):
        with path.open("rb") as file:
            values, names = np.load(file), np.load(file)
        path.unlink()
        yield int(path.stem), _Part(tuple(names.tolist()), values)


def _of_task(windows: npt.NDArray[np.floating], task: _Task) -> _Part:
    return _of_part(windows[task.rows][:, list(task.group.places)], task.group.steps, task.at_once)


def _other_processes(workers: int) -> Executor:
    """Return the processes beside this one, of a thread each."""
    from joblib.externals.loky import get_reusable_executor

    others: Executor = get_reusable_executor(max_workers=workers - 1, timeout=300, env=dict.fromkeys(_ONE_THREAD, "1"))
    return others


def _of_part(windows: npt.NDArray[np.floating], steps: Sequence[_Step], at_once: int) -> _Part:
    """Return the features of windows (n, c, samples), computed of so many at once."""
    names, values = tuple[str, ...](), list[FloatArray]()
    for first in range(0, len(windows), at_once):
        some = windows[first : first + at_once]
        found = _named_features(some.reshape(-1, some.shape[2]), steps)
        names = names or tuple(found)
        values.append(
            np.stack([found[name] for name in _same_names(found, names)]).reshape(len(names), *some.shape[:2])
        )
    return _Part(names, values[0] if len(values) == 1 else np.concatenate(values, axis=1))


def _groups(by_channel: Mapping[str, Settings], channels: list[str]) -> list[_Group]:
    """Return the channels that share their settings together."""
    settings = {id(one): one for one in by_channel.values()}
    found = []
    for key, one in settings.items():
        own = tuple(channel for channel, its in by_channel.items() if id(its) == key)
        found.append(_Group(own, tuple(map(channels.index, own)), _steps(one)))
    tell_the_slow(which for one in settings.values() for which in one)
    return found


def _places_of(names: Sequence[str], found: Sequence[str]) -> list[int]:
    """Return where each of the names was found, all in their own places as a rule."""
    _same_names(found, names)
    places = {name: place for place, name in enumerate(found)}
    return [places[name] for name in names]


def _same_names(found: Iterable[str], names: Sequence[str]) -> Sequence[str]:
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
